"""Whether a run's export holds the averaged weights, as its newest checkpoint has them beside the raw ones."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from heygen_hf.hub.gate import Check
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training.checkpoints.files import newest_checkpoint
from heygen_hf.training.checkpoints.saving import EMA_FILE


def check_averaged_weights(folder: RunFolder) -> Check | None:
    """Compare the export with the newest whole checkpoint; None where there is nothing to compare with."""
    exported = _export_files(folder.path)
    newest, _ = newest_checkpoint(folder.checkpoints)
    if newest is None or not exported or not (newest / EMA_FILE).is_file():
        return None
    raw = sorted(path for path in newest.glob("model*.safetensors"))
    if not raw:
        return None
    try:
        problem = _problem(exported, newest, raw)
    except SafetensorError:
        return None  # a file that cannot be read is named by the checks of the weights
    return Check("averaged weights", problem)


def _problem(exported: list[Path], newest: Path, raw: list[Path]) -> str | None:
    with _Tensors(exported) as there, _Tensors([newest / EMA_FILE]) as average, _Tensors(raw) as own:
        pairs = [(key, match) for key in average.names() if (match := _same_name(key, there.names())) is not None]
        from_average = all(_equal(average[key], there[match]) for key, match in pairs)
        from_raw = all(_equal(own[key], there[match]) for key, match in pairs if key in own.names())
    if pairs and from_raw and not from_average:
        return (
            f"the export holds the raw weights of {newest.name}, not their average ({EMA_FILE} beside them), which "
            "the figures and the reference are of: export the run again"
        )
    return None


def _export_files(path: Path) -> list[Path]:
    where = path / "transformer" if (path / "transformer").is_dir() else path
    return sorted(file for file in where.glob("*.safetensors") if file.name != "reference.safetensors")


def _same_name(key: str, names: set[str]) -> str | None:
    """The trainer's model may hold the exported network as one of its parts."""
    while key not in names:
        _, dot, key = key.partition(".")
        if not dot:
            return None
    return key


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.to(other.dtype), other)


class _Tensors:
    """The tensors of several files by name, read one at a time."""

    def __init__(self, paths: list[Path]) -> None:
        self._files = [safe_open(path, framework="pt") for path in paths]
        self._where = {key: file for file in self._files for key in file.keys()}  # noqa: SIM118 (no mapping)

    def __enter__(self) -> "_Tensors":
        return self

    def __exit__(self, *_: Any) -> None:
        self._files.clear()
        self._where.clear()

    def names(self) -> set[str]:
        return set(self._where)

    def __getitem__(self, key: str) -> torch.Tensor:
        return self._where[key].get_tensor(key)
