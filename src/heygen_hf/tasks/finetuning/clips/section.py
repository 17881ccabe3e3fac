"""The `data` section of fine-tuning recipes: clips as everywhere, and what keeps the base from forgetting."""

from dataclasses import dataclass
from typing import Literal

from heygen_hf.processing.derived_control import CONTROL_KINDS
from heygen_hf.tasks.clip_data import DataSection


@dataclass(kw_only=True)
class PriorSection:
    """Prior preservation (DreamBooth, Ruiz et al. 2022, arXiv:2208.12242): what is to stay as it is.

    Args:
        train: clips of what the base makes already, as `data.train`; `heygen-hf generate` makes some. They are trained
            on beside the own ones.
        prompts: instead of `train`: the own clips, shown with these captions in turn. With target "base".
        share: of the training samples.
        weight: of their loss, against 1 of the own clips' (the loss of a batch is the mean over its samples).
        target: "clips": they are learned. "base": the loss is the distance to what the base predicts of the same noisy
            clip, with the adapter that learns switched off.
    """

    train: str | list[str] | None = None
    prompts: list[str] | None = None
    share: float = 0.5
    weight: float = 1.0
    target: Literal["clips", "base"] = "clips"

    def __post_init__(self) -> None:
        _check_share(self.share)
        if self.weight <= 0:
            raise ValueError(f"weight must be above 0, got {self.weight}")
        if (self.train is None) == (not self.prompts):
            raise ValueError("give clips in train, or captions for the own clips in prompts: one of the two")
        if self.prompts and self.target == "clips":
            raise ValueError(
                'prompts shows the own clips with other captions, which would learn them twice: set target: "base"'
            )


@dataclass(kw_only=True)
class ReplaySection:
    """An earlier training set, some of which is shown again so that it is not forgotten.

    Args:
        train: its clips, as `data.train`.
        share: of the training samples.
    """

    train: str | list[str]
    share: float = 0.2

    def __post_init__(self) -> None:
        _check_share(self.share)


@dataclass(kw_only=True)
class FinetuningDataSection(DataSection):
    """[`DataSection`] with clips of other sources beside the own ones; the log has `loss_own`, `loss_prior` and
    `loss_replay`.

    Args:
        prior: what the base makes already, and is to go on making.
        replay: what an earlier fine-tuning learned.
        control: for a family that generates beside a clip that controls: "edges", "blur", "grey", "low_resolution" or
            "masked" (see `derive_control`), made of each clip itself.
        control_column: or a column of the metadata with the file of the clip that controls each, relative to the
            folder as `file_name` is; with as many frames. Of frames and crop it shows the same as the clip.
    """

    prior: PriorSection | None = None
    replay: ReplaySection | None = None
    control: Literal["edges", "blur", "grey", "low_resolution", "masked"] | None = None
    control_column: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shares = [section.share for section in (self.prior, self.replay) if section is not None]
        if sum(shares) >= 1:
            raise ValueError(f"the shares of prior and replay sum to {sum(shares):g}, which leaves nothing of train")
        if shares and self.streaming:
            raise ValueError(
                "streaming reads clips in the order in which they lie, and prior and replay mix others in: drop one"
            )
        if self.control is not None and self.control not in CONTROL_KINDS:
            raise ValueError(f"control must be one of {', '.join(CONTROL_KINDS)}, got {self.control!r}")
        if self.control is not None and self.control_column is not None:
            raise ValueError("control and control_column are both set: clips that control are made, or given; keep one")
        others = [section for section in (self.prior, self.replay) if section is not None and section.train is not None]
        if self.control_column is not None and others:
            raise ValueError(
                "control_column names files beside the clips of train alone, and prior.train and replay.train have "
                "none: use control, which is made of any clip"
            )


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
