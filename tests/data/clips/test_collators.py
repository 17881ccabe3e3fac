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


def test_sound_is_padded_and_masked(items):
    items[0]["audio"], items[1]["audio"] = torch.full((3,), 0.5), torch.full((5,), -0.5)
    batch = VideoTextCollator(VideoProcessor())(items)
    assert batch["audio_values"].tolist() == [[0.5] * 3 + [0.0] * 2, [-0.5] * 5]
    assert batch["audio_attention_mask"].int().tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    items[1]["audio"] = torch.zeros(2, 5)
    with pytest.raises(ValueError, match=r"audio of item 1 is torch.float32 \(2, 5\); expected mono"):
        VideoTextCollator(VideoProcessor())(items)


def test_latents_are_taken_as_they_are(items):
    for item in items:
        item["latents"] = torch.full((2, 4, 3, 3), 7.0, dtype=torch.bfloat16)
        del item["frames"]
    batch = VideoTextCollator(VideoProcessor())(items)
    assert batch["pixel_values"].dtype == torch.bfloat16
    assert torch.equal(batch["pixel_values"], torch.full((2, 2, 4, 3, 3), 7.0, dtype=torch.bfloat16))
    items[0]["frames"], items[0]["latents"] = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), None
    with pytest.raises(ValueError, match="some items of a batch have latents and others frames"):
        VideoTextCollator(VideoProcessor())(items)


def test_text_embeddings_take_the_place_of_captions(items):
    items[0]["text_embeddings"], items[1]["text_embeddings"] = torch.ones(3, 8), torch.ones(2, 8)
    items[0]["text_embeddings_mask"] = torch.tensor([True, True, False])
    batch = VideoTextCollator(VideoProcessor(), build_tokenizer(CAPTIONS))(items)
    assert set(batch) == {"pixel_values", "encoder_hidden_states", "encoder_attention_mask"}
    assert batch["encoder_hidden_states"].shape == (2, 3, 8)
    assert batch["encoder_hidden_states"][1, 2].tolist() == [0.0] * 8
    assert batch["encoder_attention_mask"].tolist() == [[1, 1, 0], [1, 1, 0]]
    items[1]["text_embeddings"] = torch.ones(2, 9)
    with pytest.raises(ValueError, match=r"text_embeddings of item 1 is torch.float32 \(2, 9\)"):
        VideoTextCollator(VideoProcessor())(items)


@pytest.mark.parametrize("key", ["frames", "text", "audio", "text_embeddings"])
def test_what_is_missing_is_an_error_that_names_the_item(items, key):
    items[0] |= {"audio": torch.zeros(4)}
    items[1] |= {"audio": torch.zeros(4), "index": 41}
    if key == "text_embeddings":
        items[0][key] = torch.ones(3, 8)
    items[1][key] = None
    with pytest.raises(ValueError, match=f"item 41 has no {key}; .*allow_missing=True"):
        VideoTextCollator(VideoProcessor(), build_tokenizer(CAPTIONS))(items)


def test_missing_modalities_are_zeros_and_masked(items):
    processor, tokenizer = VideoProcessor(num_frames=4, height=16, width=16), build_tokenizer(CAPTIONS)
    collate = VideoTextCollator(processor, tokenizer, allow_missing=True)
    items[0] |= {"frames": None, "audio": torch.ones(4)}
    items[1] |= {"text": None, "audio": None}
    batch = collate(items)
    assert batch["pixel_mask"].tolist() == [False, True]
    assert not batch["pixel_values"][0].any()
    assert torch.equal(batch["pixel_values"][1], processor.normalize(items[1]["frames"]))
    assert batch["attention_mask"].tolist() == [[1] * 5, [0] * 5]
    assert batch["input_ids"][1].tolist() == [tokenizer.pad_token_id] * 5
    assert batch["audio_values"].tolist() == [[1.0] * 4, [0.0] * 4]
    assert batch["audio_attention_mask"].int().tolist() == [[1] * 4, [0] * 4]


def test_nothing_missing_still_has_the_masks_where_it_could_be(items):
    batch = VideoTextCollator(VideoProcessor(), build_tokenizer(CAPTIONS), allow_missing=True)(items)
    assert batch["pixel_mask"].tolist() == [True, True]
    plain = VideoTextCollator(VideoProcessor(), build_tokenizer(CAPTIONS))(items)
    assert set(batch) - set(plain) == {"pixel_mask"}
    assert torch.equal(batch["pixel_values"], plain["pixel_values"])


def test_a_batch_without_any_of_a_modality_keeps_its_fields(items):
    processor = VideoProcessor(num_frames=4, height=16, width=16)
    for item in items:
        item |= {"frames": None, "text": None, "audio": None}
    batch = VideoTextCollator(processor, build_tokenizer(CAPTIONS), allow_missing=True)(items)
    assert batch["pixel_values"].shape == (2, 4, 3, 16, 16)
    assert batch["input_ids"].shape == (2, 1)
    assert batch["audio_values"].shape == (2, 1)
    for mask in ("pixel_mask", "attention_mask", "audio_attention_mask"):
        assert not batch[mask].any()
    shaped = VideoTextCollator(processor, allow_missing=True, missing_shape=(2, 4, 8, 8))(items)
    assert shaped["pixel_values"].shape == (2, 2, 4, 8, 8)


def test_missing_embeddings_and_latents(items):
    items[0] |= {"frames": None, "latents": torch.ones(2, 4, 3, 3), "text_embeddings": None}
    items[1] |= {"frames": None, "latents": None, "text_embeddings": torch.ones(2, 8)}
    batch = VideoTextCollator(VideoProcessor(), allow_missing=True)(items)
    assert batch["pixel_mask"].tolist() == [True, False]
    assert batch["pixel_values"].sum(dim=(1, 2, 3, 4)).tolist() == [72.0, 0.0]
    assert batch["encoder_attention_mask"].tolist() == [[0, 0], [1, 1]]
    assert not batch["encoder_hidden_states"][0].any()


def test_a_tokenizer_with_tokens_of_its_own_leaves_no_trace_of_a_missing_caption(items):
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer(CAPTIONS)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="[UNK] $A", special_tokens=[("[UNK]", 1)])
    items[1]["text"] = None
    batch = VideoTextCollator(VideoProcessor(), tokenizer, allow_missing=True)(items)
    assert batch["attention_mask"].sum(dim=1).tolist() == [6, 0]
    items[1]["text"] = ""  # an empty caption is there
    batch = VideoTextCollator(VideoProcessor(), tokenizer, allow_missing=True)(items)
    assert batch["attention_mask"].sum(dim=1).tolist() == [6, 1]


def test_shapes_that_differ_are_named(items, random_frames):
    items[1]["frames"] = random_frames(4, height=8, width=16)
    with pytest.raises(ValueError, match=r"2 shapes.*buckets") as caught:
        VideoTextCollator(VideoProcessor())(items)
    assert "(4, 3, 16, 16) (item 0)" in str(caught.value)
    assert "(4, 3, 8, 16) (item 1)" in str(caught.value)
    for item in items:
        item["frames"] = item["frames"].float()
    items[1]["frames"] = items[0]["frames"]
    with pytest.raises(ValueError, match="expected uint8"):
        VideoTextCollator(VideoProcessor())(items)
