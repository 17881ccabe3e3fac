"""A published transformer of diffusers as a generator that trains like the package's own."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import save_on_cpu
from torch.utils.checkpoint import checkpoint

from heygen_hf.losses import DenoisingObjective
from heygen_hf.models.pretrained_generators.clip_sources import SourceLosses
from heygen_hf.models.pretrained_generators.configuration_pretrained_generator import PretrainedGeneratorConfig
from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily
from heygen_hf.models.video_transformer.modeling_video_generation import VideoGenerationOutput


class PretrainedVideoGenerator(nn.Module):
    """A family's transformer with its objective: clean latents and encoded captions in, a loss out.

    Its `state_dict` holds what is trained and nothing else: of LoRA the matrices, of full fine-tuning the transformer.

    Args:
        family: around the pipeline whose transformer is trained.
        config: of the training.
        objective: by default the family's.
        empty_caption: what `encode_prompts([""])` gives, shown in place of dropped captions; needed with
            `config.condition_dropout`.
        source_losses: where batches say the `source` of each clip, how each counts.

    Raises:
        ValueError: captions are to be dropped, and there is no empty one.
    """

    main_input_name = "pixel_values"
    # The loss is a mean over samples: Trainer must divide it by the number of accumulation steps itself.
    accepts_loss_kwargs = False

    def __init__(
        self,
        family: GeneratorFamily,
        config: PretrainedGeneratorConfig,
        *,
        objective: DenoisingObjective,
        empty_caption: Mapping[str, torch.Tensor] | None = None,
        source_losses: SourceLosses | None = None,
    ) -> None:
        super().__init__()
        if config.condition_dropout and empty_caption is None:
            raise ValueError(
                f"condition_dropout={config.condition_dropout} shows an empty caption in place of dropped ones: give "
                "empty_caption, or set condition_dropout=0"
            )
        self.family, self.config, self.objective = family, config, objective
        self.transformer: nn.Module = family.pipeline.transformer
        self.empty_caption = dict(empty_caption or {})
        self.source_losses = source_losses

    def forward(
        self,
        pixel_values: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        timestep: torch.Tensor | None = None,
        noise: torch.Tensor | None = None,
        condition_dropout_mask: torch.Tensor | None = None,
        source: Sequence[str] | None = None,
        return_loss: bool = True,  # noqa: ARG002 - tells Trainer that evaluation has a loss without labels
        **conditions: torch.Tensor,
    ) -> VideoGenerationOutput:
        """One training forward pass.

        Args:
            pixel_values: normalised latents `(batch, frames, channels, height, width)`.
            encoder_hidden_states, attention_mask: encoded captions `(batch, tokens, width)` and `(batch, tokens)`.
            timestep, noise: drawn where they are not given, as by [`VideoTransformerForVideoGeneration`].
            condition_dropout_mask: `(batch,)`, True where the caption is replaced by an empty one.
            source: where each clip is from, see `source_losses`.
            conditions: what else the family encodes, with a row for each clip.
        """
        given: dict[str, torch.Tensor] = {"encoder_hidden_states": encoder_hidden_states, **conditions}
        if attention_mask is not None:
            given["attention_mask"] = attention_mask
        timestep, noise, condition_dropout_mask = self._draw(pixel_values, timestep, noise, condition_dropout_mask)
        pixel_values, noise = self.family.whole_patches(pixel_values, noise)
        if condition_dropout_mask is not None and condition_dropout_mask.any():
            given = self._without_captions(given, condition_dropout_mask)
        result = self.objective(
            lambda noisy, at: self.denoise(noisy, at, given), sample=pixel_values, noise=noise, timestep=timestep
        )
        if source is not None and self.source_losses is not None:
            result = self.source_losses(
                result,
                source,
                objective=self.objective,
                denoise_rows=lambda rows: partial(
                    self.denoise, conditions={name: value[rows] for name, value in given.items()}
                ),
                noisy=self.objective.add_noise(pixel_values, noise, timestep),
                timestep=timestep,
            )
        return VideoGenerationOutput(
            loss=result.loss,
            loss_per_sample=result.loss_per_sample,
            prediction=None if self.training else result.prediction,
        )

    def denoise(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """What the objective compares, `(batch, frames, channels, height, width)`."""
        return self.family.denoise(self.transformer, noisy, timestep, conditions)

    def _draw(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor | None,
        noise: torch.Tensor | None,
        dropped: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Whatever was not given: random in training, fixed in evaluation."""

        def generator(seed: int) -> torch.Generator | None:
            return None if self.training else torch.Generator().manual_seed(seed)

        if timestep is None:
            timestep = self.objective.draw_timesteps(len(latents), generator=generator(0)).to(latents.device)
        if noise is None:
            noise = torch.randn(latents.shape, generator=generator(1)).to(latents)
        if dropped is None and self.training and self.config.condition_dropout:
            dropped = torch.rand(len(latents), device=latents.device) < self.config.condition_dropout
        return timestep, noise, dropped

    def _without_captions(self, given: dict[str, torch.Tensor], dropped: torch.Tensor) -> dict[str, torch.Tensor]:
        names = {"text_embeddings": "encoder_hidden_states", "text_embeddings_mask": "attention_mask"}
        replaced = dict(given)
        for key, empty in self.empty_caption.items():
            name = names.get(key, key)
            values = given.get(name)
            if values is None:
                continue
            row = torch.zeros_like(values[:1])
            fitting = empty.to(values)
            if fitting.ndim and fitting.shape[0] != row.shape[1]:
                longest = max(fitting.shape[0], row.shape[1])
                values = _lengthen(values, longest)
                row = torch.zeros_like(values[:1])
            row[0, : fitting.shape[0]] = fitting
            where = dropped.view(-1, *([1] * (values.ndim - 1)))
            replaced[name] = torch.where(where, row, values)
        if "text_embeddings_mask" not in self.empty_caption and "attention_mask" in replaced:
            # Families without masks read all tokens; padded ones are zeros, for which no mask is asked.
            longest = replaced["encoder_hidden_states"].shape[1]
            replaced["attention_mask"] = _lengthen(replaced["attention_mask"], longest)
        return replaced

    # What Trainer asks of a model.

    def train(self, mode: bool = True) -> "PretrainedVideoGenerator":
        """As of any module. Trainer asks for it at every step, and walking all parts takes a part of one."""
        if self.training == mode and self.transformer.training == mode:
            return self
        return super().train(mode)

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: dict[str, Any] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """Recompute the transformer's blocks in the backward pass.

        Args:
            activation_checkpointing_kwargs: of `torch.utils.checkpoint.checkpoint`.
            every_n_layers: only every so manieth block is recomputed.
            offload: what is kept for the recomputation waits in the CPU's memory.
        """
        options = {"use_reentrant": False, **(activation_checkpointing_kwargs or {})}
        lists = [module for module in self.transformer.modules() if isinstance(module, nn.ModuleList)]
        number_of = {id(block): number for blocks in lists for number, block in enumerate(blocks)}

        def run(block: nn.Module, *args: Any) -> Any:
            if number_of.get(id(block), 0) % every_n_layers:
                return block(*args)
            device_type = self.device.type
            with save_on_cpu(pin_memory=device_type != "cpu") if offload else nullcontext():
                return checkpoint(block.__call__, *args, **options)

        self.transformer.enable_gradient_checkpointing(run)

    def activation_checkpointing_disable(self) -> None:
        """Keep all activations."""
        self.transformer.disable_gradient_checkpointing()

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return next(self.transformer.parameters()).device

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights that are trained."""
        trained = {name for name, weight in self.named_parameters() if weight.requires_grad}
        prefix = kwargs.get("prefix", "")
        whole = super().state_dict(*args, **kwargs)
        return {name: value for name, value in whole.items() if name.removeprefix(prefix) in trained}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take up what `state_dict` gave.

        Raises:
            RuntimeError: names are missing or unknown, with `strict`.
        """
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        trained = {name for name, weight in self.named_parameters() if weight.requires_grad}
        missing = [name for name in found.missing_keys if name in trained]
        if strict and (missing or found.unexpected_keys):
            raise RuntimeError(f"weights do not fit: missing {missing[:3]}, unknown {found.unexpected_keys[:3]}")
        found.missing_keys[:] = missing
        return found


def _lengthen(values: torch.Tensor, length: int) -> torch.Tensor:
    """Zeros behind, along the tokens."""
    missing = length - values.shape[1]
    if missing <= 0:
        return values
    return torch.nn.functional.pad(values, (*([0, 0] * (values.ndim - 2)), 0, missing))
