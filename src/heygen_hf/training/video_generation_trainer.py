"""The trainer of video generators: reproducible noise, and a validation loss at fixed timesteps and noise."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from heygen_hf.data.loading import ClipLoader, EpochBatches
from heygen_hf.models.video_transformer import CONDITION_NAMES, VideoTransformerForVideoGeneration
from heygen_hf.training.base_trainer import BaseTrainer
from heygen_hf.training.monitoring.sample_videos import SampleVideos
from heygen_hf.training.monitoring.timestep_bands import BAND_NAMES, bands_of_timesteps
from heygen_hf.training.noise.drawing_ahead import DrawAhead
from heygen_hf.training.noise.randomness import draw_interval_ends, draw_noise, generator_for
from heygen_hf.training.noise.validation_loss import mean_loss_per_timestep, positions_in_validation
from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments


class VideoGenerationTrainer(BaseTrainer):
    """Trains a `VideoTransformerForVideoGeneration`.

    Beyond [`BaseTrainer`]:

    - Noise, timesteps and condition dropout depend on (seed, optimiser step, position in the global batch), so the
      number of processes and accumulation steps changes nothing but rounding, and a resumed run continues exactly.
    - `evaluate` reports the loss at fixed timesteps and noise: `eval_loss` and `eval_loss_at_<timestep>`.
    - The training loss is logged by timestep (`loss_at_0.2_to_0.4`), as `loss_given` and `loss_whole` where frames
      are given to some samples, and as `loss_<source>` where clips of several sources are mixed (see `MixedClips`).
    - `args.given_frames` gives frames of some samples to the model, drawn like the noise; `eval_loss` stays that of
      whole clips, and `eval_loss_given_<pattern>` is beside it.
    - Clips of several sizes are batched by size (`args.tokens_per_batch` sets how many for each process). There the
      number of processes decides how many clips of one size make a step, and a size's leftover is filled up to one
      clip for each process.

    Args:
        model: the generator.
        args: `VideoGenerationTrainingArguments`.
        write_samples: called with the step every `args.sample_steps` steps on the main process, EMA weights applied.
        others: as for `Trainer`. Batches are the model's keyword arguments (`pixel_values`, `input_ids`, …).
    """

    args: VideoGenerationTrainingArguments

    def __init__(
        self,
        model: VideoTransformerForVideoGeneration,
        args: VideoGenerationTrainingArguments,
        *,
        write_samples: Callable[[int], None] | None = None,
        **options: Any,
    ) -> None:
        self.generator_config = model.config
        self.objective = model.objective
        if model.config.takes_intervals:
            if args.gradient_checkpointing:
                raise ValueError(
                    "gradient_checkpointing=True recomputes blocks without the forward-mode derivative that "
                    "objective='mean_flow' trains with: set it to False, and take smaller batches with "
                    "gradient_accumulation_steps where memory is short."
                )
            # Compiled blocks have no forward-mode derivative.
            args.compile_blocks = "never"
        self.given_frames = args.build_given_frames()
        if self.given_frames is not None:
            # Rows of one block are denoised together.
            row_frames = model.config.patch_size[0] * (model.config.attention_block or 1)
            self.given_frames.for_model(row_frames=row_frames, draw_timesteps=self.objective.draw_timesteps)
        patterns = [] if self.given_frames is None else self.given_frames.patterns
        if patterns:
            model.config.given_frame_patterns = patterns
        self._eval_position = 0
        self._eval_batches: EpochBatches | None = None
        self._draw_noise = DrawAhead(draw_noise)
        super().__init__(model, args, **options)
        # Set here and not through the constructor: evaluation has no labels, its figures come from `prediction_step`.
        self.compute_metrics = partial(mean_loss_per_timestep, timesteps=args.eval_timesteps, given_patterns=patterns)
        if write_samples is not None:
            # After the average's callback, so that samples show the step's own average.
            self.add_callback(SampleVideos(lambda step: self._sample(write_samples, step)))

    # Training.

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        pixel_values = inputs["pixel_values"]
        positions = self._next_positions(pixel_values.shape[0])
        draw = self._draw_noise(
            self._noise_arguments(pixel_values, positions=positions, step=self.noise_step),
            then=self._noise_arguments(pixel_values, **self._expected_next(len(positions))),
        )
        device = pixel_values.device
        timestep = draw.timestep
        if self.given_frames is not None:
            given = self.given_frames.draw(
                self._grid(pixel_values),
                positions=positions,
                global_batch_size=self.global_batch_size,
                seed=self.args.seed,
                step=self.noise_step,
            )
            timestep = given.timesteps(timestep)
            inputs = {**inputs, "pixel_values": given.noised(pixel_values, draw.noise)}
        if self.generator_config.takes_intervals:
            ends = draw_interval_ends(
                timestep,
                positions=positions,
                seed=self.args.seed,
                step=self.noise_step,
                draw_ends=self.objective.draw_ends,
            )
            inputs = {**inputs, "end_timestep": ends.to(device)}
        outputs = model(
            **inputs,
            noise=draw.noise.to(device),
            timestep=timestep.to(device),
            condition_dropout_mask=draw.condition_dropout_mask.to(device),
        )
        self._count_tokens(inputs)
        self._note_parts(
            outputs.loss_per_sample,
            draw.timestep,
            given=None if self.given_frames is None else given.given,
            sources=inputs.get("source"),
        )
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def _noise_arguments(self, pixel_values: torch.Tensor, *, positions: list[int], step: int) -> dict[str, Any]:
        return {
            "shape": tuple(pixel_values.shape[1:]),
            "positions": positions,
            "global_batch_size": self.global_batch_size,
            "seed": self.args.seed,
            "step": step,
            "condition_dropout": self.generator_config.condition_dropout,
            "draw_timesteps": self.objective.draw_timesteps,
            "separate_conditions": len(CONDITION_NAMES) if len(self.generator_config.conditions) > 1 else 0,
        }

    # Data.

    def get_eval_dataloader(self, eval_dataset: Dataset | str | None = None) -> DataLoader:
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        self._eval_batches = None
        if len(getattr(dataset, "buckets", ())) < 2:
            return super().get_eval_dataloader(eval_dataset)
        loader = self._build_loader(
            dataset,
            batch_size=self.args.per_device_eval_batch_size,
            collate=self.data_collator,
            for_training=False,
        )
        self._eval_batches = loader.batches
        return loader

    def _build_loader(self, dataset: Any, **options: Any) -> ClipLoader:
        return super()._build_loader(
            dataset,
            count_tokens=self.generator_config.count_tokens,
            tokens_per_batch=self.args.tokens_per_batch,
            **options,
        )

    def _grid(self, pixel_values: torch.Tensor) -> tuple[int, int, int]:
        """Frames of the clips, and rows and columns of their patches."""
        _, height, width = self.generator_config.patch_size
        return pixel_values.shape[1], pixel_values.shape[3] // height, pixel_values.shape[4] // width

    def _count_tokens(self, inputs: dict[str, Any]) -> None:
        batch, frames, _, height, width = inputs["pixel_values"].shape
        tokens = self.generator_config.count_tokens(frames, height, width)
        tokens += sum(inputs[name].shape[1] for name in ("input_ids", "encoder_hidden_states") if name in inputs)
        self.throughput.add(samples=batch, tokens=batch * tokens)

    def _note_parts(
        self,
        losses: torch.Tensor,
        timestep: torch.Tensor,
        *,
        given: torch.Tensor | None,
        sources: Sequence[str] | None,
    ) -> None:
        """The loss by noise, by whether frames were given, and by source, for the log."""
        groups: list[Sequence[str]] = [bands_of_timesteps(timestep)]
        names = [*BAND_NAMES]
        if given is not None:
            groups.append(["loss_given" if some else "loss_whole" for some in given.flatten(1).any(1).tolist()])
            names += ["loss_given", "loss_whole"]
        if sources is not None:
            groups.append([f"loss_{source}" for source in sources])
            names += [f"loss_{source}" for source in self._source_names]
        self.loss_parts.add_samples(losses, *groups, names=names)

    @property
    def _source_names(self) -> Sequence[str]:
        """Where the training clips are from, in words that are the same on all processes."""
        dataset: Any = self.train_dataset
        while not hasattr(dataset, "source_names") and hasattr(dataset, "clips"):
            dataset = dataset.clips  # repeated
        return getattr(dataset, "source_names", ())

    # Evaluation and samples, with the averaged weights.

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self._eval_position = 0
        return super().evaluate(*args, **kwargs)

    def _sample(self, write_samples: Callable[[int], None], step: int) -> None:
        # Sampling may use global randomness; the training that follows must not notice.
        with self.throughput.paused(), self.whole_ema_weights(), torch.random.fork_rng():
            if not self.is_world_process_zero():
                return
            was_training = self.model.training
            self.model.eval()
            write_samples(step)
            self.model.train(was_training)

    def _validation_positions(self, batch_size: int) -> list[int]:
        """Where the samples of this process's next batch stand in the validation set; call it once for each."""
        positions = positions_in_validation(
            self._eval_position,
            batch_size=batch_size,
            batches=self._eval_batches,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )
        self._eval_position += batch_size if self._eval_batches is None else 1
        return positions

    @torch.no_grad()
    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Losses at noise that depends on the clip's position alone: `(batch, eval timesteps)`, and as many columns
        again for each pattern of given frames."""
        inputs = self._prepare_inputs(inputs)
        pixel_values = inputs["pixel_values"]
        batch, device = pixel_values.shape[0], pixel_values.device
        positions = self._validation_positions(batch)
        noise = torch.stack([torch.randn(pixel_values.shape[1:], generator=generator_for(p)) for p in positions])
        noise = noise.to(device)
        steps = [torch.full((batch,), timestep, device=device) for timestep in self.args.eval_timesteps]
        columns = list(steps)
        if self.given_frames is not None:
            for pattern in self.given_frames.patterns:
                given = self.given_frames.fixed(pattern, self._grid(pixel_values), positions=positions)
                columns += [given.timesteps(at) for at in steps]
        losses = []
        for at in columns:
            with self.compute_loss_context_manager():
                losses.append(model(**inputs, noise=noise, timestep=at).loss_per_sample.float())
        return None, torch.stack(losses, dim=1), torch.tensor(positions, device=device)
