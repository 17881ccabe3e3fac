"""Latents are normalised as each family's own pipeline undoes it when it decodes."""

import pytest
import torch
from sampling import Run, family_around
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf.pipelines.latents import known_normalization, normalize_latents, record_normalization

FAMILIES = [name for name in TINY_CLIPS if not ({"image", "vace", "control"} & set(name.split("_")))]


class _DecodingError(Exception):
    """Carries what was to be decoded."""


def _decoded_by(pipeline, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents that a run ends with, and what it has decoded, `(batch, channels, frames, height, width)`."""

    def stop(latents: torch.Tensor, *_: object, **__: object) -> None:
        raise _DecodingError(latents)

    pipeline.vae.decode = stop
    ended: list[torch.Tensor] = []
    try:
        Run(pipeline, name, ["a red ball"], steps=2, output_type="pt", keep=ended)
    except _DecodingError as stopped:
        return ended[-1].transpose(1, 2), stopped.args[0]
    raise AssertionError("nothing was decoded")


@pytest.mark.parametrize("name", FAMILIES)
def test_normalisation_is_what_the_pipeline_undoes(name):
    pipeline = tiny_pipeline(name)
    latents, decoded = _decoded_by(pipeline, name)
    assert known_normalization(pipeline.vae, family_around(pipeline).latent_channels) is not None
    kept = latents[:, :, latents.shape[2] - decoded.shape[2] :]  # CogVideoX 1.5 throws a frame away
    torch.testing.assert_close(normalize_latents(pipeline.vae, decoded), kept)
    assert not torch.allclose(decoded, kept, rtol=0.05)


def test_the_scaling_factor_of_ltx_is_used_beside_its_spread():
    pipeline = tiny_pipeline("ltx")
    pipeline.vae.register_to_config(scaling_factor=2.0)
    latents, decoded = _decoded_by(pipeline, "ltx")
    torch.testing.assert_close(normalize_latents(pipeline.vae, decoded), latents)


def test_measured_values_of_a_mochi_are_what_its_pipeline_uses():
    pipeline = tiny_pipeline("mochi")
    mean, std = torch.linspace(-1, 1, 12), torch.linspace(0.5, 2, 12)
    record_normalization(pipeline.vae, mean, std)
    shift, scale = known_normalization(pipeline.vae, 12)
    torch.testing.assert_close((shift, scale), (mean, std))
    latents, decoded = _decoded_by(pipeline, "mochi")
    torch.testing.assert_close(normalize_latents(pipeline.vae, decoded), latents)
