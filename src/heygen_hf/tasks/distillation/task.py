"""What distillation does differently from text to video: the model starts as its teacher and learns from it."""

from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.distillation.measuring import measure, write_student_card
from heygen_hf.tasks.distillation.recipe import check_training, with_defaults
from heygen_hf.tasks.distillation.teacher import TeacherRun, load_teacher
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.model import build_model
from heygen_hf.tasks.text_to_video.parts import TextToVideo
from heygen_hf.training import DistillationTrainer, DistillationTrainingArguments


class Distillation(TextToVideo):
    """A student of a finished run. Of the clips only their captions are used, and what is given of them."""

    trainer_class = DistillationTrainer

    @cached_property
    def teacher(self) -> TeacherRun:
        """The finished run."""
        return load_teacher(self.recipe.distillation.teacher)

    def check(self) -> None:
        check_training(self.recipe)
        section = self.recipe.distillation
        if self.recipe.output_dir.resolve() == Path(section.teacher).resolve():
            raise ValueError(f"output_dir {self.recipe.output_dir} is the teacher's own folder; give another.")
        super().check()
        self.teacher.steps_for(section.to_steps, section.teacher_steps)
        if self.teacher.pipeline.makes_blocks({}):
            raise ValueError(
                f"{section.teacher} makes clips row by row behind cached ones (a causal model), and a student learns "
                "whole clips: distill a run with model.attention_pattern=full."
            )

    def build_arguments(self, folder: RunFolder) -> DistillationTrainingArguments:
        section, guidance = self.recipe.distillation, self.recipe.distillation.teacher_guidance_scale
        return DistillationTrainingArguments(
            output_dir=str(folder.checkpoints),
            seed=self.recipe.seed,
            data_seed=self.recipe.seed,
            to_steps=section.to_steps,
            teacher_steps=self.teacher.steps_for(section.to_steps, section.teacher_steps),
            teacher_guidance_scale=self.teacher.pipeline.config.guidance_scale if guidance is None else guidance,
            **self.recipe.training,
        )

    def with_defaults(self, recipe: Recipe) -> Recipe:
        return with_defaults(recipe)

    def build_tokenizer(self, data: PreparedData) -> PreTrainedTokenizerBase | None:  # noqa: ARG002 - the teacher's
        return self.teacher.pipeline.tokenizer

    def build_model(
        self, *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase | None
    ) -> VideoTransformerForVideoGeneration:
        # as the teacher is, whatever wrote its recipe
        section = {"pretrained": str(self.teacher.folder.path)}
        section |= {"attn_implementation": self.recipe.model.get("attn_implementation", "auto")}
        return build_model(section, processor=processor, tokenizer=tokenizer)

    def evaluate(self, folder: RunFolder, *, data: PreparedData) -> dict[str, Any]:
        return measure(folder, self.recipe, data=data)

    def write_card(self, folder: RunFolder) -> None:
        write_student_card(folder, self.recipe)
