"""What reads a model's inputs against the model: sizes of videos, words of a tokenizer."""

from pathlib import Path
from typing import Any

from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.repo_folder import Exported
from heygen_hf.hub.repo_folder.exported import read_json_file


def check_inputs(exported: Exported) -> list[Check]:
    """Processor and tokenizer, where there are any."""
    checks = []
    if exported.kind == "pipeline":
        network = read_json_file(exported.path / "transformer" / "config.json")
        if "processor" in exported.components:
            values = read_json_file(exported.path / "processor" / "preprocessor_config.json")
            checks.append(Check("processor: size", _size_problem(values, network)))
        if "tokenizer" in exported.components:
            reader = network
            if "text_encoder" in exported.components:
                reader = read_json_file(exported.path / "text_encoder" / "config.json")
            checks.append(Check("tokenizer", _tokenizer_problem(exported.path / "tokenizer", reader)))
    elif (exported.path / "tokenizer.json").is_file() and exported.kind == "model":
        checks.append(Check("tokenizer", _tokenizer_problem(exported.path, exported.config)))
    return checks


def _size_problem(processor: dict[str, Any], network: dict[str, Any]) -> str | None:
    """Both in pixels."""
    for name in ("height", "width", "num_frames"):
        trained = network.get(f"sample_{name.removeprefix('num_')}")
        given = processor.get(name)
        if trained is not None and given is not None and given != trained:
            return f"{name} is {given}, the network was trained for {trained}: the processor is another run's"
    return None


def _tokenizer_problem(folder: Path, network: dict[str, Any]) -> str | None:
    parts = [network, *(part for part in network.values() if isinstance(part, dict))]
    sizes = {part["vocab_size"] for part in parts if part.get("vocab_size")}
    if not sizes or not (folder / "tokenizer.json").is_file():
        return None
    from tokenizers import Tokenizer

    try:
        held = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    except Exception as error:  # tokenizers raises Exception itself
        return f"tokenizer.json cannot be read ({' '.join(str(error).split())[:200]})"
    is_own = any(str(part.get("model_type", "")).startswith("heygen_") for part in parts)
    # Networks of this package are built for their tokenizer; others round their size up.
    if held not in sizes and (is_own or held > max(sizes)):
        return (
            f"it has {held} words, the network was trained with {max(sizes)}: it is another run's or was changed since"
        )
    return None
