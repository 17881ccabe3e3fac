import pytest
import torch

from heygen_hf.evaluation.clip_stream import hash_clips, read_batches
from heygen_hf.types import VideoClip


def clip(frames=4, size=8, value=0.5):
    return torch.full((frames, 3, size, size), value)


def test_bytes_and_numbers_come_as_pixels_in_0_1():
    batches = list(read_batches([clip(), (clip() * 255).to(torch.uint8), clip()], batch_size=2))
    assert [len(batch.clips) for batch in batches] == [2, 1]
    assert batches[0].clips.dtype == torch.float32
    assert torch.allclose(batches[0].clips[0], batches[0].clips[1], atol=1 / 255)
    assert [batch.indices.tolist() for batch in batches] == [[0, 1], [2]]


def test_a_generator_is_read_as_it_comes():
    seen = []

    def clips():
        for number in range(5):
            seen.append(number)
            yield clip()

    batches = read_batches(clips(), batch_size=2)
    next(batches)
    assert seen == [0, 1]


def test_large_clips_come_in_smaller_batches(monkeypatch):
    monkeypatch.setattr("heygen_hf.evaluation.clip_stream.batches._BATCH_BYTES", 2 * clip().nbytes + 1)
    assert [len(batch.clips) for batch in read_batches([clip()] * 5, batch_size=4)] == [2, 2, 1]
    monkeypatch.setattr("heygen_hf.evaluation.clip_stream.batches._BATCH_BYTES", 1)
    assert [len(batch.clips) for batch in read_batches([clip()] * 2, batch_size=4)] == [1, 1]


class Lazy:
    """A sequence that notes what is read of it."""

    def __init__(self, count):
        self.count, self.read = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.read.append(index)
        return clip(value=index / 10)


def test_a_process_reads_its_share_alone():
    clips = Lazy(7)
    batches = list(read_batches(clips, batch_size=2, first_index=1, index_step=3))
    assert clips.read == [1, 4]
    assert batches[0].indices.tolist() == [1, 4]
    from_iterator = list(
        read_batches(iter([clip(value=n / 10) for n in range(7)]), batch_size=2, first_index=1, index_step=3)
    )
    assert torch.equal(from_iterator[0].clips, batches[0].clips)


def test_prompts_go_with_their_clips():
    batches = list(read_batches([clip()] * 3, batch_size=2, prompts=["a", "b", "c"]))
    assert [batch.prompts for batch in batches] == [["a", "b"], ["c"]]
    for prompts in (["a", "b"], ["a"] * 4):
        with pytest.raises(ValueError, match=f"there are {len(prompts)} prompts .* give one for each"):
            list(read_batches([clip()] * 3, batch_size=2, prompts=prompts))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (clip(frames=5), "generated clip 1 has 5 frames .* first has 4 frames .* cut all to one length"),
        (clip(size=9), "9x9 pixels .* resize all to one size"),
        (clip()[:, :1], "1 channels"),
        (clip() * 3 - 1, r"pixels from 0.5 to 0.5"),
        (clip() * 4, r"pixels from 2 to 2; expected \[0, 1\], or uint8"),
        (clip() * torch.nan, r"pixels from nan to nan"),
        (clip().long(), "holds torch.int64"),
        (clip()[0], r"shape \(3, 8, 8\); expected \(frames, channels, height, width\)"),
        ("a.mp4", "is str; expected a tensor"),
    ],
    ids=["frames", "size", "channels", "fine", "range", "nan", "integers", "shape", "text"],
)
def test_clips_of_another_kind_are_one_line(second, message):
    batches = read_batches([clip(), second], batch_size=4)
    if "0.5 to 0.5" in message:
        assert len(list(batches)) == 1
        return
    with pytest.raises(ValueError, match=message) as caught:
        list(batches)
    assert "\n" not in str(caught.value)


def test_mixed_rates_are_one_line():
    frames = (clip() * 255).to(torch.uint8)
    clips = [VideoClip(frames, 8.0), VideoClip(frames, 24.0)]
    with pytest.raises(ValueError, match=r"at 24 frames/s, and the first has .* at 8 frames/s; bring all to one rate"):
        list(read_batches(clips, batch_size=4))
    shape = next(read_batches(clips[:1], batch_size=1)).shape
    assert shape.frame_rate == 8.0
    with pytest.raises(ValueError, match=r"reference clip 0 .* the generated ones have"):
        list(read_batches(clips[1:], batch_size=1, name="reference", like=shape))


def test_one_tensor_of_clips_is_clips_and_four_dimensions_are_not():
    assert len(list(read_batches(torch.rand(3, 4, 3, 8, 8), batch_size=1))) == 3
    with pytest.raises(ValueError, match=r"expected \(clips, frames, channels, height, width\)"):
        list(read_batches(torch.rand(4, 3, 8, 8), batch_size=1))


def test_the_hash_of_clips_is_of_their_pixels():
    clips = [torch.rand(2, 3, 4, 4) for _ in range(2)]
    assert hash_clips(clips) == hash_clips([each.clone() for each in clips])
    changed = clips[1].clone()
    changed[0, 0, 0, 0] += 0.01
    assert len({hash_clips(clips), hash_clips([clips[0], changed]), hash_clips(clips[::-1])}) == 3
