"""Figures by group: which group is worst off, and whether that is more than chance."""

from heygen_hf.evaluation.groups.group_gaps import GroupComparison, GroupFigure, compare_groups, holm

__all__ = ["GroupComparison", "GroupFigure", "compare_groups", "holm"]
