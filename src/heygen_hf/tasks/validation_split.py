"""What training does where the data have no validation split."""

from transformers.trainer_utils import IntervalStrategy

from heygen_hf.training import BaseTrainingArguments


def train_without_validation(arguments: BaseTrainingArguments) -> None:
    """Have nothing evaluated while the run trains, which is said aloud where it was asked for.

    Raises:
        ValueError: the best checkpoint is to be exported, which evaluations decide.
    """
    if arguments.load_best_model_at_end:
        raise ValueError(
            "training.load_best_model_at_end=true needs a validation split, and the data have none: set "
            "data.validation, or drop it."
        )
    if arguments.eval_strategy != IntervalStrategy.NO and arguments.should_save:
        print("no validation split: nothing is evaluated while the run trains; data.validation gives it one")
    arguments.eval_strategy = IntervalStrategy.NO
    arguments.eval_on_start = False
