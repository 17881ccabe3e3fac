"""Fine-tunings of a few steps, of tiny pipelines on a few clips."""

import json
from collections.abc import Callable
from pathlib import Path

from tiny_pipelines import TINY_CLIPS

from heygen_hf.data import render_moving_digits
from heygen_hf.tasks import run_recipe

LORA = '{"method": "lora", "r": 4, "lora_alpha": 4}'


class Finetunings:
    """Trains `digits()` on a pipeline, and gives the run's folder: each name once, unless it resumes.

    Args:
        work: an empty folder.
        pipeline_folder: of a family's tiny pipeline.
    """

    def __init__(self, work: Path, pipeline_folder: Callable[[str], Path]) -> None:
        self.work, self._pipeline_folder = work, pipeline_folder
        self._finished: set[Path] = set()

    def digits(self, seed: int = 0) -> Path:
        """Captioned clips, others for each seed: `train/` has 5, `validation/` 2."""
        folder = self.work / f"digits_{seed}"
        sizes = {"image_size": 32, "digit_size": 14, "num_frames": 9}
        if not folder.is_dir():
            counts = {"num_train": 5, "num_validation": 2, "num_test": 1}
            render_moving_digits(folder, seed=seed, progress=False, **counts, **sizes)
        return folder

    def __call__(
        self, name: str, *overrides: str, family: str = "wan", steps: int = 2, resume: str | None = None
    ) -> Path:
        folder = self.work / name
        if folder in self._finished and resume is None:
            return folder
        values = {
            "task": "finetuning",
            "output_dir": str(folder),
            "model": {"pretrained": str(self._pipeline_folder(family)), "dtype": "float32"},
            "data": {
                "train": str(self.digits() / "train"),
                "validation": str(self.digits() / "validation"),
                "cache_dir": str(self.work / "cache"),
                "cache": {"dtype": "float32"},
            },
            "processor": {**TINY_CLIPS[family], "frame_position": "start"},
            "training": {
                "max_steps": steps,
                "per_device_train_batch_size": 2,
                "precision": "fp32",
                "learning_rate": 1e-2,
                "lr_scheduler_type": "constant",
                "logging_steps": 1,
                "save_steps": max(steps // 2, 1),
                "eval_steps": 100,
                "eval_timesteps": [0.3, 0.8],
                "disable_tqdm": True,
            },
            "generation": {"num_inference_steps": 2, "guidance_scale": 1.0, "num_samples": 1},
        }
        recipe = self.work / f"{name}.yaml"
        recipe.write_text(json.dumps(values))
        run_recipe(recipe, list(overrides), resume=resume)
        self._finished.add(folder)
        return folder
