"""What became of every row of a data set, to print and to keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def name_some(names: Sequence[str], *, limit: int = 5) -> str:
    """The first few names and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


@dataclass
class DataReport:
    """The account that `prepare_clips` gives: used + set apart + skipped = rows.

    Attributes:
        num_rows: rows of the data set.
        num_used: rows that are trained on.
        num_set_apart: rows kept for validation.
        num_padded: clips among them with fewer frames than wanted, filled up by the pad policy.
        num_stored: clips among them held decoded in the frame store.
        num_decoded_each_time: clips among them too long to be held, decoded whenever they are drawn.
        num_per_bucket: size → clips among them, where there are several sizes.
        skipped: `(file_name, reason)` of every row that is not used.
        warnings: anything else worth a sentence.
        store_path: folder of the frame store.
        store_was_reused: nothing had to be decoded.
        seconds: how long the preparation took.
    """

    num_rows: int
    num_used: int = 0
    num_set_apart: int = 0
    num_padded: int = 0
    num_stored: int = 0
    num_decoded_each_time: int = 0
    num_per_bucket: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    store_path: str | None = None
    store_was_reused: bool = False
    seconds: float = 0.0

    @property
    def bad_share(self) -> float:
        """Share of the rows that cannot be used."""
        return len(self.skipped) / max(1, self.num_rows)

    def summary(self) -> str:
        """A few lines to print: totals first, then every skipped file with its reason."""
        lines = [
            f"{self.num_used} of {self.num_rows} clips are used "
            + (f"and {self.num_set_apart} set apart for validation " if self.num_set_apart else "")
            + f"({'store reused' if self.store_was_reused else 'decoded'} in {self.seconds:.1f} s)"
        ]
        if self.num_padded:
            lines.append(f"  {self.num_padded} of them are too short and filled up by the pad policy")
        if self.num_decoded_each_time:
            lines.append(f"  {self.num_decoded_each_time} of them are long and decoded whenever they are drawn")
        if self.num_per_bucket:
            lines.append("  by size: " + ", ".join(f"{name} {n}" for name, n in sorted(self.num_per_bucket.items())))
        lines += [f"  note: {warning}" for warning in self.warnings]
        if self.skipped:
            lines.append(f"  {len(self.skipped)} are skipped:")
            lines += [f"    {file_name!r}: {reason}" for file_name, reason in self.skipped]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "num_rows": self.num_rows,
            "num_used": self.num_used,
            "num_set_apart": self.num_set_apart,
            "num_padded": self.num_padded,
            "num_stored": self.num_stored,
            "num_decoded_each_time": self.num_decoded_each_time,
            "num_per_bucket": dict(self.num_per_bucket),
            "skipped": [{"file_name": file_name, "reason": reason} for file_name, reason in self.skipped],
            "warnings": list(self.warnings),
            "store_path": self.store_path,
            "store_was_reused": self.store_was_reused,
            "seconds": round(self.seconds, 3),
        }
