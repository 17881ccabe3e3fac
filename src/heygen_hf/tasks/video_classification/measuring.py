"""How often a trained classifier is right, on clips it has not seen."""

from collections.abc import Sequence

import torch
from transformers import EvalPrediction, PreTrainedModel

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation.attribute_accuracy import attribute_accuracy
from heygen_hf.hub import MetricResult, attribute_metrics
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.video_classification.labels import LabelNames

SEEN, UNSEEN = "seen", "unseen"


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    clips: VideoClipDataset,
    *,
    names: LabelNames,
    processor: VideoProcessor,
    batch_size: int,
) -> dict[str, list[str]]:
    """Label column → the class predicted for each clip."""
    predicted: dict[str, list[str]] = {column: [] for column in names.columns}
    for start in range(0, len(clips), batch_size):
        items = clips.__getitems__(range(start, min(start + batch_size, len(clips))))
        pixel_values = processor.normalize(torch.stack([item["frames"] for item in items]))
        logits = model(pixel_values=pixel_values.to(model.device, model.dtype)).logits
        for column, values in names.predictions(logits.float()).items():
            predicted[column] += values
    return predicted


def figures(
    predicted: dict[str, list[str]],
    clips: VideoClipDataset,
    *,
    seen: set[tuple[str, ...]],
    group_columns: Sequence[str],
) -> list[MetricResult]:
    """Accuracy of each label column, with its count, interval and worst class.

    Args:
        seen: combinations of `group_columns` that training clips show. Combinations that none shows are counted
            apart, where there are any.
    """
    references = {column: clips.labels[column] for column in predicted}
    combinations = list(zip(*(clips.labels[column] for column in group_columns), strict=True))
    groups = [SEEN if combination in seen else UNSEEN for combination in combinations]
    report = attribute_accuracy(predicted, references, groups if UNSEEN in groups else None)
    results = attribute_metrics(report, group_names={SEEN: "seen combinations", UNSEEN: "unseen combinations"})
    # of one column, all columns say the same again
    return [result for result in results if len(predicted) > 1 or result.name != "all columns correct"]


def column_accuracies(prediction: EvalPrediction, names: LabelNames) -> dict[str, float]:
    """For `Trainer`: the share of right answers in each label column, `accuracy` where there is one."""
    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    targets = torch.as_tensor(prediction.label_ids)
    if names.is_one_column:
        return {"accuracy": float((torch.as_tensor(logits).argmax(-1) == targets).float().mean())}
    seen, wanted = names.predictions(torch.as_tensor(logits)), names.predictions(targets)
    return {
        f"accuracy_{column}": sum(a == b for a, b in zip(seen[column], wanted[column], strict=True)) / len(targets)
        for column in names.columns
    }
