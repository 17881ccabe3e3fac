"""Neither room brings its heavy libraries along before they are used."""

import subprocess
import sys


def test_augmentation_and_text_import_nothing_heavy():
    code = (
        "import sys, heygen_hf.data.augmentation, heygen_hf.data.text\n"
        "heavy = {'kornia', 'datasets', 'transformers', 'tokenizers', 'pyarrow'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == []
