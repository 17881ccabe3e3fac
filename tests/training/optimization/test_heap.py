"""Memory that is freed and asked for again is not handed out anew by the system."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from heygen_hf.training.optimization.heap import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
before = faults()
told = keep_freed_memory()
faults()
print(told, before, faults())
"""


def run(**environment: str) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_blocks_that_come_back_every_step_cause_no_page_faults() -> None:
    told, before, after = run()
    if told == "False":
        pytest.skip("this C library has no mallopt")
    assert int(after) < int(before) / 10


def test_a_user_who_set_up_the_allocator_is_left_alone() -> None:
    assert run(MALLOC_TRIM_THRESHOLD_="200000")[0] == "False"
