"""`generate` from pictures and clips on disk, and what evaluation makes of given frames."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import build_tokenizer, decode_frames, write_video
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation.given_files import read_clip

CAPTION = "a red 7 moves left"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model of four 16 × 16 frames that claims to go on from given frames."""
    folder = tmp_path_factory.mktemp("run")
    tokenizer = build_tokenizer([CAPTION])
    sizes = {"sample_frames": 4, "sample_height": 16, "sample_width": 16, "patch_size": (4, 8, 8)}
    heads = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer), given_frame_patterns=["prefix", "region"], **sizes, **heads
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = VideoTransformerModel(config)
    pipeline = VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        VideoProcessor(num_frames=4, height=16, width=16),
        tokenizer,
        num_inference_steps=1,
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture, a mask and a clip of six frames, 32 × 32."""
    folder = tmp_path_factory.mktemp("files")
    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    picture = np.stack([np.tile(ramp, (32, 1)), np.tile(ramp[:, None], (1, 32)), np.full((32, 32), 128, np.uint8)], -1)
    PIL.Image.fromarray(picture).save(folder / "first.png")
    PIL.Image.fromarray((np.arange(32)[:, None] < np.full(32, 8)).astype(np.uint8) * 255).save(folder / "mask.png")
    frames = torch.from_numpy(picture).permute(2, 0, 1)[None] // torch.arange(1, 7)[:, None, None, None]
    write_video(folder / "clip.mp4", frames.to(torch.uint8), frame_rate=8)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def generate(run: Path, output: Path, *arguments: object, prompts: tuple[str, ...] = (CAPTION,)):
    given = [value for prompt in prompts for value in ("--prompt", prompt)]
    return CliRunner().invoke(app, ["generate", str(run), *given, "--output-dir", str(output), *map(str, arguments)])


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.float() - other.float()).abs().mean())


def test_from_a_picture(run: Path, files: Path, tmp_path: Path) -> None:
    result = generate(run, tmp_path, "--image", files / "first.png", "--num-videos", 2)
    assert result.exit_code == 0, result.exception
    frames = decode_frames(tmp_path / "00001.mp4").frames
    source = torch.from_numpy(np.array(PIL.Image.open(files / "first.png"))).permute(2, 0, 1)
    expected = VideoProcessor(height=16, width=16).resize_and_crop(source[None])[0]
    assert frames.shape == (4, 3, 16, 16)
    assert difference(frames[0], expected) < 6  # H.264
    assert difference(frames[1], expected) > 6
    row = json.loads((tmp_path / "metadata.jsonl").read_text().splitlines()[1])
    assert row["image"] == "first.png"
    assert row["seed"] == 1


def test_one_file_for_each_prompt_across_batches(run: Path, files: Path, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (32, 32), (200, 0, 0)).save(tmp_path / "red.png")
    result = generate(
        run,
        tmp_path / "out",
        *["--image", files / "first.png", "--image", tmp_path / "red.png", "--num-videos", 2, "--batch-size", 3],
        prompts=(CAPTION, "a 7"),
    )
    assert result.exit_code == 0, result.exception
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["image"] for row in rows] == ["first.png", "first.png", "red.png", "red.png"]
    means = [decode_frames(tmp_path / "out" / row["file_name"]).frames[0, 1].float().mean() for row in rows]
    assert [mean > 60 for mean in means] == [True, True, False, False]
    three = ["--image", files / "first.png"] * 3
    failed = generate(run, tmp_path / "other", *three, prompts=(CAPTION, "a 7"))
    assert "3 --image files for 2 prompts; give one each, or one for all" in str(failed.exception)


def test_a_clip_goes_on_in_windows(run: Path, files: Path, tmp_path: Path) -> None:
    result = generate(run, tmp_path, "--video", files / "clip.mp4", "--num-frames", 17, "--context-frames", 1)
    assert result.exit_code == 0, result.exception
    frames = decode_frames(tmp_path / "00000.mp4").frames
    expected = read_clip(files / "clip.mp4", VideoProcessor(height=16, width=16), height=16, width=16)
    assert frames.shape == (17, 3, 16, 16)
    assert expected.shape[0] == 6
    assert difference(frames[:6], expected) < 6
    row = json.loads((tmp_path / "metadata.jsonl").read_text())
    assert (row["context_frames"], row["num_frames"], row["video"]) == (1, 17, "clip.mp4")


def test_a_masked_part_is_made_anew(run: Path, files: Path, tmp_path: Path) -> None:
    short = decode_frames(files / "clip.mp4").frames[:4]
    write_video(tmp_path / "short.mp4", short, frame_rate=8)
    result = generate(run, tmp_path / "out", "--video", tmp_path / "short.mp4", "--mask", files / "mask.png")
    assert result.exit_code == 0, result.exception
    frames = decode_frames(tmp_path / "out" / "00000.mp4").frames
    expected = VideoProcessor(height=16, width=16).resize_and_crop(short)
    assert difference(frames[:, :, 6:], expected[:, :, 6:]) < 6
    assert difference(frames[:, :, :3], expected[:, :, :3]) > 20


def test_frames_are_taken_at_the_rate_of_training_up_to_the_last(files: Path) -> None:
    whole = read_clip(files / "clip.mp4", VideoProcessor(), height=32, width=32)
    strided = read_clip(files / "clip.mp4", VideoProcessor(temporal_stride=2), height=32, width=32)
    assert torch.equal(strided, whole[1::2])
    slower = read_clip(files / "clip.mp4", VideoProcessor(target_fps=4.0), height=32, width=32)
    assert torch.equal(slower, whole[::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "broken.mp4"], "broken.mp4"),
        (["--video", "none.mp4"], "none.mp4: there is no such file"),
        (["--image", "none.png"], "none.png: there is no such file; expected a picture"),
        (["--image", "broken.mp4"], "broken.mp4: it cannot be read as an image"),
        (["--mask", "mask.png"], "--mask needs --video"),
        (["--video", "first.png"], "first.png is a picture; for a video that begins with it, give it as --image"),
        (["--video", "clip.mp4"], "6 frames are given and num_frames is 4"),
        (["--video", "clip.mp4", "--image", "first.png"], "image and video were both given"),
        (["--video", "clip.mp4", "--num-frames", "9", "--context-frames", "4"], "context_frames=4 must lie"),
    ],
)
def test_bad_files_are_one_line(run: Path, files: Path, tmp_path: Path, arguments: list, message: str) -> None:
    named = [files / value if "." in value and not value.startswith("-") else value for value in arguments]
    result = generate(run, tmp_path / "out", *named)
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
