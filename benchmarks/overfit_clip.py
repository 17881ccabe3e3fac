"""Can the recipe for a folder of clips learn one real clip by heart? Trains, samples, compares: PSNR in dB.

    python benchmarks/overfit_clip.py path/to/clip.mp4 [section.key=value …]

The last line is JSON: `psnr_db` (mean over the frames' PSNR, data range 1), `steps`, `seconds`, `file`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from heygen_hf.data import decode_video
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks import run_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "text_to_video" / "video_folder.yaml"
CAPTION = "the clip"
# One clip wants a small model, a fixed start and no guidance; the rest is the recipe's.
SETTINGS = [
    "model.hidden_size=192",
    "model.num_hidden_layers=4",
    "model.num_attention_heads=3",
    "model.patch_size=[4,8,8]",
    "processor.frame_position=start",
    "training.max_steps=600",
    "training.per_device_train_batch_size=4",
    "training.ema_decay=0.98",
    "training.logging_steps=100",
    "training.save_steps=600",
    "training.sample_steps=0",
    "generation.guidance_scale=1.0",
]


def mean_frame_psnr(video: torch.Tensor, reference: torch.Tensor) -> float:
    """Mean over frames of the PSNR in dB; both `(frames, channels, height, width)` in [0, 1]."""
    error = (video - reference).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return (-10 * error.log10()).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("overrides", nargs="*", help="section.key=value, laid over the settings for one clip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "clips"
        folder.mkdir()
        (folder / options.clip.name).write_bytes(options.clip.read_bytes())
        row = {"file_name": options.clip.name, "text": CAPTION}
        (folder / "metadata.jsonl").write_text(json.dumps(row))
        places = [f"data.train={folder}", f"output_dir={temporary}/run", f"data.cache_dir={temporary}/cache"]
        start = time.perf_counter()
        run = run_recipe(
            RECIPE,
            [*SETTINGS, *places, *options.overrides],
        )
        seconds = time.perf_counter() - start
        pipeline = VideoGenerationPipeline.from_pretrained(str(run.folder))
        pipeline.set_progress_bar_config(disable=True)
        video = pipeline(CAPTION, generator=torch.Generator().manual_seed(1), output_type="pt").frames[0]
        processor = pipeline.processor
        clip = decode_video(options.clip, processor=processor)
        reference = processor.normalize(clip.frames) / 2 + 0.5
        steps = json.loads((run.folder / "run.json").read_text())["steps"]
    print(
        json.dumps(
            {
                "psnr_db": round(mean_frame_psnr(video, reference), 2),
                "steps": steps,
                "seconds": round(seconds, 1),
                "file": options.clip.name,
            }
        )
    )


if __name__ == "__main__":
    main()
