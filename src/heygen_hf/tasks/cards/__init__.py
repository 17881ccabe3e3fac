"""A run's card written again from its folder, and copied to where it is shown."""

from heygen_hf.tasks.cards.copying import check_copy_target, copy_card
from heygen_hf.tasks.cards.refreshing import refresh_card
from heygen_hf.tasks.cards.rewriting import rewrite_card

__all__ = ["check_copy_target", "copy_card", "refresh_card", "rewrite_card"]
