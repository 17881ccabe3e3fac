"""The Python files of a repository, and where its configurations point to them.

transformers reads `auto_map` and looks for code at the repository's root. diffusers wants `pipeline.py` there and,
beside each component with code of its own, a file that has its class. It copies `pipeline.py` and what that imports,
and no more, into one folder for all repositories: hence few files, with a hash of their content in their names.
"""

import json
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING
from transformers.models import auto as auto_classes

import heygen_hf.models as families
from heygen_hf.hub.flat_code import Bundle, make_bundle
from heygen_hf.hub.repo_folder.exported import Exported, read_json_file
from heygen_hf.pipelines.published import write_pipeline_code

_PACKAGE = "heygen_hf"
_PIPELINE = ("heygen_hf.pipelines.video_generation", "VideoGenerationPipeline")


def write_code_files(exported: Exported, target: Path) -> list[str]:
    """Write the code that loading needs where the package is not installed.

    Returns:
        The names of the files written or changed; none where the model is of other libraries alone.
    """
    if exported.is_of_diffusers or exported.kind == "pipeline_adapter":
        return []
    if exported.kind == "pipeline":
        return _pipeline_code(exported, target)
    if exported.kind == "model":
        return _model_code(exported, target)
    return _processor_code(target)


def _pipeline_code(exported: Exported, target: Path) -> list[str]:
    own = {name: entry for name, entry in exported.components.items() if entry[0].split(".")[0] == _PACKAGE}
    roots = {name: read_json_file(target / name / "config.json") for name in own if _has_config(target, name)}
    parts = [part for config in roots.values() for part in _parts(config)]
    configs = [_config_class(config) for config in roots.values()]
    bundle = make_bundle(
        [*own.values(), *_addresses([*configs, *(c for part in parts for c in part[1:])])],
        stem="video_transformer",
        title="The network of this repository and what prepares its inputs.",
        footer=_registrations(parts),
    )
    pipeline = make_bundle(
        [_PIPELINE], stem="video_pipeline", title="The sampling pipeline of this repository.", given=bundle
    )
    written = [bundle.write(target).name, pipeline.write(target).name]
    for name, (_, class_name) in own.items():
        written += _point_to(bundle, target, name, class_name)
    components = {name: (bundle.stem, class_name) for name, (_, class_name) in own.items()}
    return [*written, *write_pipeline_code(target, (pipeline.stem, _PIPELINE[1]), components)]


def _model_code(exported: Exported, target: Path) -> list[str]:
    architecture = (exported.config.get("architectures") or [""])[0]
    if not hasattr(families, architecture):
        return _processor_code(target)  # a model of transformers' own
    parts = _parts(exported.config)
    config_class = _config_class(exported.config)
    classes = [config_class, *_auto_map(config_class).values(), *(c for part in parts for c in part[1:])]
    processors = _processors(target)
    bundle = make_bundle(
        [*_addresses(classes), *processors.values()],
        stem=str(config_class.model_type).removeprefix("heygen_"),
        title="The network of this repository and what prepares its inputs.",
        footer=_registrations(parts),
    )
    written = [bundle.write(target).name, *_point_to(bundle, target, ".", architecture)]
    for _, class_name in processors.values():
        written += _point_to(bundle, target, ".", class_name)
    return written


def _processor_code(target: Path) -> list[str]:
    """Beside a model of another library, or an adapter."""
    processors = _processors(target)
    if not processors:
        return []
    bundle = make_bundle(
        list(processors.values()), stem="video_processor", title="What prepares the inputs of this repository's model."
    )
    return [
        bundle.write(target).name,
        *(n for _, name in processors.values() for n in _point_to(bundle, target, ".", name)),
    ]


