"""A page served by a process of its own."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

HAS_GRADIO = importlib.util.find_spec("gradio") is not None


@contextmanager
def served(*command: str, **environment: str) -> Iterator[str]:
    """The address that a command says it serves at."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            for line in process.stdout:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    break
            else:
                errors.seek(0)
                raise AssertionError(errors.read()[-2000:])
            yield found[0]
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()
