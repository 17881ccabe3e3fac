import pytest
import torch

from heygen_hf.processing.derived_control import CONTROL_KINDS, derive_control


def square() -> torch.Tensor:
    """A bright red square on black, `(20, 3, 32, 48)`, that moves a pixel a frame."""
    frames = torch.zeros(20, 3, 32, 48, dtype=torch.uint8)
    for number in range(20):
        frames[number, 0, 8:24, 8 + number : 24 + number] = 200
    return frames


@pytest.mark.parametrize("kind", CONTROL_KINDS)
def test_each_frame_is_computed_alone_and_always_the_same(kind):
    frames = torch.randint(0, 256, (20, 3, 33, 48), dtype=torch.uint8)
    control = derive_control(frames, kind)
    assert control.dtype == torch.uint8
    assert control.shape == frames.shape
    assert torch.equal(control[18:19], derive_control(frames[18:19], kind))
    assert not torch.equal(control, frames)


def test_edges_are_bright_where_brightness_changes_and_nowhere_else():
    edges = derive_control(square(), "edges")[0]
    assert (edges[:, 12, 7:9] > 200).all()
    assert (edges[:, 12, 12:20] == 0).all()
    assert (edges[:, :6] == 0).all()
    assert torch.equal(edges[0], edges[2])


def test_grey_has_the_brightness_of_colours():
    grey = derive_control(square(), "grey")[0]
    assert (grey[:, 12, 12] == 200 * 77 // 256).all()


def test_what_is_masked_is_the_middle_alone():
    frames = torch.randint(0, 100, (2, 3, 32, 48), dtype=torch.uint8)
    masked = derive_control(frames, "masked")
    middle = torch.zeros(32, 48, dtype=torch.bool)
    middle[8:24, 12:36] = True
    assert (masked[..., middle] == 128).all()
    assert torch.equal(masked[..., ~middle], frames[..., ~middle])


def test_blur_and_low_resolution_have_fewer_details_and_the_same_mean():
    frames = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for kind in ("blur", "low_resolution"):
        shown = derive_control(frames, kind).float()
        assert shown.std() < frames.float().std() / 2
        assert (shown.mean() - frames.float().mean()).abs() < 2
    squares = derive_control(frames, "low_resolution")
    assert torch.equal(squares[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2), squares)


def test_what_it_cannot_be_made_of_is_refused():
    with pytest.raises(ValueError, match=r"there is no control 'depth'; expected one of edges, blur"):
        derive_control(square(), "depth")
    with pytest.raises(ValueError, match=r"uint8 frames \(frames, 3, height, width\), got torch.float32"):
        derive_control(square().float(), "edges")