def _point_to(bundle: Bundle, target: Path, folder: str, class_name: str) -> list[str]:
    """Write `auto_map` into the configuration beside a component's files."""
    prefix = "" if folder == "." else f"{folder}/"
    if hasattr(families, class_name):
        path = target / folder / "config.json"
        values = read_json_file(path)
        config_class = _config_class(values)
        auto_map = {name: found.__name__ for name, found in _auto_map(config_class).items()}
        auto_map["AutoConfig"] = config_class.__name__
    else:
        path = target / folder / "preprocessor_config.json"
        values = read_json_file(path)
        kind = "AutoImageProcessor" if "Processor" in class_name else "AutoFeatureExtractor"
        auto_map = {kind: class_name}
    values["auto_map"] = {name: f"{bundle.stem}.{found}" for name, found in sorted(auto_map.items())}
    _write_json(path, values)
    return [f"{prefix}{path.name}"]


def _processors(target: Path) -> dict[str, tuple[str, str]]:
    """This package's processors of a model at the root: file -> address."""
    path = target / "preprocessor_config.json"
    if not path.is_file():
        return {}
    values = read_json_file(path)
    name = values.get("image_processor_type") or values.get("feature_extractor_type") or ""
    import heygen_hf.processing as processing

    found = getattr(processing, name, None) if name in processing.__all__ else None
    return {} if found is None else {path.name: (found.__module__, name)}


def _auto_map(config_class: type) -> dict[str, type]:
    """Auto class -> this package's model, for every Auto class that knows the configuration."""
    found = {}
    for name in dir(auto_classes):
        mapping = getattr(getattr(auto_classes, name), "_model_mapping", None)
        if name.startswith("AutoModel") and mapping is not None and config_class in mapping:
            model = mapping[config_class]
            if isinstance(model, type) and model.__module__.split(".")[0] == _PACKAGE:
                found[name] = model
    return found


def _parts(config: dict[str, Any]) -> list[tuple[str, type, type]]:
    """Networks of this package inside another's configuration: (Auto class, configuration, model)."""
    types = [value["model_type"] for value in config.values() if isinstance(value, dict) and "model_type" in value]
    # transformers looks up the usual types of all parts, also of those that this network does without
    usual = getattr(_config_class(config), "sub_configs_defaults", None) or {}
    types += [spec.model_type for spec in usual.values() if spec.model_type]
    found = []
    for model_type in types:
        if model_type in CONFIG_MAPPING and _is_own(CONFIG_MAPPING[model_type]):
            config_class = CONFIG_MAPPING[model_type]
            found += [(name, config_class, model) for name, model in sorted(_auto_map(config_class).items())]
    for value in config.values():
        if isinstance(value, dict) and value.get("model_type") in CONFIG_MAPPING:
            found += _parts(value)
    return list(dict.fromkeys(found))


def _registrations(parts: list[tuple[str, type, type]]) -> str:
    if not parts:
        return ""
    autos = ", ".join(sorted({"AutoConfig", *(name for name, _, _ in parts)}))
    rows = "".join(f"        ({auto}, {config.__name__}, {model.__name__}),\n" for auto, config, model in parts)
    return (
        "def _register_parts() -> None:\n"
        '    """With the Auto classes by which this network builds its parts; a model type known already stays."""\n'
        f"    from transformers import CONFIG_MAPPING, {autos}\n\n"
        f"    parts = (\n{rows}    )\n"
        "    new = {config for _, config, _ in parts if config.model_type not in CONFIG_MAPPING}\n"
        "    for auto, config, model in parts:\n"
        "        if config in new:\n"
        "            AutoConfig.register(config.model_type, config, exist_ok=True)\n"
        "            auto.register(config, model, exist_ok=True)\n\n\n"
        "_register_parts()\n"
    )


def _config_class(config: dict[str, Any]) -> Any:
    return CONFIG_MAPPING[config["model_type"]]


def _is_own(found: type) -> bool:
    return found.__module__.split(".")[0] == _PACKAGE


def _has_config(target: Path, name: str) -> bool:
    return (target / name / "config.json").is_file()


def _addresses(classes: list[type]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((found.__module__, found.__name__) for found in classes if _is_own(found)))


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
