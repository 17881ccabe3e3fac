"""The model card of an autoencoder's run."""

from typing import Any

from heygen_hf.hub import CardFacts, SampleImage, write_card
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.model_training.figures import figures_from_json
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.video_autoencoder.recipe import with_defaults
from heygen_hf.tasks.video_autoencoder.samples import STRIPS

PIPELINE_TAG = "video-to-video"

_USAGE = """\
import torch
from diffusers import {class_name}
from heygen_hf.data import decode_video
from heygen_hf.processing import VideoProcessor

processor = VideoProcessor.from_pretrained(FOLDER)
autoencoder = {class_name}.from_pretrained(FOLDER).eval()
clip = processor(decode_video("clip.mp4", processor=processor))["pixel_values"]  # (1, frames, channels, height, width)
with torch.no_grad():
{lines}"""
_OF_VIDEOS = """\
    latents = autoencoder.encode(clip.transpose(1, 2)).latent_dist.mean  # channels before frames
    again = autoencoder.decode(latents).sample.transpose(1, 2)"""
_OF_IMAGES = """\
    latents = autoencoder.encode(clip.flatten(0, 1)).latent_dist.mean  # frame by frame
    again = autoencoder.decode(latents).sample.unflatten(0, clip.shape[:2])"""


def write_autoencoder_card(folder: RunFolder, recipe: Recipe, *, autoencoder: Any, data: PreparedData) -> None:
    """Write `README.md` from `run.json`, `metrics.json` and the samples; what is missing is said to be unknown."""
    facts, metrics = read_json(folder.facts), read_json(folder.metrics)
    reports = facts.get("reports", {})
    skipped = [row for report in reports.values() for row in report.get("skipped", ())]
    class_name = type(autoencoder).__name__
    notes = [recipe.hub.data_description, _size_note(metrics), _test_note(data)]
    samples = []
    if (folder.samples / STRIPS).is_file():
        note = "test clips: each input above its reconstruction, frames from left to right"
        samples = [SampleImage(path=f"samples/{STRIPS}", note=note)]
        notes.append(f"samples/{STRIPS} shows test clips, each above its reconstruction.")
    write_card(
        folder.path,
        CardFacts(
            title=recipe.hub.title or folder.path.name,
            task=PIPELINE_TAG,
            model_class=class_name,
            library_name="diffusers",
            num_parameters=facts.get("num_parameters"),
            data_name=facts.get("data"),
            clips_per_split={split: report["num_used"] for split, report in reports.items()},
            skipped_clips=len(skipped) if reports else None,
            skipped_reasons=[f"{row['file_name']}: {row['reason']}" for row in skipped],
            data_note=" ".join(note for note in notes if note) or None,
            recipe_yaml=resolved_yaml(with_defaults(recipe)),
            command=facts.get("command"),
            hardware=facts.get("hardware", {}),
            training_seconds=facts.get("training_seconds"),
            steps=facts.get("steps"),
            samples_seen=facts.get("samples_seen"),
            versions=facts.get("versions", {}),
            metrics=figures_from_json(metrics.get("figures", [])),
            metrics_file="metrics.json" if metrics else None,
            validation_loss=facts.get("validation_loss"),
            samples=samples,
            usage=_USAGE.format(
                class_name=class_name, lines=_OF_IMAGES if class_name == "AutoencoderKL" else _OF_VIDEOS
            ),
            limits=recipe.hub.limits,
            licence=recipe.hub.license,
            tags=["autoencoder"],
        ),
    )


def _size_note(metrics: dict[str, Any]) -> str | None:
    if "latent_size" not in metrics:
        return None
    clip, latents = ("×".join(map(str, metrics[name])) for name in ("clip_size", "latent_size"))
    return (
        f"A clip of {clip} values (frames, channels, height, width) becomes latents of {latents}; their mean and "
        "standard deviation on the training clips are in the configuration (latents_mean, latents_std)."
    )


def _test_note(data: PreparedData) -> str | None:
    if data.test is data.validation:
        return "There is no test split: the figures are of the validation clips."
    if data.test is data.train:
        return "There is neither a test nor a validation split: the figures are of the training clips."
    return None
