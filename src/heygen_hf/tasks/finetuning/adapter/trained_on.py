"""Which base an adapter says it was trained on; onto another one it would load without a word."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError, safe_open

from heygen_hf.tasks.finetuning.base.identity import fingerprint_transformer
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline

WEIGHTS = "pytorch_lora_weights.safetensors"


def read_header(path: str | Path) -> dict[str, str]:
    """What a safetensors file says beside its tensors."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def check_trained_on(adapter: str, base: BasePipeline, *, key: str) -> None:
    """Refuse an adapter whose header names another base; one of others, without such a header, passes.

    Args:
        adapter: a folder or a Hub name; of one that is not here yet nothing is known.
        key: of the recipe, that names it.

    Raises:
        ValueError: it was trained on other weights.
    """
    path = _weights_of(adapter)
    if path is None:
        return
    try:
        header = read_header(path)
    except (OSError, SafetensorError):  # refused where it is loaded
        return
    trained_on = header.get("base_fingerprint")
    if trained_on is not None and trained_on != fingerprint_transformer(base.folder):
        raise ValueError(
            f"{key}: {adapter} was trained on {header.get('base_model', 'another base')}, and the transformer of "
            f"model.pretrained={base.name} has other weights: fine-tune that base, or leave the adapter out"
        )


def _weights_of(adapter: str) -> Path | None:
    path = Path(adapter)
    path = path / WEIGHTS if path.is_dir() else path
    if path.is_file():
        return path
    try:
        fetched = try_to_load_from_cache(adapter, WEIGHTS)
    except HFValidationError:
        return None
    return Path(fetched) if isinstance(fetched, str) else None
