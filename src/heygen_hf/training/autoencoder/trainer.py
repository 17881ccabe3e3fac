"""The trainer of video autoencoders: reconstruction, a posterior near the standard normal, and an adversary."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import EvalPrediction

from heygen_hf.losses import VideoGenerationLoss
from heygen_hf.training.autoencoder.adversary import Adversary
from heygen_hf.training.autoencoder.arguments import VideoAutoencoderTrainingArguments
from heygen_hf.training.autoencoder.geometry import latent_size
from heygen_hf.training.autoencoder.optimizer import build_kernel_optimizer
from heygen_hf.training.autoencoder.reconstruction import (
    ReconstructingAutoencoder,
    Reconstruction,
    in_slices,
    last_layer_of,
)
from heygen_hf.training.base_trainer import BaseTrainer
from heygen_hf.training.monitoring.sample_videos import SampleVideos
from heygen_hf.training.noise.validation_loss import positions_in_validation

_POSTERIOR = 3  # a stream of (seed, step) beside those of `randomness.py`

ClipMeasure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class VideoAutoencoderTrainer(BaseTrainer):
    """Trains any `AutoencoderKL…` of diffusers on clips, from scratch or pretrained.

    Beyond [`BaseTrainer`]:

    - The draw from the posterior depends on (seed, optimiser step, position in the global batch), so the number of
      processes and accumulation steps changes nothing but rounding, and a resumed run continues exactly.
    - Every part of the loss is logged as `loss_<part>`, its mean since the last entry.
    - From `args.adversarial_start_step` on a discriminator takes part, with an optimiser of its own, saved in
      checkpoints.
    - `evaluate` reconstructs from the posterior's mean: `eval_loss` (without the discriminator) and `eval_<name>` of
      each of its parts and of `measures`.
    - Muon, where it is the optimiser, trains the convolutions' kernels inside the network.

    Args:
        autoencoder: the model; `trainer.autoencoder` is the one to save.
        args: `VideoAutoencoderTrainingArguments`.
        measures: name → function of (reconstruction, target), both `(batch, frames, channels, height, width)` in
            [-1, 1], to `(batch,)`.
        features: the perceptual loss's network; by default `args.perceptual_model` is loaded.
        write_samples: called with the step every `args.sample_steps` steps on the main process, EMA weights applied.
        others: as for `Trainer`. Batches hold `pixel_values`.
    """

    args: VideoAutoencoderTrainingArguments

    def __init__(
        self,
        autoencoder: nn.Module,
        args: VideoAutoencoderTrainingArguments,
        *,
        measures: Mapping[str, ClipMeasure] | None = None,
        features: nn.Module | None = None,
        write_samples: Callable[[int], None] | None = None,
        **options: Any,
    ) -> None:
        self.measures = dict(measures or {})
        self._eval_position = 0
        self._sizes: set[tuple[int, ...]] = set()
        self._pair: tuple[torch.Tensor, torch.Tensor] | None = None
        super().__init__(ReconstructingAutoencoder(autoencoder.requires_grad_(True)), args, **options)
        if features is None and args.perceptual_weight:
            features = _load_features(args)
        self.reconstruction_loss = VideoGenerationLoss(**args.pixel_weights, features=features).to(args.device)
        self.adversary: Adversary | None = None
        if args.adversarial_weight:
            if args.auto_find_batch_size:
                raise ValueError(
                    "auto_find_batch_size=True goes with no adversary, which learns from whole batches: set "
                    "per_device_train_batch_size yourself, or adversarial_weight=0."
                )
            last_layer_of(autoencoder) if args.adaptive_adversarial_weight else None
            self.adversary = Adversary(args, accelerator=self.accelerator, features=features)
        self.also_counted = [part for part in (features, self.adversary and self.adversary.model) if part is not None]
        # Set here and not through the constructor: evaluation has no labels, its figures come from `prediction_step`.
        self.compute_metrics = partial(_means, names=self._eval_names())
        if write_samples is not None:
            # After the average's callback, so that samples show the step's own average.
            self.add_callback(SampleVideos(lambda step: self._sample(write_samples, step)))

    @property
    def autoencoder(self) -> Any:
        """The model of diffusers."""
        return self.model.autoencoder

    # Training.

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        target = inputs["pixel_values"]
        self._check_size(target)
        step = self.state.global_step
        positions = self._next_positions(len(target))
        keys = [(self.args.seed, self.noise_step, _POSTERIOR, position) for position in positions]
        reconstruction = _as_reconstruction(model(target, noise_keys=keys))
        clips = reconstruction.clips
        if self._plays(step):
            assert self.adversary is not None
            last_layer = last_layer_of(self.autoencoder) if self.args.adaptive_adversarial_weight else None
            output = self.adversary.loss(clips, target, last_layer=last_layer)
            self._pair = clips.detach(), target
        else:
            output = self.reconstruction_loss(clips, target)
        kl = kl_per_value(reconstruction.mean, reconstruction.logvar).mean()
        loss = output.loss + self.args.kl_weight * kl
        scales = {f"{n}_weight": weight for n, weight in output.weights.items() if isinstance(weight, torch.Tensor)}
        self._note({**output.parts, "kl": kl, **scales})
        self.throughput.add(samples=len(target), tokens=reconstruction.mean[:, :, 0].numel())
        return (loss, reconstruction) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        if self._pair is not None:
            assert self.adversary is not None
            with self.flop_meter.listening():
                self._note(self.adversary.learn(*self._pair, context=self.compute_loss_context_manager()))
            self._pair = None
        return loss

    def _plays(self, step: int) -> bool:
        return self.adversary is not None and step >= self.args.adversarial_start_step

    def _check_size(self, clips: torch.Tensor) -> None:
        """Once for each size: refuse clips that the autoencoder does not give back at their size."""
        size = tuple(clips.shape[1:])
        if size not in self._sizes:
            latent_size(self.autoencoder, num_frames=size[0], height=size[2], width=size[3])
            self._sizes.add(size)

    # Optimiser.

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None and self.args.optimizer == "muon":
            self.optimizer = build_kernel_optimizer(self.model if model is None else model, self.args)
            return self.optimizer
        return super().create_optimizer(model)

    def _note(self, values: Mapping[str, torch.Tensor]) -> None:
        self.loss_parts.add({f"loss_{name}": value for name, value in values.items()})

    # Evaluation and samples, with the averaged weights.

    @torch.no_grad()
    def reconstruct(self, pixel_values: torch.Tensor) -> Reconstruction:
        """Clips through the autoencoder, from the posterior's mean, in the weights the model holds now."""
        was_training = self.model.training
        self.model.eval()
        with self._in_slices(), self.compute_loss_context_manager():
            found = self.model(pixel_values.to(self.args.device))
        self.model.train(was_training)
        return _as_reconstruction(found)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self._eval_position = 0
        with self._in_slices():
            return super().evaluate(*args, **kwargs)

    @torch.no_grad()
    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[None, torch.Tensor, torch.Tensor]:
        """Figures `(batch, names)` of each clip, and where in the validation set it stands."""
        target = self._prepare_inputs(inputs)["pixel_values"]
        self._check_size(target)
        positions = positions_in_validation(
            self._eval_position,
            batch_size=len(target),
            batches=None,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )
        self._eval_position += len(target)
        with self.compute_loss_context_manager():
            found = _as_reconstruction(model(target))
        kl = kl_per_value(found.mean, found.logvar)
        rows = []
        for clip, wanted, nats in zip(found.clips.split(1), target.split(1), kl, strict=True):
            output = self.reconstruction_loss(clip, wanted)
            rows.append(torch.stack([output.loss + self.args.kl_weight * nats, nats, *output.parts.values()]))
        measured = [measure(found.clips, target).float() for measure in self.measures.values()]
        figures = torch.cat((torch.stack(rows), torch.stack(measured, dim=1)), dim=1) if measured else torch.stack(rows)
        return None, figures, torch.tensor(positions, device=target.device)

    def _eval_names(self) -> list[str]:
        parts = [name for name, weight in self.reconstruction_loss.weights.items() if weight]
        return ["loss", "kl", *parts, *self.measures]

    @contextmanager
    def _in_slices(self) -> Iterator[None]:
        args = self.args
        with in_slices(
            self.autoencoder, slicing=args.eval_slicing, tiling=args.eval_tiling, tile_size=args.eval_tile_size
        ):
            yield

    def _sample(self, write_samples: Callable[[int], None], step: int) -> None:
        # A decoder that injects noise uses global randomness; the training that follows must not notice.
        with self.throughput.paused(), self.whole_ema_weights(), torch.random.fork_rng():
            if self.is_world_process_zero():
                write_samples(step)

    # Checkpoints.

    def write_own_files(self, staged: Path) -> None:
        super().write_own_files(staged)
        if not self.args.should_save:
            return
        (staged / "config.json").write_text(self.model.config.to_json_string())
        if self.adversary is not None:
            self.adversary.save(staged)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.adversary is not None:
            self.adversary.load(Path(resume_from_checkpoint))


