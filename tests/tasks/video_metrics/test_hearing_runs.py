"""A run that follows sound: its videos are made of held-out clips' sound and first frame, and measured with them."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data import decode_frames, write_video
from heygen_hf.data.recordings import decode_recording
from heygen_hf.data.talking_faces import render_talking_faces
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import FrameAudioFeatureExtractor, VideoProcessor
from heygen_hf.tasks.video_metrics import measure_videos

METRICS = "psnr,audio_video_sync,identity_similarity"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "faces"
    counts = {"num_train": 2, "num_validation": 2, "num_test": 4, "num_identities": 30}
    return render_talking_faces(folder, **counts, image_size=32, num_frames=20, progress=False) / "test"


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny export that goes on from a given first frame, without a recipe."""
    folder = tmp_path_factory.mktemp("runs") / "hearing"
    extractor = FrameAudioFeatureExtractor(6, steps_per_frame=1)
    config = VideoTransformerConfig(
        vocab_size=0,
        audio_hidden_size=extractor.hidden_size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=(2, 8, 8),
        sample_frames=8,
        sample_height=32,
        sample_width=32,
        given_frame_patterns=["first"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = VideoTransformerModel(config).eval()
        with torch.no_grad():
            for weight in transformer.parameters():
                weight.add_(torch.randn_like(weight) * 0.1)
    VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        VideoProcessor(num_frames=8, height=32, width=32),
        None,
        num_inference_steps=1,
        frame_rate=25.0,
        audio_feature_extractor=extractor,
    ).save_pretrained(folder)
    return folder


def test_videos_are_of_the_clips_sound_and_first_frame(hearing: Path, faces: Path, tmp_path: Path) -> None:
    measured = measure_videos(
        hearing, [METRICS], reference=faces, num_videos=5, seed=0, output=tmp_path / "f.json", videos_dir=tmp_path / "v"
    )
    first = measured.videos[0]
    shown = decode_frames(str(first)).frames
    assert shown.shape == (8, 3, 32, 32)
    samples, _ = decode_recording(first, sampling_rate=16_000)
    assert samples.abs().max() > 0.01
    assert any(torch.equal(decode_frames(str(path)).frames[0], shown[0]) for path in faces.glob("*.mp4"))
    figures = measured.figures
    assert list(figures) == METRICS.split(",")
    # what was given is not measured, and a real clip is as it should be
    assert figures["psnr"].provenance.clips["frames"] == 7
    assert figures["audio_video_sync"].reference_value is not None
    assert figures["audio_video_sync"].reference_value > 0.8
    assert figures["audio_video_sync"].value < figures["audio_video_sync"].reference_value
    written = json.loads((tmp_path / "f.json").read_text())
    assert (written["videos"]["num_frames"], written["videos"]["num_given_frames"]) == (8, 1)
    assert written["references"]["pairs"] == "the clip of each video's sound"
    rows = [json.loads(line) for line in (tmp_path / "v" / "metadata.jsonl").read_text().splitlines()]
    assert rows[0]["given"].startswith("first frame and sound of ")
    assert rows[4]["given"] == rows[0]["given"]  # there are four clips
    assert rows[4]["seed"] == 4


def test_what_it_cannot_be_made_of_is_refused(hearing: Path, digits: Path, run: Path) -> None:
    with pytest.raises(ValueError, match=r"a model that follows sound makes videos of real clips, .*no recipe.yaml"):
        measure_videos(hearing, ["temporal_flicker"])
    with pytest.raises(ValueError, match=r"none of the 12 test has sound and at least 8 frames"):
        measure_videos(hearing, ["temporal_flicker"], reference=digits / "test")
    with pytest.raises(ValueError, match=r"audio_video_sync compares videos with their sound, and .* hears none"):
        measure_videos(run, ["audio_video_sync"], num_videos=2)


def test_a_folder_of_videos_with_sound(faces: Path, tmp_path: Path) -> None:
    figure = measure_videos(faces, ["audio_video_sync"]).figures["audio_video_sync"]
    assert figure.value > 0.8
    assert figure.count == 4
    silent = tmp_path / "silent"
    silent.mkdir()
    write_video(silent / "a.mp4", torch.zeros(20, 3, 32, 32).byte())
    with pytest.raises(ValueError, match=r"audio_video_sync: a.mp4 has no sound"):
        measure_videos(silent, ["audio_video_sync"])
