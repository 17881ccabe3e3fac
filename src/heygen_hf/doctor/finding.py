"""One line of the doctor's report."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was looked at and how it is.

    Attributes:
        subject: what was looked at.
        state: `ok`; `note`, something works less well than it could; `broken`, something will fail.
        found: what is there.
        remedy: the command that puts it right, or what to do where no command does.
    """

    subject: str
    state: State
    found: str
    remedy: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """For JSON."""
        return asdict(self)
