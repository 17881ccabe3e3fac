"""Guidance: a prediction pushed away from what the model says with less, and what that costs.

A row is one pass of one video through the transformer; guidance makes a step cost several of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from heygen_hf.losses import DenoisingObjective
from heygen_hf.pipelines.block_caching import blocks_of
from heygen_hf.pipelines.given_frames import GivenLatents

# Condition → column of a `condition_dropout_mask` (`(rows, columns)`), and the arguments of the transformer it is.
_COLUMNS = {"caption": 0, "class": 1, "audio": 2}
_ARGUMENTS = {
    "caption": ("input_ids", "encoder_hidden_states"),
    "class": ("class_ids",),
    "audio": ("audio_features",),
}
GUIDED = (*_COLUMNS, "image")
_LAYERS = "layers"  # beside these: the difference to the model without some of its layers


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """What a call asks of guidance.

    Attributes:
        scale: a number for all conditions together (Ho & Salimans 2022, arXiv:2207.12598), 1.0 for no guidance; or one
            for each of "caption", "class", "audio" and "image" (the given frames): `all + Σ (scale_i - 1) * (all - all
            without i)`, what is not named at 1.0.
        interval: guide only at timesteps from the first to the second (Kynkäänniemi et al. 2024, arXiv:2404.07724);
            elsewhere a step costs one row.
        rescale: how far the guided prediction's spread is brought back to that of the unguided one, 0 to 1 (Lin et al.
            2023, arXiv:2305.08891); against the washed-out colours of high scales.
        every: evaluate what guidance compares with (the model without some layers too) only at every so many steps, and
            use the difference again between.
        skip_layers: also push away from the prediction of the model without these layers.
        skip_scale: how far; 0 is not at all.
        is_saved: the scales are those saved with a pipeline: those of conditions that a call lacks say nothing there,
            where a call that names them itself is refused.
    """

    scale: float | Mapping[str, float] = 1.0
    interval: tuple[float, float] | None = None
    rescale: float = 0.0
    every: int = 1
    skip_layers: Sequence[int] | None = None
    skip_scale: float = 1.0
    is_saved: bool = False

    def __post_init__(self) -> None:
        scales = self.scale if isinstance(self.scale, Mapping) else {"guidance_scale": self.scale}
        for name, value in scales.items():
            if isinstance(self.scale, Mapping) and name not in GUIDED:
                raise ValueError(f"guidance_scale names {name!r}; expected some of {', '.join(GUIDED)}.")
            if not _is_scale(value):
                raise ValueError(f"{name}={value} is no scale of guidance; expected 0 or more, 1.0 for none.")
        if self.interval is not None:
            between = self.interval if isinstance(self.interval, list | tuple) else (self.interval,)
            if len(between) != 2 or not 0 <= between[0] < between[1] <= 1:
                raise ValueError(
                    f"guidance_interval=({', '.join(map(str, between))}) must be two timesteps, the lower one first, "
                    "within 0 (clean) and 1 (noise)."
                )
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"guidance_rescale={self.rescale} must lie between 0 (off) and 1.")
        if self.every < 1:
            raise ValueError(f"guidance_every={self.every} must be at least 1 step.")

    def scales(self) -> dict[str | None, float]:
        """What is compared with, None for the prediction without any condition, and how strongly; ones left out."""
        named = dict(self.scale) if isinstance(self.scale, Mapping) else {None: self.scale}
        return {name: float(value) for name, value in named.items() if value != 1.0}

    def holds_at(self, timestep: float) -> bool:
        """Whether guidance acts at a timestep."""
        return self.interval is None or self.interval[0] <= timestep <= self.interval[1]


class GuidedModel:
    """The transformer under guidance, for one sampling run.

    Args:
        transformer: the denoiser.
        guidance: what is asked for.
        conditions: the transformer's condition arguments, one row per video.
        objective: that of the model.
        kept: what is given, as the transformer sees it.
        noise: the starting noise, for guidance by what is given.

    Attributes:
        num_rows: rows of the transformer so far, per video.
    """

    def __init__(
        self,
        transformer: nn.Module,
        guidance: Guidance,
        conditions: Mapping[str, torch.Tensor],
        *,
        objective: DenoisingObjective,
        kept: GivenLatents | None = None,
        noise: torch.Tensor | None = None,
    ) -> None:
        self.transformer = transformer
        self.guidance = guidance
        self.conditions = dict(conditions)
        self.objective = objective
        self.kept, self.noise = kept, noise
        self.scales = self._scales()
        self.num_rows = 0
        self._calls = 0
        self._end: float | None = None
        self._differences: dict[str | None, torch.Tensor] = {}
        layers = len(transformer.layers) if guidance.skip_layers else 0
        wrong = [layer for layer in guidance.skip_layers or () if not -layers <= layer < layers]
        if wrong:
            raise ValueError(f"skip_guidance_layers has {wrong[0]}; this model has layers 0 to {layers - 1}.")

    def __call__(
        self, noisy: torch.Tensor, timestep: torch.Tensor, *, at: float, end: float | None = None
    ) -> torch.Tensor:
        """The guided prediction.

        Args:
            noisy, timestep: as for the transformer, what is given at 0.
            at: the timestep of what is generated.
            end: where the step ends, for models that predict the mean velocity down to there.
        """
        self._end = end
        holds = self.guidance.holds_at(at)
        scales = self.scales if holds else {}
        skips = self._skips(holds)
        wanted = {*scales, *([_LAYERS] if skips else [])}
        fresh = self._calls % self.guidance.every == 0 or not wanted <= self._differences.keys()
        self._calls += 1
        if not scales:
            plain = self._pass(noisy, timestep, [self.conditions], None)
        elif fresh:
            plain, *others = self._compared(noisy, timestep, list(scales), at=at)
            if list(scales) == [None] and self.guidance.every == 1 and not skips:
                guided = others[0] + scales[None] * (plain - others[0])
                return self._rescaled(guided, plain)
            self._differences.update((name, plain - other) for name, other in zip(scales, others, strict=True))
        else:
            plain = self._pass(noisy, timestep, [self.conditions], None)
        guided = plain
        for name, scale in scales.items():
            guided = guided + (scale - 1) * self._differences[name]
        if skips:
            if fresh:
                with without_layers(self.transformer, self.guidance.skip_layers or ()):
                    self._differences[_LAYERS] = plain - self._pass(noisy, timestep, [self.conditions], None)
            guided = guided + self.guidance.skip_scale * self._differences[_LAYERS]
        return guided if guided is plain else self._rescaled(guided, plain)

    def _skips(self, holds: bool) -> bool:
        return bool(self.guidance.skip_layers) and self.guidance.skip_scale != 0 and holds

    def _scales(self) -> dict[str | None, float]:
        """The scales of what this call has.

        Raises:
            ValueError: the call names a scale for a condition that is not there.
        """
        scales = self.guidance.scales()
        for name in list(scales):
            lacks = name == "image" and self.kept is None
            lacks = lacks or (name in _ARGUMENTS and not set(_ARGUMENTS[name]) & set(self.conditions))
            if lacks and self.guidance.is_saved:
                del scales[name]
            elif lacks and name == "image":
                raise ValueError("guidance_scale names 'image', and no frames are given: pass image, video or mask.")
            elif lacks:
                raise ValueError(f"guidance_scale names {name!r}, and this call has no {name}; leave it out.")
        # Without conditions both rows would be the same.
        return scales if self.conditions else {name: scale for name, scale in scales.items() if name == "image"}

    def _compared(
        self, noisy: torch.Tensor, timestep: torch.Tensor, without: list[str | None], *, at: float
    ) -> list[torch.Tensor]:
        """The prediction with everything, and those without: in one batch."""
        count, device = noisy.shape[0], noisy.device
        clips, timesteps = [noisy], [timestep]
        joint = without == [None]
        dropped = torch.zeros((count * (1 + len(without)), len(_COLUMNS)), dtype=torch.bool, device=device)
        for i, name in enumerate(without, start=1):
            rows = slice(i * count, (i + 1) * count)
            if name == "image":
                running = torch.full((count,), at, device=device)
                assert self.kept is not None
                # What a clip of which nothing is given looks like here.
                hidden = self.objective.add_noise(self.kept.clip, self.noise, running).to(noisy)
                clips.append(self.kept.put(noisy, hidden))
                timesteps.append(torch.full_like(timestep, at))
                continue
            clips.append(noisy)
            timesteps.append(timestep)
            dropped[rows, slice(None) if name is None else _COLUMNS[name]] = True
        mask = dropped[:, 0] if joint or not dropped.any() else self._one_column(dropped)
        batched = self._pass(torch.cat(clips), torch.cat(timesteps), [self.conditions] * len(clips), mask)
        return list(batched.chunk(len(clips)))

    def _one_column(self, dropped: torch.Tensor) -> torch.Tensor:
        """The mask in one column where the call has one condition, which every model takes."""
        present = [column for name, column in _COLUMNS.items() if set(_ARGUMENTS[name]) & set(self.conditions)]
        return dropped[:, present[0]] if len(present) == 1 else dropped

    def _pass(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        conditions: list[dict[str, torch.Tensor]],
        dropped: torch.Tensor | None,
    ) -> torch.Tensor:
        self.num_rows += len(conditions)
        arguments: dict[str, Any] = dict(conditions[0])
        if len(conditions) > 1:
            arguments = {name: torch.cat([one[name] for one in conditions]) for name in conditions[0]}
            arguments["condition_dropout_mask"] = dropped
        if self._end is not None:
            arguments["end_timestep"] = torch.where(timestep > 0, self._end, 0.0).to(timestep)
        return self.transformer(noisy, timestep, **arguments).sample

    def _rescaled(self, guided: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
        if not self.guidance.rescale:
            return guided
        ratio = self._spread(plain) / self._spread(guided)
        return guided * (1 + self.guidance.rescale * (ratio - 1))

    def _spread(self, prediction: torch.Tensor) -> torch.Tensor:
        """The standard deviation of each video, `(videos, 1, 1, 1, 1)`, over what is generated of it."""
        over = tuple(range(1, prediction.ndim))
        if self.kept is None:
            return prediction.std(dim=over, keepdim=True)
        generated = self.kept.put(
            torch.ones_like(prediction, dtype=torch.float32), torch.zeros(()).to(prediction.device)
        )
        count = generated.sum(dim=over, keepdim=True).clamp(min=1)
        mean = (prediction * generated).sum(dim=over, keepdim=True) / count
        variance = ((prediction - mean).square() * generated).sum(dim=over, keepdim=True) / count
        return variance.sqrt().clamp(min=1e-12)


@contextmanager
def without_layers(transformer: nn.Module, skipped: Sequence[int]) -> Iterator[None]:
    """The transformer without some of its layers; behind a `BlockCache` they are all computed."""
    called_with = transformer.layers
    whole = blocks_of(called_with)
    wanted = {layer % len(whole) for layer in skipped}
    transformer.layers = nn.ModuleList([layer for i, layer in enumerate(whole) if i not in wanted])
    try:
        yield
    finally:
        transformer.layers = called_with


def _is_scale(value: Any) -> bool:
    try:
        return math.isfinite(value) and value >= 0
    except TypeError:
        return False


def guidance_of(options: Mapping[str, Any], *, default_scale: float | Mapping[str, float]) -> Guidance:
    """The guidance that a call's options ask for."""
    scale, interval = options.get("guidance_scale"), options.get("guidance_interval")
    return Guidance(
        scale=default_scale if scale is None else scale,
        interval=tuple(map(float, interval)) if isinstance(interval, list | tuple) else interval,
        rescale=options.get("guidance_rescale") or 0.0,
        every=options.get("guidance_every") or 1,
        skip_layers=options.get("skip_guidance_layers"),
        skip_scale=1.0 if options.get("skip_guidance_scale") is None else options["skip_guidance_scale"],
        is_saved=scale is None,
    )
