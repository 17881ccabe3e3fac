"""The global random state, to go back to."""

import random
from collections.abc import Callable

import numpy as np
import torch


def random_state() -> Callable[[], None]:
    """Remember the state of Python's, NumPy's and torch's global generators; calling what it returns goes back."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)

    return restore
