"""Latents of a published autoencoder are never brought to another scale than its pipeline's."""

import torch
from tiny_pipelines import tiny_pipeline

from heygen_hf.models.pretrained_generators import family_of
from heygen_hf.pipelines.latents import known_normalization
from heygen_hf.tasks.finetuning.clips.encoders import family_encoders


def test_an_autoencoder_without_numbers_leaves_latents_as_they_are():
    pipeline = tiny_pipeline("hunyuan_video")
    encoders = family_encoders(family_of("HunyuanVideoPipeline")(pipeline), geometry=None)
    _, scale = encoders.normalization(4)
    torch.testing.assert_close(scale, torch.full((4,), 1 / 0.476986))
    pipeline.vae.register_to_config(scaling_factor=1.0)
    assert known_normalization(pipeline.vae, 4) is None  # which elsewhere asks for measured ones
    shift, scale = encoders.normalization(4)
    assert shift.tolist() == [0.0] * 4
    assert scale.tolist() == [1.0] * 4
