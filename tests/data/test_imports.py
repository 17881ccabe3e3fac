"""Importing the room is cheap: what is heavy is imported where it is used."""

import subprocess
import sys


def test_importing_the_data_room_imports_nothing_heavy():
    code = (
        "import sys, heygen_hf.data, heygen_hf.data.moving_digits\n"
        "heavy = {'av', 'sklearn', 'datasets', 'transformers', 'diffusers', 'pyarrow', 'torchvision'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == []
