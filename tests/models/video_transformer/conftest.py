"""Tiny models whose zero-initialised parts take part, and a clip of six time rows with two captions."""

from collections.abc import Callable

import pytest
import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel

Build = Callable[..., VideoTransformerModel]


@pytest.fixture(scope="session")
def build_model() -> Build:
    def build(**overrides: object) -> VideoTransformerModel:
        values = {
            "vocab_size": 20,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": (1, 4, 4),
            "timestep_embedding_size": 16,
            "condition_dropout": 0.0,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = VideoTransformerModel(VideoTransformerConfig(**(values | overrides))).eval()
            with torch.no_grad():
                for weight in model.parameters():
                    weight.add_(torch.randn_like(weight) * 0.1)
        return model

    return build


@pytest.fixture(scope="session")
def stream_inputs() -> Callable[..., dict[str, torch.Tensor]]:
    def inputs(*, rows: int = 6, audio: int = 0) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        made = {
            "sample": torch.randn(2, rows, 3, 8, 12, generator=generator),
            "timestep": torch.rand(2, rows, generator=generator),
            "input_ids": torch.randint(0, 20, (2, 5), generator=generator),
            "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
        }
        if audio:
            made["audio_features"] = torch.randn(2, rows, audio, generator=generator)
        return made

    return inputs
