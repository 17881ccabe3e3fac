"""The trainer of students that sample in a few steps what their teacher samples in many."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration, VideoTransformerModel
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.training.distillation.arguments import DistillationTrainingArguments
from heygen_hf.training.distillation.teacher_segments import Segments, Teacher
from heygen_hf.training.noise.given_frames import GivenFrames
from heygen_hf.training.noise.randomness import draw_noise, generator_for
from heygen_hf.training.optimization.block_compilation import compile_blocks
from heygen_hf.training.video_generation_trainer import VideoGenerationTrainer


class DistillationTrainer(VideoGenerationTrainer):
    """Trains a student of `args.to_steps` steps on the trajectories of a guided teacher; see [`Teacher`].

    A batch of n clips is n trajectories from fresh noise, with the clips' captions and other conditions, and so
    `to_steps` times n pairs of one optimiser step. Of the clips themselves only their size is used, and with
    `args.given_frames` the frames that are given. Noise is drawn as [`VideoGenerationTrainer`] draws it. `eval_loss`
    is the distillation's, for each of the student's timesteps apart.

    Args:
        model: the student, usually with the teacher's weights.
        teacher: by default a copy of the student as it is now.
        others: as for `VideoGenerationTrainer`.

    Raises:
        ValueError: a teacher that is the student itself, or guided by given frames where none are given.
    """

    args: DistillationTrainingArguments

    def __init__(
        self,
        model: VideoTransformerForVideoGeneration,
        args: DistillationTrainingArguments,
        *,
        teacher: VideoTransformerModel | None = None,
        **options: Any,
    ) -> None:
        own = {id(weight) for weight in model.parameters()}
        if teacher is not None and any(id(weight) in own for weight in teacher.parameters()):
            raise ValueError(
                "teacher is the student's own transformer, which freezes; pass a copy of it, or leave teacher out."
            )
        scale = args.teacher_guidance_scale
        if isinstance(scale, dict) and scale.get("image", 1.0) != 1.0 and args.build_given_frames() is None:
            raise ValueError(
                f"teacher_guidance_scale has image={scale['image']}, and no frames are given: set given_frames, or "
                "leave 'image' out."
            )
        self.teacher = Teacher(
            deepcopy(model.transformer) if teacher is None else teacher,
            to_steps=args.to_steps,
            teacher_steps=args.teacher_steps,
            guidance_scale=args.teacher_guidance_scale,
        )
        # The validation loss is reported at these: rounded, they are names.
        args.eval_timesteps = [round(timestep, 4) for timestep in self.teacher.timesteps]
        super().__init__(model, args, **options)
        self.teacher.transformer.to(args.device)
        self.also_counted = [self.teacher.transformer]
        if args.compiles_blocks:
            compile_blocks(self.teacher.transformer)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        clips = inputs["pixel_values"]
        positions = self._next_positions(clips.shape[0])
        step = {"global_batch_size": self.global_batch_size, "seed": self.args.seed, "step": self.noise_step}
        draw = draw_noise(
            clips.shape[1:],
            positions=positions,
            condition_dropout=0.0,
            draw_timesteps=self.objective.draw_timesteps,
            **step,
        )
        given = None
        if self.given_frames is not None:
            given = self.given_frames.draw(self._grid(clips), positions=positions, **step)
            clips = given.noised(clips, draw.noise)
        outputs = self._learn(model, {**inputs, "pixel_values": clips}, draw.noise, given)
        self._count_tokens(inputs)
        # One step of the student after the other, as validation names them.
        names = [f"loss_at_{timestep:g}" for timestep in self.args.eval_timesteps]
        of_step = [name for name in names for _ in range(len(clips))]
        self.loss_parts.add_samples(outputs.loss_per_sample, of_step, names=names)
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def _learn(self, model: nn.Module, inputs: dict[str, Any], noise: torch.Tensor, given: GivenFrames | None) -> Any:
        """The student's forward pass over the segments of the teacher's trajectories."""
        conditions = {name: value for name, value in inputs.items() if name != "pixel_values"}
        segments = self._segments(inputs["pixel_values"], noise, conditions, given)
        repeated = {name: torch.cat([value] * self.args.to_steps) for name, value in conditions.items()}
        return model(
            **repeated,
            pixel_values=segments.sample,
            noise=segments.noise,
            timestep=segments.timestep,
            # Nothing is dropped: a student is sampled without guidance.
            condition_dropout_mask=torch.zeros(len(segments.sample), dtype=torch.bool, device=segments.sample.device),
        )

    def _segments(
        self, clips: torch.Tensor, noise: torch.Tensor, conditions: dict[str, Any], given: GivenFrames | None
    ) -> Segments:
        kept = None
        if given is not None:
            kept = GivenLatents(clips, given.given.to(clips.device), self.generator_config.patch_size)
        return self.teacher.segments(noise.to(clips), conditions, kept=kept)

    @torch.no_grad()
    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Losses at noise that depends on the clip's position alone: `(batch, to_steps)`, and as many columns again for
        each pattern of given frames."""
        inputs = self._prepare_inputs(inputs)
        clips = inputs["pixel_values"]
        batch, device = clips.shape[0], clips.device
        positions = self._validation_positions(batch)
        noise = torch.stack([torch.randn(clips.shape[1:], generator=generator_for(p)) for p in positions]).to(device)
        patterns: list[GivenFrames | None] = [None]
        if self.given_frames is not None:
            grid = self._grid(clips)
            patterns += [
                self.given_frames.fixed(name, grid, positions=positions) for name in self.given_frames.patterns
            ]
        losses = []
        for given in patterns:
            with self.compute_loss_context_manager():
                per_sample = self._learn(model, inputs, noise, given).loss_per_sample.float()
            losses.append(per_sample.reshape(self.args.to_steps, batch).T)
        return None, torch.cat(losses, dim=1), torch.tensor(positions, device=device)
