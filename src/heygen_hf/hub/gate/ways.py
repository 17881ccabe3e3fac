"""In which ways a repository promises to load."""

from heygen_hf.hub.gate.clean_process import LoadingWays
from heygen_hf.hub.repo_folder import Exported
from heygen_hf.hub.repo_folder.exported import read_json_file


def promised_ways(exported: Exported) -> LoadingWays:
    """All that the card and the documentation say, for the kind of model that a repository's folder holds."""
    if exported.is_of_diffusers:
        return LoadingWays((f"plain_pipeline:{exported.config['_class_name']}",), ())
    if exported.kind == "pipeline_adapter":
        return LoadingWays((f"pipeline_adapter:{exported.config['pipeline_class']}",), ())
    if exported.kind == "pipeline":
        return _of_pipeline(exported)
    if exported.kind == "autoencoder":
        name = str(exported.config["_class_name"])
        both = (f"autoencoder:{name}", "autoencoder:AutoModel")
        return LoadingWays((*both, *_readers(exported, "")), _readers(exported, ""))
    if exported.kind == "adapter":
        return LoadingWays((), _readers(exported, ""))
    return _of_model(exported)


def _of_pipeline(exported: Exported) -> LoadingWays:
    networks: list[str] = []
    readers: list[str] = []
    own_readers: list[str] = []
    for folder, (_, class_name) in exported.components.items():
        if (exported.path / folder / "config.json").is_file():
            if "model_type" in read_json_file(exported.path / folder / "config.json"):
                networks.append(f"component:AutoModel:{folder}")
        else:
            found = _readers(exported, folder)
            readers += found
            # no Auto class knows it where the package is installed: the class itself does
            own_readers += [name.replace("AutoFeatureExtractor", class_name) for name in found]
    return LoadingWays(
        ("pipeline:DiffusionPipeline", *networks, *readers),
        ("pipeline:VideoGenerationPipeline", *networks, *own_readers),
    )


def _of_model(exported: Exported) -> LoadingWays:
    readers = _readers(exported, "")
    auto = sorted(name for name in exported.config.get("auto_map", {}) if name.startswith("AutoModelFor"))
    name = (exported.config.get("architectures") or ["AutoModel"])[0]
    if "auto_map" not in exported.config:  # of transformers alone: the same everywhere
        return LoadingWays((f"model:{name}", *readers), ())
    main = tuple(f"model:{one}" for one in _naming(exported, auto, name)) or ("model:AutoModel",)
    return LoadingWays((*main, *readers), (f"model:{name}", *main, *readers))


def _naming(exported: Exported, auto: list[str], class_name: str) -> list[str]:
    """The Auto classes that give the class itself: a configuration may have several heads."""
    auto_map = exported.config["auto_map"]
    return [name for name in auto if auto_map[name].rpartition(".")[2] == class_name]


def _readers(exported: Exported, folder: str) -> tuple[str, ...]:
    here = exported.path / folder
    found = []
    if (here / "tokenizer_config.json").is_file():
        found.append("AutoTokenizer")
    if (here / "preprocessor_config.json").is_file():
        values = read_json_file(here / "preprocessor_config.json")
        is_image = "image_processor_type" in values or "AutoImageProcessor" in values.get("auto_map", {})
        found.append("AutoImageProcessor" if is_image else "AutoFeatureExtractor")
    return tuple(f"processor:{name}:{folder}" if folder else f"processor:{name}" for name in found)
