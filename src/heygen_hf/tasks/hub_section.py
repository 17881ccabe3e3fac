"""The `hub` section of every recipe."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class HubSection:
    """What the model card says that no run can know."""

    license: str | None = None
    title: str | None = None
    data_description: str | None = None
    limits: str | None = None
