"""Leaving the group of processes at the end of a program."""

import atexit

import torch


def leave_at_exit() -> None:
    """Leave the process group when the interpreter ends: threads of gloo that are still running then can end the
    process with an error, after everything is done."""
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
