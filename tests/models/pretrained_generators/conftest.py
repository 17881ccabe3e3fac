"""What a pipeline gives its transformer, and what training gives it, side by side."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `from sampling import ...`
pytest.register_assert_rewrite("sampling")
