"""The batch types refuse what does not fit together, and print shapes."""

import pytest
import torch

from heygen_hf.types import VideoClip, VideoTextBatch


def test_a_clip_prints_its_shape_and_not_its_pixels():
    clip = VideoClip(frames=torch.zeros(4, 3, 8, 6, dtype=torch.uint8), frame_rate=2.0)
    assert repr(clip).startswith("VideoClip(frames=uint8(4, 3, 8, 6), frame_rate=2.0, timestamps_seconds=None")
    assert clip.duration_seconds == 2.0


@pytest.mark.parametrize(
    ("frames", "frame_rate", "stamps", "complaint"),
    [
        (torch.zeros(4, 3, 8, 6), 8.0, None, "expected uint8"),
        (torch.zeros(3, 8, 6, dtype=torch.uint8), 8.0, None, "expected uint8"),
        (torch.zeros(4, 3, 8, 6, dtype=torch.uint8), 0.0, None, "frame_rate is 0"),
        (torch.zeros(4, 3, 8, 6, dtype=torch.uint8), 8.0, torch.zeros(3), "one value for each of the 4"),
    ],
)
def test_a_clip_that_cannot_be_is_refused(frames, frame_rate, stamps, complaint):
    with pytest.raises(ValueError, match=complaint):
        VideoClip(frames=frames, frame_rate=frame_rate, timestamps_seconds=stamps)


def test_a_batch_gives_forward_only_what_it_has():
    pixels, ids = torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 5, dtype=torch.int64)
    assert set(VideoTextBatch(pixel_values=pixels).to_dict()) == {"pixel_values"}
    batch = VideoTextBatch(pixel_values=pixels, input_ids=ids, attention_mask=ids)
    assert batch.to_dict()["input_ids"] is ids
    assert "pixel_values=float32(2, 4, 3, 8, 8)" in repr(batch)
    full = VideoTextBatch(
        pixel_values=pixels,
        pixel_mask=torch.ones(2, dtype=torch.bool),
        encoder_hidden_states=torch.zeros(2, 6, 16),
        encoder_attention_mask=torch.ones(2, 6),
        audio_values=torch.zeros(2, 100),
        audio_attention_mask=torch.ones(2, 100, dtype=torch.bool),
    )
    assert len(full.to_dict()) == 6
    assert "audio_values=float32(2, 100)" in repr(full)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"pixel_values": torch.zeros(2, 3, 8, 8)}, "pixel_values is float32"),
        ({"pixel_values": torch.zeros(2, 4, 3, 8, 8, dtype=torch.uint8)}, "expected floating point"),
        ({"input_ids": torch.zeros(3, 5, dtype=torch.int64)}, "with 2 first"),
        ({"class_ids": torch.zeros(2, 1, 1)}, "class_ids"),
        ({"input_ids": torch.zeros(2, 5), "attention_mask": torch.zeros(2, 4)}, "the shape of input_ids"),
        ({"pixel_mask": torch.ones(3)}, "pixel_mask is float32\\(3,\\)"),
        ({"encoder_hidden_states": torch.zeros(2, 5)}, "expected 3 dimensions"),
        (
            {"encoder_hidden_states": torch.zeros(2, 5, 8), "encoder_attention_mask": torch.zeros(2, 8)},
            "the shape of encoder_hidden_states \\(2, 5\\)",
        ),
        ({"audio_values": torch.zeros(2, 9), "audio_attention_mask": torch.zeros(2, 8)}, "the shape of audio_values"),
        ({"audio_values": torch.zeros(2, 9, dtype=torch.int16)}, "audio_values is int16"),
    ],
)
def test_a_batch_whose_parts_disagree_is_refused(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        VideoTextBatch(**{"pixel_values": torch.zeros(2, 4, 3, 8, 8)} | fields)
