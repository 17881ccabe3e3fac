"""A run on one page: curves, samples, figures, data, recipe and environment, in one file that needs no other."""

from heygen_hf.tasks.run_report.report import write_report

__all__ = ["write_report"]
