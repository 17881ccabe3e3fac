"""Tiny finished runs: one that reads captions and goes on from given frames, one that follows sound."""

import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # `from browser import Browser`

from heygen_hf.data import build_tokenizer, write_video
from heygen_hf.data.video import VideoWriter
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import FrameAudioFeatureExtractor, VideoProcessor

CAPTIONS = ["a red 7 moves left", "a blue 1 moves up"]
SAMPLING_RATE = 16_000


def build_pipeline(*, hears: bool = False, **overrides: object) -> VideoGenerationPipeline:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = None if hears else build_tokenizer(CAPTIONS)
        extractor = FrameAudioFeatureExtractor(6, steps_per_frame=1) if hears else None
        values = {
            "vocab_size": 0 if tokenizer is None else len(tokenizer),
            "audio_hidden_size": None if extractor is None else extractor.hidden_size,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "patch_size": (2, 4, 4),
            "sample_frames": 4,
            "sample_height": 16,
            "sample_width": 24,
            "given_frame_patterns": ["first", "prefix"],
        }
        config = VideoTransformerConfig(**(values | overrides))
        transformer = VideoTransformerModel(config).eval()
        with torch.no_grad():
            for weight in transformer.parameters():
                weight.add_(torch.randn_like(weight) * 0.2)
    pipeline = VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        VideoProcessor(num_frames=4, height=16, width=24),
        tokenizer,
        num_inference_steps=2,
        guidance_scale=1.0 if hears else 2.0,
        frame_rate=8.0,
        audio_feature_extractor=extractor,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def a_clip(num_frames: int) -> torch.Tensor:
    return torch.randint(0, 256, (num_frames, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def a_sound(seconds: float) -> torch.Tensor:
    times = torch.arange(round(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    return 0.5 * torch.sin(2 * np.pi * 220 * times) * torch.sin(2 * np.pi * 2 * times)


@pytest.fixture(scope="session")
def captioned_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny_digits"
    build_pipeline().save_pretrained(str(folder))
    about = "![strips](samples/samples.png)\n\nSome tiny digits.\n"
    (folder / "README.md").write_text(f"---\nlicense: apache-2.0\n---\n\n# Tiny digits\n\n{about}")
    (folder / "recipe.yaml").write_text("task: text_to_video\nhub:\n  limits: It knows next to nothing.\n")
    (folder / "run.json").write_text(json.dumps({"prompts": CAPTIONS}))
    return folder


@pytest.fixture(scope="session")
def talking_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny_talker"
    build_pipeline(hears=True).save_pretrained(str(folder))
    (folder / "recipe.yaml").write_text("task: audio_to_video\n")
    (folder / "samples").mkdir()
    sound = {"audio": a_sound(0.5), "sampling_rate": SAMPLING_RATE}
    write_video(folder / "samples" / "sample-00.mp4", a_clip(4), frame_rate=8, **sound)
    return folder


@pytest.fixture
def given_files(tmp_path: Path) -> dict[str, str]:
    """An image, a clip and a sound."""
    files = {"image": tmp_path / "first.png", "video": tmp_path / "clip.mp4", "audio": tmp_path / "said.wav"}
    Image.fromarray(a_clip(1)[0].permute(1, 2, 0).numpy()).save(files["image"])
    write_video(files["video"], a_clip(3), frame_rate=8)
    with wave.open(str(files["audio"]), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLING_RATE)
        file.writeframes((a_sound(1.0).numpy() * 32767).astype("<i2").tobytes())
    return {name: str(file) for name, file in files.items()}


@pytest.fixture
def pipeline_of() -> Callable[..., VideoGenerationPipeline]:
    return build_pipeline


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The frames that reach an encoder from here on; ask for it after what writes files of its own."""
    found: list[torch.Tensor] = []
    write = VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", lambda self, frames: (found.append(frames.clone()), write(self, frames)))
    return found
