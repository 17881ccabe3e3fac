"""Searching hyper-parameters and architectures; `story.py` reads from top to bottom."""

from heygen_hf.tasks.search.story import search_recipe

__all__ = ["search_recipe"]
