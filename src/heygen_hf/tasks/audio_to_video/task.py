"""What audio to video does differently from text to video."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.audio_to_video.card import write_audio_card
from heygen_hf.tasks.audio_to_video.evaluation import evaluate_run
from heygen_hf.tasks.audio_to_video.hearing import Hearing, load_hearing, with_sound
from heygen_hf.tasks.audio_to_video.judged_clips import (
    check_identities,
    check_judged_clips,
    first_frames_and_sounds,
    learns_to_continue,
)
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun
from heygen_hf.tasks.text_to_video.bare import BareVideoTraining
from heygen_hf.tasks.text_to_video.model import build_model
from heygen_hf.tasks.text_to_video.parts import Samples, TextToVideo
from heygen_hf.tasks.text_to_video.plan import plan as plan_video
from heygen_hf.tasks.text_to_video.story import run as run_video


class AudioToVideo(TextToVideo):
    """Sound, and mostly a first frame, to video; captions too, where the data have them."""

    @cached_property
    def hearing(self) -> Hearing:
        """What the model hears."""
        return load_hearing(self.recipe.audio)

    def check(self) -> None:
        super().check()
        width, asked = self.hearing.extractor.hidden_size, self.recipe.model.get("audio_hidden_size")
        if asked not in (None, width):
            raise ValueError(
                f"model.audio_hidden_size is {asked} and the audio section's is {width}; leave the key out"
            )
        training, frames = self.recipe.training, self.recipe.evaluation.num_frames
        if frames is not None and frames != self.recipe.processor.num_frames and not learns_to_continue(training):
            raise ValueError(
                f"evaluation.num_frames is {frames}, and a model that does not learn to go on makes "
                f"{self.recipe.processor.num_frames} at once: leave it out, or add prefix to training.given_frames"
            )
        if self.recipe.processor.frame_position == "uniform":
            raise ValueError(
                "processor.frame_position=uniform takes frames further apart in longer clips, and sound is heard frame "
                "by frame; choose random, start or center"
            )
        augmentation = self.recipe.data.augmentation
        changed = [name for name in ("reverse_prob", "speed_prob") if augmentation and getattr(augmentation, name)]
        if changed:
            raise ValueError(
                f"data.augmentation.{changed[0]} changes time, which the sound would not follow; leave it out"
            )

    def evaluates(self) -> bool:
        return self.recipe.evaluation.measure != "none"

    def prepare(self, *, processor: VideoProcessor, is_main: bool) -> PreparedData:
        data = super().prepare(processor=processor, is_main=is_main)
        return with_sound(data, self.recipe, self.hearing, is_main=is_main)

    def check_data(self, data: PreparedData) -> None:
        if self.evaluates():
            check_identities(data.test, self.recipe)
            processor = VideoProcessor(**asdict(self.recipe.processor))
            check_judged_clips(data.test, self.recipe, processor=processor, hearing=self.hearing)

    def build_tokenizer(self, data: PreparedData) -> PreTrainedTokenizerBase | None:
        return super().build_tokenizer(data) if self.recipe.data.caption_column is not None else None

    def build_model(
        self, *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase | None
    ) -> VideoTransformerForVideoGeneration:
        section = {**self.recipe.model, "audio_hidden_size": self.hearing.extractor.hidden_size}
        return build_model(section, processor=processor, tokenizer=tokenizer)

    def components(self) -> dict[str, Any]:
        return self.hearing.components()

    def samples(self, data: PreparedData, *, processor: VideoProcessor) -> Samples:
        clips, wanted = data.test, self.recipe.generation.num_samples
        rows = [i * len(clips) // min(wanted, len(clips)) for i in range(min(wanted, len(clips)))]
        given, _ = first_frames_and_sounds(clips, rows, self.recipe, processor=processor, hearing=self.hearing)
        texts = [f"the first frame and the speech of {clips.file_names[row]}" for row in rows]
        prompts = None if self.recipe.data.caption_column is None else [clips.texts[row] for row in rows]
        image = "--image face.png " if "image" in given else ""
        return Samples(prompts, texts, usage=f"{image}--audio speech.wav", given=given)

    def evaluate(self, folder: RunFolder, *, data: PreparedData) -> dict[str, Any]:
        return evaluate_run(folder, self.recipe, data=data)

    def write_card(self, folder: RunFolder) -> None:
        write_audio_card(folder, self.recipe)


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train what the recipe says; the arguments are those of `text_to_video.run`."""
    return run_video(recipe, resume=resume, overwrite=overwrite, command=command, task=AudioToVideo)


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, see `text_to_video.plan`."""
    return plan_video(recipe, measure=measure, task=AudioToVideo)


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe whose model or sizes cannot be, see `text_to_video.check_recipe`."""
    AudioToVideo(recipe).check()


def bare_training(recipe: Recipe) -> BareVideoTraining:
    """Data and trainer alone, see `BareTraining`."""
    return BareVideoTraining(recipe, task=AudioToVideo)
