"""A run's folder as training and measuring leave it, without its model."""

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # `from traced_figures import untraced`

RECIPE = """\
task: text_to_video
output_dir: outputs/tiny
data:
  train: data/tiny
  label_columns: [digit]
generation:
  num_inference_steps: 20
  guidance_scale: 4.0
  frame_rate: 8.0
hub:
  license: apache-2.0
  title: Tiny digits
"""
REPORT = {
    "num_rows": 12_290,
    "num_used": 12_000,
    "num_set_apart": 287,
    "num_padded": 5,
    "skipped": [
        {"file_name": "a.mp4", "reason": "truncated after 7 frames"},
        {"file_name": "b.mp4", "reason": "truncated after 7 frames"},
        {"file_name": "c.mp4", "reason": "no video"},
    ],
    "warnings": ["48 files are copies of others"],
}
FACTS: dict[str, Any] = {
    "command": ["heygen-hf", "train", "recipes/tiny.yaml"],
    "data": "tiny",
    "reports": {"train": REPORT},
    "replaced_clips": {"d.mp4": "went away"},
    "num_parameters": 2_752_448,
    "steps": 3000,
    "samples_seen": 96_000,
    "training_seconds": 655.2,
    "validation_loss": 0.08722148835659027,
    "energy": {"kilowatt_hours": 0.0123456, "of": "the GPU alone, by the driver's count"},
    "commit": {"heygen_hf": "0123456789abcdef0123456789abcdef01234567", "modified": False},
    "hardware": {"processes": 1, "cpu": "2 cores, x86_64"},
    "versions": {"heygen_hf": "0.1.0", "torch": "2.13.0+cpu"},
    "prompts": ["a red 7 moves left", "a blue 1 moves up"],
}
FVD = {
    "name": "fvd",
    "value": 150.6724065923228,
    "count": 256,
    "provenance": {
        "seed": 0,
        "features": {"name": "random encoder", "weights_hash": "f2d45b4b", "preprocessing": {"height": 64}},
    },
    "reference_count": 2048,
    "higher_is_better": False,
    "unit": "",
    "interval": [148.2536488065711, 153.52293542187394],
    "minimum_count": 2048,
    "below_minimum": True,
    "noise_floor": 20.481082595725965,
    "reference_value": None,
    "note": None,
    "details": {},
}
MEASURED = {
    "videos": {
        "source": "tiny",
        "count": 256,
        "first_seed": 1000,
        "last_seed": 1255,
        "prompts": "the captions of tiny",
    },
    "references": {"source": "tiny, test clips", "count": 2048},
    "metrics": {"fvd": FVD},
}
CHECKS = {
    "format_version": 1,
    "checks": {
        "groups": {
            "name": "groups",
            "title": "Accuracy by group",
            "summary": "The worst is 8, of which 9 of 20 are right.",
            "columns": ["group", "accuracy"],
            "rows": [["7", "99.0%"], ["8", "45.0%"]],
            "notes": [],
            "figures": [{"name": "accuracy", "value": 0.45, "count": 20}],
            "files": ["evaluation/nearest.png"],
        }
    },
}


def _figure(correct: int, count: int) -> dict[str, Any]:
    accuracy = correct / count
    return {"accuracy": accuracy, "correct": correct, "count": count, "interval": [accuracy - 0.05, accuracy + 0.03]}


def _report(correct: int) -> dict[str, Any]:
    worst = {"value": "8", **_figure(correct // 20, 20)}
    return {
        "columns": {"digit": {**_figure(correct, 240), "worst_value": worst}},
        "all_columns_correct": _figure(correct - 1, 240),
    }


def write(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def write_clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 32
        for place in range(3):
            picture = np.full((32, 32, 3), 80 * place, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs" / "tiny"
    write(folder / "run.json", FACTS)
    seen, unseen = _report(230), _report(212)
    generated = {**_report(221), "groups": {"seen": seen, "unseen": unseen}}
    real = {**_report(239), "groups": {"seen": _report(238), "unseen": _report(237)}}
    write(folder / "metrics.json", {"attribute_accuracy": generated, "attribute_accuracy_real": real})
    write(folder / "model_index.json", {"num_inference_steps": 20, "guidance_scale": 4.0, "frame_rate": 8.0})
    write(folder / "evaluation" / "metrics_fvd_256_videos_seed_1000.json", MEASURED)
    write(folder / "checks.json", CHECKS)
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (folder / "samples").mkdir()
    for place in range(2):
        write_clip(folder / "samples" / f"sample-{place:02d}.mp4")
    picture = Image.new("RGB", (8, 8))
    picture.save(folder / "samples" / "samples.png")
    picture.save(folder / "evaluation" / "nearest.png")
    return folder
