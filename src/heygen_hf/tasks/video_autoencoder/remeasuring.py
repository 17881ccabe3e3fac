"""A finished autoencoder measured anew, from what its folder holds."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json
from heygen_hf.tasks.text_to_video.encoder_loading import load_autoencoder
from heygen_hf.tasks.video_autoencoder.card import write_autoencoder_card
from heygen_hf.tasks.video_autoencoder.model import size_of_latents
from heygen_hf.tasks.video_autoencoder.story import measure_run, prepare_clips_of


def evaluate(run: str | Path, *, output: str | Path | None = None) -> dict[str, Any]:
    """Load the exported autoencoder, measure it, print the table, write the JSON.

    Args:
        output: where to write the figures; by default the run's `metrics.json`, and its samples and card are written
            anew.

    Raises:
        ValueError: no finished run there.
    """
    folder = RunFolder(Path(run))
    folder.require_finished_model()
    recipe = load_recipe(folder.recipe)
    autoencoder = load_autoencoder(str(folder.path))
    autoencoder.to("cuda" if torch.cuda.is_available() else "cpu")
    processor = VideoProcessor.from_pretrained(str(folder.path))
    data = prepare_clips_of(recipe, processor=processor, is_main=True)
    size = size_of_latents(recipe, autoencoder)
    if output is None:
        metrics = measure_run(folder, recipe, autoencoder, data, processor=processor, size=size)
        write_autoencoder_card(folder, recipe, autoencoder=autoencoder, data=data)
        return metrics
    with tempfile.TemporaryDirectory() as scratch:
        write_json(RunFolder(Path(scratch)).facts, read_json(folder.facts))
        metrics = measure_run(RunFolder(Path(scratch)), recipe, autoencoder, data, processor=processor, size=size)
    write_json(Path(output), metrics)
    return metrics
