"""The one result of every metric: a figure that can be told apart from one that was measured otherwise."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from heygen_hf.evaluation.measuring.versions import library_versions


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a figure came about. Two figures may be compared where all of this but the counts is the same.

    Attributes:
        convention: the definition, in words.
        features: of the network that saw the clips: name, hash of its weights, size of its features and its
            preprocessing (resize, interpolation, frames, stride, range of pixels); None for a figure of plain pixels.
        clips: frames, channels, height, width and frame rate of the generated clips (the rate None where unknown).
        reference_hash: of the reference clips' contents; None where they were not named.
        reference_cached: whether the references' statistics came from the cache.
        seed: of the resampling and of the halves of the noise floor.
        num_resamples, confidence: of the interval.
        options: whatever else the figure depends on.
        versions: of the libraries.
    """

    convention: str
    features: Mapping[str, Any] | None = None
    clips: Mapping[str, Any] = field(default_factory=dict)
    reference_hash: str | None = None
    reference_cached: bool = False
    seed: int | None = None
    num_resamples: int | None = None
    confidence: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=library_versions)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured figure. `float(measurement)` is its value.

    Attributes:
        name: of the metric, as in the registry.
        value: the figure.
        count: generated clips that it was measured on.
        reference_count: reference clips; None for a metric without references.
        higher_is_better: None where neither is.
        unit: "" for a bare number, "share" in [0, 1], "dB" …
        interval: in which the figure of another such sample would lie with the stated confidence; None where there is
            none. It shows the spread at this count, not the bias, which the noise floor shows.
        minimum_count: below which the metric means nothing.
        below_minimum: whether it was measured all the same, because the caller asked for it.
        noise_floor: the same metric between two parts of the references, of a distance one of them as large as what is
            measured (at most half): what no difference looks like.
        reference_value: of a metric that needs no references, its figure on them: what real clips get.
        provenance: where it comes from.
        note: anything a reader must know to read the figure.
        details: further figures, by name.
    """

    name: str
    value: float
    count: int
    provenance: Provenance
    reference_count: int | None = None
    higher_is_better: bool | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None
    minimum_count: int = 1
    below_minimum: bool = False
    noise_floor: float | None = None
    reference_value: float | None = None
    note: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; a number that is not finite becomes None."""
        return _finite(asdict(self))

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measurement":
        """Read what `to_dict` gave; a value that was not finite comes back as nan.

        Raises:
            ValueError: a key is missing or unknown.
        """
        known = {each.name for each in fields(cls)}
        wrong = sorted(set(values) - known) or sorted({"name", "value", "count", "provenance"} - set(values))
        if wrong:
            raise ValueError(f"{wrong[0]!r} does not fit a measurement, whose keys are {', '.join(sorted(known))}")
        plain = dict(values)
        plain["value"] = math.nan if plain["value"] is None else plain["value"]
        plain["interval"] = None if plain.get("interval") is None else tuple(plain["interval"])
        plain["provenance"] = Provenance(**plain["provenance"])
        return cls(**plain)

    def __str__(self) -> str:
        interval = f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]" if self.interval else ""
        floor = f", noise floor {self.noise_floor:.4g}" if self.noise_floor is not None else ""
        few = f", below the minimum of {self.minimum_count}" if self.below_minimum else ""
        unit = f" {self.unit}" if self.unit and self.unit != "share" else ""
        return f"{self.name} {self.value:.4g}{unit}{interval} ({self.count} clips{floor}{few})"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
