"""Clips that two processes measure together: a test is the first, and this script the second."""

import json
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from drawn import boxes, colours
from torch import distributed

from heygen_hf.evaluation.clip_stream import ReferenceClips
from heygen_hf.evaluation.measuring import MeasuringSettings
from heygen_hf.evaluation.registry import MetricModels, compute_metrics


class Clips:
    """Thirteen clips, an odd number; what is read is noted."""

    def __init__(self) -> None:
        self.clips = boxes(13, seed=1, noise=0.1)
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int):
        self.read.append(index)
        return self.clips[index]


def figures() -> tuple[dict, list[int]]:
    """Name → figure, interval, noise floor and count; and which clips this process read."""
    settings = MeasuringSettings(allow_too_few=True, num_resamples=10, batch_size=1)
    models = MetricModels(video_features=colours(), classifier=colours(scale=20))
    names = ["fvd", "jedi", "is", "psnr", "temporal_flicker"]
    clips = Clips()
    found = compute_metrics(names, clips, boxes(13), models=models, settings=settings)
    return {name: [each.value, each.interval, each.noise_floor, each.count] for name, each in found.items()}, clips.read


def figures_of_cached_references(cache_dir: Path | None) -> list[float]:
    """Of references whose statistics lie in a folder, or in none."""
    settings = MeasuringSettings(allow_too_few=True, num_resamples=0, cache_dir=cache_dir)
    models = MetricModels(video_features=colours())
    references = ReferenceClips(boxes(13), "these")
    found = compute_metrics(["fvd"], boxes(13, seed=1), references, models=models, settings=settings)["fvd"]
    return [found.value, found.reference_count]


def message_of_a_bad_clip() -> str:
    """What this process says where clip 1, which the second one reads, is not as the others."""
    clips = [*boxes(3)]
    clips[1] = clips[1] * 3
    try:
        compute_metrics(["temporal_flicker"], clips, settings=MeasuringSettings(allow_too_few=True))
    except ValueError as error:
        return str(error)
    return "none"


def measure_as(rank: int, folder: Path) -> tuple[dict, list[int], list[float], str]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        # the first has the statistics from before, and the second keeps none
        cached = figures_of_cached_references(folder / "cache" if rank == 0 else None)
        return *figures(), cached, message_of_a_bad_clip()
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found, read, cached, message = measure_as(1, folder)
    report = {"figures": found, "read": read, "cached": cached, "message": message}
    (folder / "other.json").write_text(json.dumps(report))
