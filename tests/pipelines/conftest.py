"""Tiny pipelines whose models claim to have learned from given frames, in pixels and in latents."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from heygen_hf.data import build_tokenizer
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor

CAPTION = "a red 7 moves left"
ALL = ["first", "prefix", "first_and_last", "random", "region"]


def build_pipeline(*, vae: object = None, frames: int = 4, **overrides: object) -> VideoGenerationPipeline:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer([CAPTION])
        values = {
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "patch_size": (2, 4, 4),
            "prediction_type": "sample",
            "sample_frames": frames,
            "sample_height": 8,
            "sample_width": 12,
            "given_frame_patterns": ALL,
        }
        config = VideoTransformerConfig(**(values | overrides))
        transformer = VideoTransformerModel(config).eval()
        with torch.no_grad():
            for weight in transformer.parameters():
                weight.add_(torch.randn_like(weight) * 0.2)
    pipeline = VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        VideoProcessor(num_frames=frames, height=8, width=12),
        tokenizer,
        vae=vae,
        num_inference_steps=2,
        guidance_scale=2.0,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def build_given_pipeline() -> Callable[..., VideoGenerationPipeline]:
    return build_pipeline


@pytest.fixture(scope="session")
def video_vae():
    from diffusers import AutoencoderKLWan

    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "attn_scales": []}
        vae = AutoencoderKLWan(**size, temperal_downsample=[True]).eval()
    vae.register_to_config(latents_mean=[0.1] * 4, latents_std=[0.5] * 4)
    return vae


@pytest.fixture(scope="session")
def build_latent_pipeline(video_vae) -> Callable[..., VideoGenerationPipeline]:
    """Nine frames in five latents of four channels."""
    sizes = {"temporal_compression": 2, "spatial_compression": 2, "patch_size": (1, 2, 2), "num_channels": 4}
    return partial(build_pipeline, vae=video_vae, frames=9, **sizes)
