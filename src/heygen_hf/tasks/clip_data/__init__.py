"""Clips for a task: the recipe's sections, and what becomes of the files they name."""

from heygen_hf.tasks.clip_data.prepare import PreparedData, check_labels, default_cache_dir, prepare_data
from heygen_hf.tasks.clip_data.section import DataSection, ProcessorSection

__all__ = ["DataSection", "PreparedData", "ProcessorSection", "check_labels", "default_cache_dir", "prepare_data"]
