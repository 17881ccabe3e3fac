"""One batch, over and over: what learns anything at all learns that by heart."""

from typing import Any

from torch import nn
from torch.utils.data import DataLoader, Dataset

from heygen_hf.data.loading import take_problems


class RepeatedBatch(Dataset):
    """A batch as a data set of itself.

    Args:
        batch: as a collator makes it.
        times: how often it is drawn in an epoch.
    """

    def __init__(self, batch: dict[str, Any], *, times: int = 100) -> None:
        take_problems(batch)
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        return self.times

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index >= self.times:
            raise IndexError(index)
        return dict(self.batch)

    def loader(self) -> DataLoader:
        """Hands out the batch as it is."""
        return DataLoader(self, batch_size=None)


def without_dropout(model: nn.Module) -> None:
    """Switch the dropout layers off for good: by heart means the same again every step."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
