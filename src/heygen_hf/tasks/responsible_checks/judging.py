"""Do videos show the labels that were asked for? One answer a video."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from heygen_hf.data.cache import hash_weights
from heygen_hf.evaluation import AttributeJudges
from heygen_hf.evaluation.clip_stream import read_batches
from heygen_hf.evaluation.clip_stream.batches import Clips
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import prepare_data
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.evaluation import JUDGES_INDEX, run_judges

ALL_LABELS = "all labels"
_BATCH = 64


@dataclass(frozen=True)
class Judging:
    """A run's judges.

    Attributes:
        judges: one for each label column.
    """

    judges: AttributeJudges

    def hits(self, clips: Clips, labels: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
        """Column → 1 where a video shows what was asked for, else 0; and of all columns together, if several."""
        seen: dict[str, list[str]] = {column: [] for column in self.judges.columns}
        for batch in read_batches(clips, batch_size=_BATCH):
            for column, values in self.judges.predict(batch.clips * 2 - 1).items():
                seen[column] += values
        found = {
            column: np.array([str(a) == str(b) for a, b in zip(seen[column], labels[column], strict=True)], float)
            for column in self.judges.columns
            if column in labels
        }
        if len(found) > 1:
            found[ALL_LABELS] = np.min(list(found.values()), axis=0)
        return found

    def describe(self) -> dict[str, Any]:
        """All that the answers depend on, as JSON."""
        hashes = {column: hash_weights(judge).hex() for column, judge in self.judges.judges.items()}
        return {
            "name": "judges of " + ", ".join(self.judges.columns),
            "network": type(next(iter(self.judges.judges.values()))).__name__,
            "weights_hash": hashes,
            "preprocessing": {"max_frames": self.judges.max_frames, "max_edge": self.judges.max_edge},
        }


@torch.no_grad()
def judging_of(folder: RunFolder, recipe: Recipe | None, *, processor: VideoProcessor) -> Judging | None:
    """The run's judges, trained on its real clips the first time; None of a recipe without label columns."""
    if recipe is None or not recipe.data.label_columns:
        return None
    if (folder.judges / JUDGES_INDEX).is_file():
        return Judging(AttributeJudges.from_pretrained(folder.judges))
    data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=True)
    with torch.enable_grad():
        return Judging(run_judges(folder, recipe, data=data, processor=processor))
