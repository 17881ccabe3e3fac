"""Noise drawn ahead is the noise that would be drawn when asked for."""

import gc
import threading

import pytest
import torch

from heygen_hf.training.noise.drawing_ahead import DrawAhead
from heygen_hf.training.noise.randomness import generator_for


def draw(step: int, size: int = 4) -> torch.Tensor:
    if step < 0:
        raise ValueError("no such step")
    return torch.randn(size, generator=generator_for(step))


def test_right_and_wrong_guesses_give_what_a_plain_call_gives() -> None:
    ahead = DrawAhead(draw)
    asked = [
        ({"step": 0}, {"step": 1}),
        ({"step": 1}, {"step": 2}),
        ({"step": 5, "size": 3}, {"step": 6}),
        ({"step": 2}, None),
    ]
    for arguments, then in asked:
        assert torch.equal(ahead(arguments, then=then), draw(**arguments))


def test_the_next_draw_is_made_before_it_is_asked_for() -> None:
    drawn, done = [], threading.Event()

    def note(step: int) -> int:
        drawn.append((step, threading.current_thread() is threading.main_thread()))
        if step == 1:
            done.set()
        return step

    ahead = DrawAhead(note)
    ahead({"step": 0}, then={"step": 1})
    assert done.wait(10)
    assert ahead({"step": 1}) == 1
    assert drawn == [(0, True), (1, False)]


def test_a_failure_is_raised_where_the_draw_is_asked_for() -> None:
    ahead = DrawAhead(draw)
    ahead({"step": 0}, then={"step": -1})
    with pytest.raises(ValueError, match="no such step"):
        ahead({"step": -1})


def test_the_thread_ends_with_its_owner() -> None:
    others = set(threading.enumerate())
    ahead = DrawAhead(draw)
    ahead({"step": 0}, then={"step": 1})
    (thread,) = set(threading.enumerate()) - others
    del ahead
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
