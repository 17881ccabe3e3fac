"""A metric of too few clips is refused: its figure would be read as if it meant something."""


class TooFewClipsError(ValueError):
    """Fewer clips than a metric needs."""


def check_minimum_count(
    name: str, counts: dict[str, int], *, minimum: int, allow_too_few: bool, at_least: int = 1, unit: str = "clips"
) -> bool:
    """Whether a count is below the minimum, which is an error unless it is allowed.

    Args:
        name: of the metric.
        counts: how many of each kind there are, such as `{"generated": 100, "reference": 2048}`.
        minimum: what it takes for the figure to mean something.
        allow_too_few: go on below the minimum.
        at_least: what it takes to compute anything at all; never allowed below.

    Raises:
        TooFewClipsError: there are too few.

    Example:
        >>> check_minimum_count("fvd", {"generated": 300}, minimum=256, allow_too_few=False)
        False
    """
    for kind, count in counts.items():
        if count < at_least:
            raise TooFewClipsError(
                f"{name}: {count} {kind} {unit}, and it cannot be computed of fewer than {at_least}; give more"
            )
        if count < minimum and not allow_too_few:
            raise TooFewClipsError(
                f"{name}: {count} {kind} {unit}, and below {minimum} it means nothing; give more, or set allow_too_few "
                "to measure it all the same, which the result will say"
            )
    return any(count < minimum for count in counts.values())
