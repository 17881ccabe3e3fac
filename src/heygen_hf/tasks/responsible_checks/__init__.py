"""Is it fair, is it steady, does it copy? `heygen-hf evaluate --checks`; `document.py` says what is written."""

from heygen_hf.tasks.responsible_checks.document import CHECKS, CHECKS_FILE, Check, read_checks
from heygen_hf.tasks.responsible_checks.run_checks import run_checks

__all__ = ["CHECKS", "CHECKS_FILE", "Check", "read_checks", "run_checks"]
