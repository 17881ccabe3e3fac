"""Batches for `forward`: values, masks, labels."""

import pytest
import torch

from heygen_hf.data import VideoTextCollator, build_tokenizer
from heygen_hf.processing import VideoProcessor

CAPTIONS = ["a red 7 moves left", "a red 7"]


@pytest.fixture
def items(random_frames):
    return [
        {
            "frames": random_frames(4, seed=number),
            "text": text,
            "index": number,
            "digit": "7",
            "colour": colour,
        }
        for number, (text, colour) in enumerate(zip(CAPTIONS, ("red", "blue"), strict=True))
    ]


def test_frames_are_normalised_and_captions_padded(items):
    processor, tokenizer = VideoProcessor(num_frames=4, height=16, width=16), build_tokenizer(CAPTIONS)
    batch = VideoTextCollator(processor, tokenizer)(items)
    assert set(batch) == {"pixel_values", "input_ids", "attention_mask"}
    assert torch.equal(batch["pixel_values"][1], processor.normalize(items[1]["frames"]))
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["input_ids"][1, 3:].tolist() == [tokenizer.pad_token_id] * 2
    assert tokenizer.decode(batch["input_ids"][0]) == CAPTIONS[0]


def test_lengths_can_be_limited_and_fixed(items):
    processor, tokenizer = VideoProcessor(), build_tokenizer(CAPTIONS)
    assert VideoTextCollator(processor, tokenizer, max_length=2)(items)["input_ids"].shape == (2, 2)
    fixed = VideoTextCollator(processor, tokenizer, max_length=9, padding="max_length")(items)
    assert fixed["input_ids"].shape == fixed["attention_mask"].shape == (2, 9)
    with pytest.raises(ValueError, match="set max_length"):
        VideoTextCollator(processor, tokenizer, padding="max_length")


def test_empty_captions_become_one_masked_token(items):
    for item in items:
        item["text"] = ""
    batch = VideoTextCollator(VideoProcessor(), build_tokenizer(CAPTIONS))(items)
    assert batch["input_ids"].shape == (2, 1)
    assert batch["attention_mask"].tolist() == [[0], [0]]


def test_without_a_tokenizer_there_are_no_captions(items):
    assert set(VideoTextCollator(VideoProcessor())(items)) == {"pixel_values"}


def test_labels_are_numbered_in_the_order_given(items):
    one = VideoTextCollator(VideoProcessor(), label_columns={"colour": ["blue", "red"]})
    assert one(items)["class_ids"].tolist() == [1, 0]
    two = VideoTextCollator(VideoProcessor(), label_columns={"colour": ["blue", "red"], "digit": list("0123456789")})
    assert two(items)["class_ids"].tolist() == [[1, 7], [0, 7]]
    with pytest.raises(ValueError, match="label 'red' in column 'colour' is none of the classes blue, green"):
        VideoTextCollator(VideoProcessor(), label_columns={"colour": ["blue", "green"]})(items)
