"""Arguments of what a run says about itself."""

from dataclasses import dataclass


@dataclass
class MonitoringArguments:
    """What is logged, how often and where to. Mixed into `TrainingArguments`."""

    logging_steps: float = 50
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    report_to: str | list[str] | None = "none"
