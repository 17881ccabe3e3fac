"""A folder of 1,000 files of which 100 are hostile: is every bad one named, no good one lost, does training end?

    python benchmarks/hostile_folder.py [--files 1000] [--hostile 100] [--train-steps 20]

Makes the folder, prepares it under both pad policies, loads every clip through a DataLoader's workers, and with
`--train-steps` trains on it by the recipe for folders. The last line is JSON; `good_lost` and `hostile_unnamed`
are to be empty (flipped bytes may leave a clip playable: then it is used, counted under `played_all_the_same`).
"""

import argparse
import importlib.util
import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from torch.utils.data import DataLoader

from heygen_hf.data import load_video_dataset, prepare_clips
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import run_recipe

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "text_to_video" / "video_folder.yaml"
SMALL = [
    "model.hidden_size=96",
    "model.num_hidden_layers=2",
    "model.num_attention_heads=3",
    "processor.height=32",
    "processor.width=32",
    "training.per_device_train_batch_size=8",
    "training.sample_steps=0",
    "training.eval_steps=1000000",
    "training.logging_steps=5",
]


def load_maker() -> ModuleType:
    """The tests' own maker of such folders."""
    spec = importlib.util.spec_from_file_location("hostile", ROOT / "tests" / "data" / "hostile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile"] = module
    spec.loader.exec_module(module)
    return module


def account(maker: ModuleType, made: Any, cache: Path, *, pad_policy: str) -> dict[str, Any]:
    """Prepare and load the folder; what was lost, what was not named, and how long it took."""
    processor = VideoProcessor(num_frames=8, height=48, width=64, frame_position="random", pad_policy=pad_policy)
    started = time.perf_counter()
    options: dict[str, Any] = {"processor": processor, "seed": 0, "cache_dir": cache, "max_bad_share": 1.0}
    options |= {"progress": False, "decode_time_limit_seconds": 20.0}
    dataset = load_video_dataset(made.folder)
    clips, report = prepare_clips(dataset, **options)
    prepared = time.perf_counter() - started
    # once more as if the clips were too long to be held: the workers decode them, and meet what is wrong with them
    drawn, _ = prepare_clips(dataset, **options, max_clip_mebibytes=0.001)
    num_loaded = sum(1 for _ in DataLoader(drawn, batch_size=None, num_workers=2))
    skipped = dict(report.skipped)
    allowed = maker.PERHAPS_USABLE | (maker.USABLE_WHEN_PADDED if pad_policy != "drop" else frozenset())
    return {
        "rows": report.num_rows,
        "used": report.num_used,
        "good_lost": sorted(set(made.good) - set(clips.file_names)),
        "hostile_unnamed": sorted(
            name for name, kind in made.hostile.items() if name not in skipped and kind not in allowed
        ),
        "wrong_reason": {
            name: skipped[name]
            for name, kind in made.hostile.items()
            if name in skipped and not re.search(maker.REASONS[kind], skipped[name])
        },
        "named_by_kind": dict(sorted(Counter(made.hostile[name] for name in skipped if name in made.hostile).items())),
        "played_all_the_same": sorted({kind for name, kind in made.hostile.items() if name not in skipped}),
        "loaded": num_loaded,
        "prepare_seconds": round(prepared, 2),
        "load_seconds": round(time.perf_counter() - started - prepared, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--hostile", type=int, default=100)
    parser.add_argument("--train-steps", type=int, default=0, help="also train so many steps")
    parser.add_argument("overrides", nargs="*", help="section.key=value for the recipe")
    options = parser.parse_args()
    maker = load_maker()
    with tempfile.TemporaryDirectory() as temporary:
        started = time.perf_counter()
        made = maker.make_hostile_folder(
            Path(temporary) / "clips",
            num_good=options.files - options.hostile - 1,  # and a link that is as good as its file
            num_hostile=options.hostile,
            seed=0,
        )
        result: dict[str, Any] = {"make_seconds": round(time.perf_counter() - started, 2)}
        for pad_policy in ("drop", "repeat_last"):
            result[pad_policy] = account(maker, made, Path(temporary) / "cache", pad_policy=pad_policy)
            print(pad_policy, json.dumps(result[pad_policy], indent=2, ensure_ascii=False))
        if options.train_steps:
            places = [
                f"data.train={made.folder}",
                f"output_dir={temporary}/run",
                f"data.cache_dir={temporary}/cache",
                "data.max_bad_share=0.2",
                f"training.max_steps={options.train_steps}",
                f"training.save_steps={options.train_steps}",
            ]
            started = time.perf_counter()
            run_recipe(RECIPE, [*SMALL, *places, *options.overrides], command=["benchmarks/hostile_folder.py"])
            log = (Path(temporary) / "run" / "log.jsonl").read_text().splitlines()
            result["train"] = {
                "steps": max(json.loads(line).get("step", 0) for line in log),
                "seconds": round(time.perf_counter() - started, 1),
            }
        result["peak_mebibytes_of_children"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        policies = [result["drop"], result["repeat_last"]]
        result["passed"] = not any(
            policy[key] for policy in policies for key in ("good_lost", "hostile_unnamed", "wrong_reason")
        )
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
