import pytest
import torch

from heygen_hf.evaluation.clip_figures import block_flow, dynamic_degree_of_clips, flow_magnitude


def box_clip(step, *, frames=8, edge=32):
    """A textured box that moves right by `step` pixels a frame."""
    box = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0))
    clip = torch.zeros(frames, 3, edge, edge)
    for frame in range(frames):
        left = 2 + frame * step
        clip[frame, :, 10:19, left : left + 9] = box
    return clip


def test_flow_finds_the_shift():
    clip = box_clip(2)
    flow = block_flow(clip[:1], clip[1:2], radius=3)
    assert flow.shape == (1, 2, 32, 32)
    assert flow[0, :, 14, 6].tolist() == [2.0, 0.0]
    assert flow[0, :, 2, 28].tolist() == [0.0, 0.0]  # flat: it stands still
    transposed = block_flow(clip[:1].mT, clip[1:2].mT, radius=3)
    assert transposed[0, :, 6, 14].tolist() == [0.0, 2.0]


def test_a_clip_is_dynamic_where_something_moves_and_not_where_nothing_does():
    clips = torch.stack([box_clip(2), box_clip(0)])
    assert dynamic_degree_of_clips(clips).tolist() == [1.0, 0.0]
    speed = flow_magnitude(clips)
    assert speed.shape == (2, 7)
    assert float(speed[0].mean()) == pytest.approx(2 / 32, rel=0.2)
    assert float(speed[1].max()) == 0.0


def test_few_moving_frames_do_not_make_a_clip_dynamic():
    jump = box_clip(0, frames=16)
    jump[8:] = box_clip(2, frames=2)[1]  # one step in 15: VBench wants a quarter of the frames
    assert dynamic_degree_of_clips(jump[None]).tolist() == [0.0]


def test_the_rate_says_how_far_frames_are_apart():
    slow = box_clip(1, frames=12)
    assert dynamic_degree_of_clips(slow[None]).tolist() == [1.0]  # 1 pixel of 32 is more than 6 of 256
    assert dynamic_degree_of_clips(slow[None], frame_rate=8.0).tolist() == [1.0]
    assert dynamic_degree_of_clips(slow[None], frame_rate=4.0).tolist() == [0.0]  # twice as far between frames allowed
    with pytest.raises(ValueError, match="leaves one"):
        dynamic_degree_of_clips(slow[None, :2], frame_rate=240.0)


def test_another_flow_estimator_is_asked():
    def fast(before, after):
        return torch.full((len(before), 2, *before.shape[-2:]), 5.0)

    assert dynamic_degree_of_clips(box_clip(0)[None], estimate_flow=fast).tolist() == [1.0]
