"""Weights on disk against their index, their configuration and the network they are for."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.repo_folder.exported import read_json_file

_REFERENCE = "reference.safetensors"
_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def check_weights(folder: Path, *, name: str, model_class: Any, dtype: str | None) -> list[Check]:
    """All that can be wrong with a component's weights.

    Args:
        folder: of the component.
        name: for the checks' names.
        model_class: of the network, with `from_pretrained`; None where it needs something beside this folder.
        dtype: that of its numbers; by default the one in its configuration.
    """
    shards = Check(f"{name}: shards", _shard_problem(folder))
    if shards.problem:
        return [shards]
    config = read_json_file(folder / "config.json") if (folder / "config.json").is_file() else {}
    expected = config.get("dtype") or config.get("torch_dtype") or dtype
    kept = tuple(getattr(model_class, "_keep_in_fp32_modules", None) or ())
    checks = [shards, Check(f"{name}: dtype", _dtype_problem(folder, expected, kept_in_float32=kept))]
    if model_class is not None:
        checks.append(Check(f"{name}: missing and unexpected weights", _loading_problem(folder, model_class)))
    return checks


def tensor_types(folder: Path) -> dict[str, str]:
    """Name -> safetensors' type, of every tensor of a folder's weights."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if path.name != _REFERENCE:
            with safe_open(path, framework="pt") as file:
                found |= {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118 (no mapping)
    return found


def _shard_problem(folder: Path) -> str | None:
    files = [path for path in folder.glob("*.safetensors") if path.name != _REFERENCE]
    indices = list(folder.glob("*.safetensors.index.json"))
    try:
        if not files:
            return "there are no weights (no .safetensors file)"
        for index in indices:
            weight_map: dict[str, str] = read_json_file(index)["weight_map"]
            missing = sorted({shard for shard in weight_map.values() if not (folder / shard).is_file()})
            if missing:
                return f"{index.name} names {missing[0]}, which is not there"
            for shard in sorted(set(weight_map.values())):
                with safe_open(folder / shard, framework="pt") as file:
                    held = set(file.keys())
                gone = sorted({key for key, where in weight_map.items() if where == shard} - held)
                if gone:
                    return f"{index.name} has {gone[0]} in {shard}, which does not hold it"
        if not indices and len(files) > 1:
            return f"{len(files)} files of weights and no index; a loader would read one of them"
        tensor_types(folder)
    except SafetensorError as error:
        return f"a file of weights cannot be read ({error})"
    except (KeyError, AttributeError):
        return "the index of the shards has no weight_map"
    return None


def _dtype_problem(folder: Path, expected: str | None, *, kept_in_float32: tuple[str, ...] = ()) -> str | None:
    """Some classes keep layers of these names in float32 whatever the others are."""
    types = {key: _NAMES[kind] for key, kind in tensor_types(folder).items() if kind in _NAMES}
    if expected is None:
        expected = next(iter(types.values()), None)
    wrong = sorted(
        key
        for key, kind in types.items()
        if kind != expected and not (kind == "float32" and any(name in key for name in kept_in_float32))
    )
    if wrong:
        return f"{wrong[0]} is {types[wrong[0]]} ({len(wrong)} in all), the model's numbers are {expected}"
    return None


def _loading_problem(folder: Path, model_class: Any) -> str | None:
    from heygen_hf.hub.gate.loading_program import loading_problem

    try:
        _, info = model_class.from_pretrained(str(folder), output_loading_info=True)
    except (ValueError, OSError, RuntimeError, json.JSONDecodeError) as error:
        return f"it does not load: {' '.join(str(error).split())[:300]}"
    return loading_problem(info)
