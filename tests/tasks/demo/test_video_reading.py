"""Models that read videos: what the page says is what the model says."""

import json
from pathlib import Path

import pytest
import torch
from demo_server import HAS_GRADIO

from heygen_hf.data import decode_video
from heygen_hf.data.video import probe_video
from heygen_hf.models import ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.demo.page_facts import PageFacts
from heygen_hf.tasks.demo.reader_page import reader_examples, reader_page
from heygen_hf.tasks.demo.video_reading import open_reader


def write_classifier(folder: Path, labels: list[str]) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ConvVideoEncoderConfig(hidden_sizes=[8], strides=[[1, 2]], id2label=dict(enumerate(labels)))
        ConvVideoEncoderForVideoClassification(config).save_pretrained(str(folder))
    VideoProcessor(num_frames=3, height=16, width=24).save_pretrained(str(folder))
    (folder / "recipe.yaml").write_text(f"task: video_classification\ndata:\n  train: {folder / 'data'}\n")
    return folder


def test_labels_are_the_models(tmp_path, given_files) -> None:
    folder = write_classifier(tmp_path / "run", ["red", "green", "blue"])
    reading = open_reader(folder, device="cpu").read(given_files["video"])
    model = ConvVideoEncoderForVideoClassification.from_pretrained(str(folder)).eval()
    processor = VideoProcessor.from_pretrained(str(folder))
    with torch.inference_mode():
        expected = model(**processor(decode_video(given_files["video"], processor=processor))).logits[0].softmax(-1)
    shares = {
        model.config.id2label[i]: round(float(expected[i]), 4) for i in expected.argsort(descending=True).tolist()
    }
    assert reading.shares == shares
    assert list(reading.shares) == list(shares)  # the surest first
    assert reading.text == next(iter(shares))
    assert (reading.settings["video"], reading.settings["frames"]) == ("clip.mp4", 3)


def test_several_columns_are_chosen_one_by_one(tmp_path, given_files) -> None:
    names = ["colour: red", "colour: blue", "digit: 1", "digit: 2", "digit: 3"]
    reading = open_reader(write_classifier(tmp_path / "run", names), device="cpu").read(given_files["video"])
    assert [label.partition(":")[0] for label in reading.text.split(", ")] == ["colour", "digit"]
    for column in ("colour", "digit"):
        assert sum(share for name, share in reading.shares.items() if name.startswith(column)) == pytest.approx(
            1, abs=1e-3
        )


def test_what_cannot_be_read_is_one_line(tmp_path) -> None:
    reader = open_reader(write_classifier(tmp_path / "run", ["red", "blue"]), device="cpu")
    with pytest.raises(ValueError, match="no video is given: upload one"):
        reader.read(None)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"\S") as raised:
        reader.read(str(tmp_path / "broken.mp4"))
    assert "\n" not in str(raised.value)


def test_a_model_without_a_page_says_what_has_one(tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["TextTransformerForCausalLM"]}))
    with pytest.raises(ValueError, match="holds a TextTransformerForCausalLM, and there is no page for it"):
        open_reader(tmp_path, device="cpu")


@pytest.mark.skipif(not HAS_GRADIO, reason="gradio is not installed (extra demo)")
def test_its_page_has_clips_that_training_did_not_have(tmp_path, given_files) -> None:
    folder = write_classifier(tmp_path / "run", ["red", "blue"])
    held_out = folder / "data" / "test"
    held_out.mkdir(parents=True)
    (held_out / "00000.mp4").write_bytes(Path(given_files["video"]).read_bytes())
    reader = open_reader(folder, device="cpu")
    [example] = reader_examples(folder, reader, tmp_path)
    assert probe_video(example.video).num_frames == 3
    page = reader_page(reader, PageFacts(title="Colours", model="run"))
    labels = [one["props"].get("label") for one in page.get_config_file()["components"]]
    assert {"Video", "What it says", "How it was read"} <= set(labels)
