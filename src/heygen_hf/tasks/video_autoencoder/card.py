"""The model card of an autoencoder's run."""

from typing import Any

from heygen_hf.hub import SampleImage, write_card
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.model_training.arguments import with_defaults
from heygen_hf.tasks.model_training.run_card import remember_for_card, remembered_for_card, run_card_facts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.video_autoencoder.samples import STRIPS
from heygen_hf.training import VideoAutoencoderTrainingArguments

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
    remember_for_card(folder, model_class=type(autoencoder).__name__, test_note=data.test_note)
    rewrite_autoencoder_card(folder, recipe)


def rewrite_autoencoder_card(folder: RunFolder, recipe: Recipe) -> None:
    """The same again from the run's folder; of a run before cards were remembered, from its data as well."""
    if remembered_for_card(folder) is None:
        from heygen_hf.tasks.video_autoencoder.story import prepare_clips_of

        data = prepare_clips_of(recipe, processor=VideoProcessor.from_pretrained(str(folder.path)), is_main=True)
        class_name = read_json(folder.path / "config.json")["_class_name"]
        remember_for_card(folder, model_class=class_name, test_note=data.test_note)
    own = remembered_for_card(folder) or {}
    class_name = own["model_class"]
    notes = [recipe.hub.data_description, _size_note(read_json(folder.metrics)), own["test_note"]]
    samples = []
    if (folder.samples / STRIPS).is_file():
        note = "test clips: each input above its reconstruction, frames from left to right"
        samples = [SampleImage(path=f"samples/{STRIPS}", note=note)]
    facts = run_card_facts(
        folder,
        with_defaults(VideoAutoencoderTrainingArguments, recipe),
        task=PIPELINE_TAG,
        model_class=class_name,
        library_name="diffusers",
        data_note=" ".join(note for note in notes if note) or None,
        samples=samples,
        usage=_USAGE.format(class_name=class_name, lines=_OF_IMAGES if class_name == "AutoencoderKL" else _OF_VIDEOS),
        tags=["autoencoder"],
    )
    write_card(folder.path, facts)


def _size_note(metrics: dict[str, Any]) -> str | None:
    if "latent_size" not in metrics:
        return None
    clip, latents = ("×".join(map(str, metrics[name])) for name in ("clip_size", "latent_size"))
    return (
        f"A clip of {clip} values (frames, channels, height, width) becomes latents of {latents}; their mean and "
        "standard deviation on the training clips are in the configuration (latents_mean, latents_std)."
    )