def kl_per_value(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """KL divergence from the standard normal in nats for each value of the latents, `(batch,)`.

    Over all axes but the first: diffusers' own `kl` leaves out one of a video's.
    """
    mean, logvar = mean.float(), logvar.float()
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).mean(1)


def _as_reconstruction(found: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> Reconstruction:
    clips, mean, logvar = found
    return Reconstruction(clips.float(), mean, logvar)


def _means(prediction: EvalPrediction, *, names: list[str]) -> dict[str, float]:
    """The mean of each column, each position counted once."""
    _, once = np.unique(np.asarray(prediction.label_ids), return_index=True)
    columns = np.asarray(prediction.predictions)[once].mean(axis=0)
    return dict(zip(names, columns.tolist(), strict=True))


def _load_features(args: VideoAutoencoderTrainingArguments) -> nn.Module:
    """Any image model of transformers, by its feature maps or hidden states."""
    from transformers import AutoBackbone, AutoModel

    from heygen_hf.losses import PerceptualLoss

    error: Exception | None = None
    for loader in (AutoBackbone, AutoModel):
        try:
            network = loader.from_pretrained(args.perceptual_model)
            return PerceptualLoss(network, layers=args.perceptual_layers).to(args.device)
        except (OSError, ValueError, KeyError) as failure:
            error = failure
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    raise ValueError(f"nothing loads from perceptual_model={args.perceptual_model} ({reason})") from error
