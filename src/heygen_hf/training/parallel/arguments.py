"""Arguments of several processes."""

from dataclasses import dataclass

from heygen_hf.training.parallel.launch import check_launch, forget_launcher_precision


@dataclass
class ParallelArguments:
    """How several processes share a run. Mixed into `TrainingArguments`.

    What the processes share is the launcher's to say (`recipes/accelerate/`): data alone (DDP), or weights too (FSDP2).
    """

    ddp_find_unused_parameters: bool | None = False

    def __post_init__(self) -> None:
        check_launch()
        forget_launcher_precision()
        super().__post_init__()  # type: ignore[misc]
