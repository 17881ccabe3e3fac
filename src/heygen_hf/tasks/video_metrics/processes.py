"""Several processes that measure together, as `accelerate launch` and `torchrun` start them."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from typing import TypeVar

from heygen_hf.evaluation.registry.gathering import all_agree, process_share
from heygen_hf.training.parallel.launch import check_launch, num_processes

_PATIENCE = timedelta(hours=24)  # for the one that loads, decodes or makes videos the longest
_OTHER_FAILED = "another process could not do its part; its own message says why"

_Found = TypeVar("_Found")


@contextmanager
def joined_processes(device: str | None) -> Iterator[None]:
    """Join what a launcher started; all but the first say nothing on stdout.

    Args:
        device: as the user names it; "cpu" keeps processes from a GPU that is there.

    Raises:
        ValueError: the launcher's configuration cannot be.
    """
    state, joined = None, False
    if num_processes() > 1:
        import torch
        from accelerate import PartialState

        check_launch()
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        on_cpu = device == "cpu" or accelerator is None or accelerator.type == "mps"
        joined = not torch.distributed.is_initialized()
        state = PartialState(cpu=on_cpu, timeout=_PATIENCE)
    try:
        if process_share()[0] == 0:
            yield
        else:
            with redirect_stdout(io.StringIO()):
                yield
    finally:
        if state is not None and joined:
            state.destroy_process_group()
            state._reset_state()


def is_first_process() -> bool:
    """The one that prints and writes."""
    return process_share()[0] == 0


def together(work: Callable[[], _Found]) -> _Found:
    """What `work` gives, when all processes have done theirs.

    Raises:
        ValueError: another one failed.
    """
    return _in_turns(work, turns=[True])


def first_process_first(work: Callable[[], _Found]) -> _Found:
    """The same, the first process alone to begin with: what it downloads, decodes and caches, the others find there."""
    return _in_turns(work, turns=[is_first_process(), not is_first_process()])


def first_process_only(work: Callable[[], object]) -> None:
    """Have the first process do something, and the others wait until it is done."""
    together(lambda: work() if is_first_process() else None)


def _in_turns(work: Callable[[], _Found], *, turns: Sequence[bool]) -> _Found:
    """No process goes on, or waits for ever, where another one failed."""
    found: list[_Found] = []
    for is_our_turn in turns:
        problem: Exception | None = None
        try:
            if is_our_turn:
                found.append(work())
        except Exception as error:
            problem = error
        if not all_agree([problem is None])[0]:
            raise problem or ValueError(_OTHER_FAILED)
    return found[0]
