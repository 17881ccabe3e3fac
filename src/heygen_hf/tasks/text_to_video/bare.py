"""The trainer of a video generator without its pipeline: for `search`, `plan` and `--overfit-one-batch`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_utils import set_seed

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.bare_training import BareTraining, same_values
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.encoded_data import training_data
from heygen_hf.tasks.text_to_video.parts import TextToVideo
from heygen_hf.tasks.validation_split import train_without_validation
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments

# What the clips and the tokenizer are made from.
_DATA_KEYS = ("data", "processor", "audio", "seed", "distillation")
_DATA_KEYS += ("model.pretrained", "model.autoencoder", "model.text_encoder")


class BareVideoTraining(BareTraining):
    """See [`BareTraining`].

    Args:
        task: what the video is generated from.
        complete: fills in what the task takes from elsewhere.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        task: type[TextToVideo] = TextToVideo,
        complete: Callable[[Recipe], Recipe] = lambda recipe: recipe,
    ) -> None:
        self.recipe, self._task, self._complete = recipe, task, complete
        parts = task(complete(recipe))
        parts.check()
        self._processor = VideoProcessor(**asdict(recipe.processor))
        self._data = parts.prepare(processor=self._processor, is_main=True)
        self._tokenizer = parts.build_tokenizer(self._data)

    @property
    def has_validation(self) -> bool:
        return self._data.validation is not None

    def serves(self, recipe: Recipe) -> bool:
        return same_values(self.recipe, recipe, _DATA_KEYS)

    def build_trainer(
        self, recipe: Recipe, folder: RunFolder, *, callbacks: Sequence[TrainerCallback] = ()
    ) -> VideoGenerationTrainer:
        parts = self._task(self._complete(recipe))
        parts.check()
        arguments = parts.build_arguments(folder)
        encoded = training_data(
            parts.recipe,
            self._data,
            parts.load_encoders(),
            processor=self._processor,
            tokenizer=self._tokenizer,
            device=arguments.device,
            fill_first=parts.fills_cache_first,
        )
        set_seed(recipe.seed)
        model = parts.build_model(processor=self._processor, tokenizer=self._tokenizer)
        return build_trainer(
            parts,
            model,
            arguments,
            encoded,
            processor=self._processor,
            tokenizer=self._tokenizer,
            callbacks=list(callbacks),
        )


def build_trainer(
    parts: TextToVideo,
    model: VideoTransformerForVideoGeneration,
    arguments: VideoGenerationTrainingArguments,
    data: PreparedData,
    *,
    processor: VideoProcessor,
    tokenizer: PreTrainedTokenizerBase | None,
    callbacks: Sequence[TrainerCallback] = (),
    **options: Any,
) -> VideoGenerationTrainer:
    """The trainer of a run, on its clips as the model takes them.

    Args:
        options: further arguments of the trainer.
    """
    arguments.dataloader_num_workers = data.num_workers
    if data.validation is None:
        train_without_validation(arguments)
    return parts.trainer_class(
        model,
        arguments,
        train_dataset=data.training_set(at_least=samples_per_step(arguments)),
        eval_dataset=data.validation_subset(arguments.max_eval_clips),
        data_collator=parts.build_collator(processor=processor, tokenizer=tokenizer),
        callbacks=[*parts.callbacks(model), *callbacks],
        **options,
    )


def samples_per_step(arguments: VideoGenerationTrainingArguments) -> int:
    """Samples of one optimiser step over all processes."""
    return arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe whose model or sizes cannot be, by the recipe alone.

    Raises:
        ValueError: names the key.
    """
    TextToVideo(recipe).check()


def bare_training(recipe: Recipe) -> BareVideoTraining:
    """Data and trainer alone, see `BareTraining`."""
    return BareVideoTraining(recipe)
