"""Clips that two processes measure together: a test is the first, and this script the second."""

import json
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from drawn import boxes, colours
from torch import distributed

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


def measure_as(rank: int, folder: Path) -> tuple[dict, list[int]]:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        return figures()
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found, read = measure_as(1, folder)
    (folder / "other.json").write_text(json.dumps({"figures": found, "read": read}))
