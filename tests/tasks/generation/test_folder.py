"""Generated videos on disk: written as they come, replaced only by new ones."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import build_tokenizer, decode_frames
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation.folder import GeneratedFolder

CAPTIONS = ("a red 7 moves left", "a blue 1 moves up")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model of four 16 × 16 frames that claims to go on from given frames, and heeds its captions."""
    folder = tmp_path_factory.mktemp("run")
    tokenizer = build_tokenizer(list(CAPTIONS))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = VideoTransformerConfig(
            vocab_size=len(tokenizer),
            given_frame_patterns=["prefix"],
            attention_pattern="causal",
            prediction_type="sample",
            sample_frames=4,
            sample_height=16,
            sample_width=16,
            patch_size=(2, 8, 8),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
        )
        transformer = VideoTransformerModel(config)
        with torch.no_grad():
            for weight in transformer.parameters():
                weight.add_(torch.randn_like(weight) * 0.2)
    scheduler, processor = build_scheduler(config), VideoProcessor(num_frames=4, height=16, width=16)
    VideoGenerationPipeline(transformer, scheduler, processor, tokenizer, num_inference_steps=1).save_pretrained(folder)
    return folder


def generate(run: Path, output: Path, *arguments: object, prompts: tuple[str, ...] = CAPTIONS):
    given = [value for prompt in prompts for value in ("--prompt", prompt)]
    return CliRunner().invoke(app, ["generate", str(run), *given, "--output-dir", str(output), *map(str, arguments)])


def rows_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "metadata.jsonl").read_text().splitlines()]


def test_windows_are_written_as_they_come(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    windows = VideoGenerationPipeline.stream_windows

    def watched(self, *args, **kwargs):
        for window in windows(self, *args, **kwargs):
            sizes.append(window.shape[:2])
            yield window

    monkeypatch.setattr(VideoGenerationPipeline, "stream_windows", watched)
    result = generate(run, tmp_path, "--num-frames", 11)
    assert result.exit_code == 0, result.exception
    assert sizes == [(2, 4), (2, 2), (2, 2), (2, 2), (2, 1)]
    pipeline = VideoGenerationPipeline.from_pretrained(run)
    generator = torch.Generator().manual_seed(1)
    expected = pipeline(CAPTIONS[1], num_frames=11, generator=generator, output_type="pt").frames[0]
    frames = decode_frames(tmp_path / "00001.mp4").frames
    assert frames.shape == (11, 3, 16, 16)
    # Random colours lose half their resolution in the file; their brightness does not.
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    brightness, wanted = (frames * weights).sum(1), (255 * expected * weights).sum(1)
    assert (brightness - wanted).abs().mean() < 12
    assert (brightness - wanted.roll(1, dims=0)).abs().mean() > 30


def test_each_window_has_its_prompt(run: Path, tmp_path: Path) -> None:
    result = generate(run, tmp_path, "--num-frames", 9, "--prompts-per-window")
    assert result.exit_code == 0, result.exception
    (row,) = rows_of(tmp_path)
    assert row["text"] == " / ".join(CAPTIONS)
    assert decode_frames(tmp_path / "00000.mp4").frames.shape[0] == 9
    pipeline = VideoGenerationPipeline.from_pretrained(run)

    def stream(**options: object) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.cat(list(pipeline.stream_windows(num_frames=9, generator=generator, **options)), dim=1)

    both, first = stream(prompts_per_window=list(CAPTIONS)), stream(prompt=CAPTIONS[0])
    assert torch.equal(both[:, :4], first[:, :4])
    assert not torch.allclose(both[:, 4:], first[:, 4:], atol=1e-3)
    assert torch.equal(stream(prompts_per_window=[CAPTIONS[0]]), first)
    for options, message in (
        ({"prompts_per_window": list(CAPTIONS) * 3}, "holds 6 and the video has 4 windows"),
        ({"prompts_per_window": ["a", ["b", "c"]]}, r"have \[1, 2\] captions"),
        ({"prompts_per_window": ["a"], "prompt": "b"}, "both given"),
        ({"prompts_per_window": "a"}, "for each window"),
    ):
        with pytest.raises(ValueError, match=message):
            stream(**options)
    failed = generate(run, tmp_path / "one", "--prompts-per-window")
    assert "2 prompts for the windows of a video that has one" in str(failed.exception)


def test_earlier_videos_stay_until_new_ones_are_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert generate(run, tmp_path, "--num-videos", 2).exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 5
    assert "already holds generated videos" in str(generate(run, tmp_path).exception)
    assert generate(run, tmp_path, "--overwrite", "--height", 15).exit_code != 0
    sample = VideoGenerationPipeline._denoise

    def fails(self, *args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(VideoGenerationPipeline, "_denoise", fails)
    assert str(generate(run, tmp_path, "--overwrite").exception) == "out of memory"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    calls = []

    def fails_later(self, *args, **kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("out of memory")
        return sample(self, *args, **kwargs)

    monkeypatch.setattr(VideoGenerationPipeline, "_denoise", fails_later)
    generate(run, tmp_path, "--overwrite", "--batch-size", 1, "--seed", 7)
    assert [row["seed"] for row in rows_of(tmp_path)] == [7, 1, 2, 3]  # one was replaced
    assert (tmp_path / "00001.mp4").read_bytes() == before["00001.mp4"]
    monkeypatch.setattr(VideoGenerationPipeline, "_denoise", sample)
    assert generate(run, tmp_path, "--overwrite", "--seed", 9).exit_code == 0
    assert [row["seed"] for row in rows_of(tmp_path)] == [9, 10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.mp4", "00001.mp4", "metadata.jsonl"]


def test_what_lies_in_the_folder_already(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "00000.mp4"
    mine.write_text("mine")
    assert "already holds generated videos" in str(generate(run, tmp_path).exception)
    assert mine.read_text() == "mine"
    # A row that was cut off is left out, those before it stay.
    rows = '{"file_name": "00007.mp4", "text": "a"}\n\n{"file_name": "00000.mp4", "te'
    (tmp_path / "metadata.jsonl").write_text(rows)
    (tmp_path / "00007.mp4").write_text("earlier")
    result = generate(run, tmp_path, "--overwrite", prompts=CAPTIONS[:1])
    assert result.exit_code == 0, result.exception
    assert "metadata.jsonl line 3 cannot be read" in result.output
    assert [row["text"] for row in rows_of(tmp_path)] == [CAPTIONS[0]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.mp4", "metadata.jsonl"]
    # Rows of clips that generate has not made are nobody's to delete.
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "holiday.mp4"}\n')
    assert "is of other files (holiday.mp4" in str(generate(run, tmp_path, "--overwrite").exception)


def test_rows_of_earlier_videos_keep_their_line_separators(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "a\u2028b\x85c"
    for number in range(2):
        folder = GeneratedFolder(tmp_path, overwrite=True)
        folder.add(tmp_path / f"0000{number}.mp4", {"text": text})
        folder.save()
    assert "cannot be read" not in capsys.readouterr().out
    lines = (tmp_path / "metadata.jsonl").read_text(encoding="utf-8").strip().split("\n")
    assert [json.loads(line) for line in lines] == [{"file_name": f"0000{i}.mp4", "text": text} for i in (1, 0)]
