"""Videos of models that are causal in time: block by block, each behind the clean rows before it, which are cached.

A block is a time row of the token grid, or `attention_block` of them. It is denoised while the rows before it stand
clean at timestep 0, as keys and values that were computed once; then it joins them. The result is that of denoising
each block within the whole clip with what came before given, without computing that anew at every step.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.utils import ModelOutput

from heygen_hf.models.video_transformer import VideoTransformerCache
from heygen_hf.pipelines.block_caching import blocks_of
from heygen_hf.pipelines.given_frames import GivenClips, GivenLatents
from heygen_hf.pipelines.guidance import guidance_of
from heygen_hf.pipelines.latents import draw_latents


class CachedTransformer:
    """The transformer behind clean rows, called as the transformer is.

    Guidance calls it with one row a video or with several, some without conditions: each way of calling has keys and
    values of its own, computed when they are first needed.
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer
        self._context: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self._caches: dict[Any, tuple[VideoTransformerCache, int]] = {}

    @property
    def dtype(self) -> torch.dtype:
        """That of the transformer."""
        return self.transformer.dtype

    @property
    def layers(self) -> nn.ModuleList:
        """Those of the transformer, of which guidance may leave out some for a while."""
        return self.transformer.layers

    @layers.setter
    def layers(self, layers: nn.ModuleList) -> None:
        self.transformer.layers = layers

    def append(self, clip: torch.Tensor, audio_features: torch.Tensor | None = None) -> None:
        """Put clean rows `(videos, frames, channels, height, width)` and what is heard there behind those before."""
        self._context.append((clip, audio_features))

    def __call__(
        self,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        *,
        condition_dropout_mask: torch.Tensor | None = None,
        end_timestep: torch.Tensor | None = None,
        **conditions: torch.Tensor,
    ) -> ModelOutput:
        """The transformer's output for rows that follow the clean ones, of which none goes to another timestep."""
        arguments = {"condition_dropout_mask": condition_dropout_mask, **conditions}
        step = {} if end_timestep is None else {"end_timestep": end_timestep}
        return self.transformer(noisy, timestep, past_key_values=self._cache(noisy, arguments), **arguments, **step)

    def _cache(self, noisy: torch.Tensor, arguments: Mapping[str, Any]) -> VideoTransformerCache | None:
        """The clean rows as keys and values for a call with these arguments; None where there are no rows."""
        rows, dropped = noisy.shape[0], arguments["condition_dropout_mask"]
        present = tuple(name for name, value in arguments.items() if value is not None)
        called_with = self.layers
        # A pass that fills the cache must run every block: leaving some out is for those that denoise.
        whole = blocks_of(called_with)
        layers = tuple(layer.attention.layer_idx for layer in whole)
        key = (rows, present, layers, None if dropped is None else tuple(dropped.flatten().tolist()))
        cache, done = self._caches.get(key, (None, 0))
        self.layers = nn.ModuleList(whole)
        try:
            for clip, audio in self._context[done:]:
                repeats = rows // clip.shape[0]
                heard = {} if audio is None else {"audio_features": audio.repeat(repeats, 1, 1)}
                cache = self.transformer(
                    clip.to(noisy).repeat(repeats, 1, 1, 1, 1),
                    torch.zeros(rows, device=noisy.device),
                    past_key_values=cache,
                    use_cache=True,
                    **{**arguments, **heard},
                ).past_key_values
        finally:
            self.layers = called_with
        if cache is not None:
            self._caches[key] = (cache, len(self._context))
        return cache


class CausalVideoMixin:
    """Comes before `DenoisingMixin` and makes the clips of causal models block by block."""

    transformer: Any

    def makes_blocks(self, options: Mapping[str, Any]) -> bool:
        """Whether a call makes clips block by block: a causal model that learned from clean rows before noisy ones.

        Guidance by given frames compares with what there is without them, which no cache holds: all at once then.
        """
        config = self.transformer.config
        learned = bool({"prefix", "random", "each"} & set(config.given_frame_patterns or ()))
        scales = guidance_of(options, default_scale=self.config.guidance_scale).scales()  # type: ignore[attr-defined]
        return config.can_cache_rows and learned and "image" not in scales

    def _denoise(
        self,
        shape: tuple[int, ...],
        conditions: dict[str, torch.Tensor],
        *,
        given: GivenClips | None,
        latents: torch.Tensor | None,
        options: Mapping[str, Any],
        noise_std: float = 0.0,
    ) -> torch.Tensor:
        """As `DenoisingMixin._denoise`; `noise_std` is that of the noise on all rows that later ones see.

        A callback gets the latents of a block.
        """
        if not self.makes_blocks(options):
            return super()._denoise(  # type: ignore[misc]
                shape, conditions, given=given, latents=latents, options=options, noise_std=noise_std
            )
        config = self.transformer.config
        latents, kept = self._start(shape, given=given, latents=latents, options=options)  # type: ignore[attr-defined]
        noise = draw_latents(shape, generator=options["generator"]).to(latents) if noise_std else None
        behind = CachedTransformer(self.transformer)
        block = config.patch_size[0] * (config.attention_block or 1)
        made: list[torch.Tensor] = []
        for start in range(0, shape[1], block):
            here = slice(start, min(start + block, shape[1]))
            heard = conditions
            if "audio_features" in conditions:
                heard = conditions | {"audio_features": conditions["audio_features"][:, _input_frames(config, here)]}
            part = None if kept is None else GivenLatents(kept.clip[:, here], kept.given[:, here], kept.patch_size)
            if part is not None and bool(part.given.all()):
                clip = part.clip
            else:
                clip = self._sample(behind, latents[:, here], heard, kept=part, options=options)  # type: ignore[attr-defined]
            made.append(clip)
            seen = clip if noise is None else clip + noise_std * noise[:, here]
            behind.append(seen, heard.get("audio_features"))
            if self._interrupt:  # type: ignore[attr-defined]
                made.append(latents[:, here.stop :])
                break
        return torch.cat(made, dim=1)


def _input_frames(config: Any, frames: slice) -> slice:
    """The input frames that some of the transformer's frames stand for; the first latent stands for one."""
    first = config.input_frames(frames.start) if frames.start else 0
    return slice(first, config.input_frames(frames.stop))
