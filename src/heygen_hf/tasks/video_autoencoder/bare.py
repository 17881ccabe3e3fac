"""The trainer of a video autoencoder alone: for `search` and `--overfit-one-batch`."""

from collections.abc import Sequence
from dataclasses import asdict

from transformers import TrainerCallback
from transformers.trainer_utils import set_seed

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.bare_training import BareTraining, same_values
from heygen_hf.tasks.model_training.arguments import build_arguments, float32_on_cpu
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_autoencoder.model import build_autoencoder, size_of_latents
from heygen_hf.tasks.video_autoencoder.recipe import check_options
from heygen_hf.tasks.video_autoencoder.story import build_trainer, prepare_clips_of
from heygen_hf.training import VideoAutoencoderTrainer, VideoAutoencoderTrainingArguments


class BareAutoencoderTraining(BareTraining):
    """See [`BareTraining`]."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        check_recipe(recipe)
        self._processor = VideoProcessor(**asdict(recipe.processor))
        self._data = prepare_clips_of(recipe, processor=self._processor, is_main=True)

    @property
    def has_validation(self) -> bool:
        return self._data.validation is not None

    def serves(self, recipe: Recipe) -> bool:
        return same_values(self.recipe, recipe, ("data", "processor", "seed"))

    def build_trainer(
        self, recipe: Recipe, folder: RunFolder, *, callbacks: Sequence[TrainerCallback] = ()
    ) -> VideoAutoencoderTrainer:
        recipe = float32_on_cpu(recipe)
        arguments = build_arguments(VideoAutoencoderTrainingArguments, recipe, folder)
        set_seed(recipe.seed)
        autoencoder = build_autoencoder(recipe.model)
        size_of_latents(recipe, autoencoder)
        return build_trainer(autoencoder, arguments, self._data, processor=self._processor, callbacks=list(callbacks))


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe whose autoencoder cannot be, by the recipe alone.

    Raises:
        ValueError: names the key.
    """
    check_options(recipe)
    size_of_latents(recipe, build_autoencoder(recipe.model))


def bare_training(recipe: Recipe) -> BareAutoencoderTraining:
    """Data and trainer alone, see `BareTraining`."""
    return BareAutoencoderTraining(recipe)
