"""`import heygen_hf.evaluation` costs what torch costs: the rest comes when something is measured."""

import subprocess
import sys

HEAVY = ("evaluate", "datasets", "transformers", "sklearn", "scipy", "av", "pyarrow", "accelerate", "matplotlib")


def test_heavy_libraries_are_not_imported() -> None:
    code = f"import sys, heygen_hf.evaluation; print([name for name in {HEAVY!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
