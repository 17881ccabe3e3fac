"""Adversarial losses for generator and discriminator, on logits of one scale or several."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import check_choice, check_same_shape
from heygen_hf.losses.loss import Loss, full_precision

AdversarialKind = Literal["hinge", "non_saturating", "least_squares", "relativistic"]
Logits = torch.Tensor | Sequence[torch.Tensor]


class AdversarialLoss(Loss):
    """The two sides of the game, averaged over patches, then over scales.

    | input | shape | values |
    |---|---|---|
    | `real_logits`, `fake_logits` | `(batch, ...)`, or a list of such, one a scale | any real, higher is more real |
    | returns | scalar | |

    | kind | discriminator | generator | from |
    |---|---|---|---|
    | `hinge` | `relu(1 - real) + relu(1 + fake)` | `-fake` | Lim & Ye 2017, arXiv:1705.02894 |
    | `non_saturating` | `softplus(-real) + softplus(fake)` | `softplus(-fake)` | Goodfellow et al. 2014, arXiv:1406.2661 |
    | `least_squares` | `((real - 1)^2 + fake^2) / 2` | `(fake - 1)^2 / 2` | Mao et al. 2016, arXiv:1611.04076 |
    | `relativistic` | `softplus(fake - real)` | `softplus(real - fake)` | Jolicoeur-Martineau 2018, arXiv:1807.00734 |

    `relativistic` compares each fake with the real beside it, so that its generator side needs `real_logits` too.
    Detach the generated clip on the discriminator's side.

    Args:
        kind: one of the four.

    Example:
        >>> loss = AdversarialLoss(kind="hinge")
        >>> loss.discriminator(discriminator(real).scale_logits, discriminator(fake.detach()).scale_logits).backward()
        >>> loss.generator(discriminator(fake).scale_logits).backward()
    """  # noqa: E501 - a table's row is one line

    summary = "a generator against a discriminator"
    citation = "Goodfellow et al. 2014, arXiv:1406.2661"

    def __init__(self, *, kind: AdversarialKind = "hinge") -> None:
        super().__init__()
        check_choice("kind", kind, get_args(AdversarialKind))
        self.kind = kind

    def options(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def forward(self, fake_logits: Logits, real_logits: Logits | None = None) -> torch.Tensor:
        """The generator's side."""
        return self.generator(fake_logits, real_logits)

    def generator(self, fake_logits: Logits, real_logits: Logits | None = None) -> torch.Tensor:
        """What the generator lowers; `real_logits` for `relativistic` only, ignored elsewhere."""
        if self.kind != "relativistic":
            return _mean_over_scales(GENERATOR[self.kind], fake_logits)
        if real_logits is None:
            raise ValueError("kind='relativistic' compares fake with real: give real_logits to the generator's side.")
        return _mean_over_scales(lambda fake, real: F.softplus(real - fake), fake_logits, real_logits)

    def discriminator(self, real_logits: Logits, fake_logits: Logits) -> torch.Tensor:
        """What the discriminator lowers."""
        return _mean_over_scales(DISCRIMINATOR[self.kind], real_logits, fake_logits)


GENERATOR: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "hinge": lambda fake: -fake,
    "non_saturating": lambda fake: F.softplus(-fake),
    "least_squares": lambda fake: (fake - 1).square() / 2,
}
DISCRIMINATOR: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "hinge": lambda real, fake: F.relu(1 - real) + F.relu(1 + fake),
    "non_saturating": lambda real, fake: F.softplus(-real) + F.softplus(fake),
    "least_squares": lambda real, fake: ((real - 1).square() + fake.square()) / 2,
    "relativistic": lambda real, fake: F.softplus(fake - real),
}


def _mean_over_scales(value: Callable[..., torch.Tensor], *sides: Logits) -> torch.Tensor:
    scales = [[side] if isinstance(side, torch.Tensor) else list(side) for side in sides]
    if not scales[0] or any(len(side) != len(scales[0]) for side in scales):
        raise ValueError(
            f"logits of {' and '.join(str(len(side)) for side in scales)} scales: expected as many of each."
        )
    losses = []
    for logits in zip(*scales, strict=True):
        for other in logits[1:]:
            check_same_shape("one side's logits", logits[0], "the other's", other)
        losses.append(value(*map(full_precision, logits)).mean())
    return torch.stack(losses).mean()


def output_logits(output: Any) -> Logits:
    """The logits in what a discriminator returned: those of every scale, its `logits`, or the output itself."""
    for name in ("scale_logits", "logits"):
        if getattr(output, name, None) is not None:
            return getattr(output, name)
    return output
