"""Tokenised texts, seen a little differently in each epoch: a part of a text, with some of its tokens left out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SHORTEST_VIEW = 8  # tokens: fewer seldom say what the text is about


class TextViews:
    """A data set of `{"input_ids", "label"}`; what is seen of a text is a function of (seed, epoch, index).

    Args:
        bodies: token numbers of each text, without what the tokenizer puts around it.
        labels: class numbers.
        before, after: what it puts around a text.
        max_length: the most tokens of an item; of a longer text, a part that begins anywhere.
        crop_share: how often a text that would fit is cut to a part of it, at least half, in [0, 1].
        token_dropout: the mean share of tokens left out, in [0, 0.5]; each view draws its own share up to twice that.
        seed: of the draws.
    """

    def __init__(
        self,
        bodies: Sequence[Sequence[int]],
        labels: Sequence[int],
        *,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        max_length: int,
        crop_share: float = 0.0,
        token_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        if max_length <= len(before) + len(after):
            raise ValueError(
                f"max_length is {max_length} and {len(before) + len(after)} tokens go around every text; expected more"
            )
        self.bodies, self.labels = bodies, labels
        self.before, self.after = list(before), list(after)
        self.room = max_length - len(before) - len(after)
        self.crop_share, self.token_dropout, self.seed = crop_share, token_dropout, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.bodies)

    def __getitem__(self, index: int) -> dict[str, Any]:
        draw = np.random.default_rng([self.seed, self.epoch, index])
        body = list(self.bodies[index])
        length = len(body)
        if length > SHORTEST_VIEW and draw.random() < self.crop_share:
            length = int(draw.integers(max(SHORTEST_VIEW, length // 2), length + 1))
        length = min(length, self.room)
        start = int(draw.integers(len(body) - length + 1))
        body = body[start : start + length]
        if self.token_dropout and body:
            kept = draw.random(len(body)) >= draw.uniform(0, 2 * self.token_dropout)
            kept[draw.integers(len(body))] = True  # something is always left
            body = [token for token, stays in zip(body, kept, strict=True) if stays]
        return {"input_ids": [*self.before, *body, *self.after], "label": self.labels[index]}
