"""What kind of model a folder holds, and which of its files belong to it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heygen_hf.hub.card import files_beside

ExportKind = Literal["pipeline", "model", "autoencoder", "adapter", "pipeline_adapter"]

WEIGHTS = (".safetensors", ".safetensors.index.json")
_MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "base_config.json",
    "base_pipeline.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
)
_OWN_PIPELINE = "VideoGenerationPipeline"
_ABOUT = ("README.md", "base_pipeline.json", "reference.json", "reference.safetensors")


@dataclass(frozen=True)
class Exported:
    """An exported model.

    Attributes:
        kind: "pipeline" (a `model_index.json`), "model" of transformers, "autoencoder" of diffusers, "adapter" of a
            model, or "pipeline_adapter" (a `base_pipeline.json`): a LoRA of a pipeline of diffusers.
        config: of the pipeline, model or adapter.
        components: of a pipeline: folder -> (library or module, class).
    """

    path: Path
    kind: ExportKind
    config: dict[str, Any]
    components: dict[str, tuple[str, str]]

    @property
    def is_of_diffusers(self) -> bool:
        """Whether it is a pipeline of diffusers alone, without code of this package."""
        name = self.config.get("_class_name")
        return self.kind == "pipeline" and _OWN_PIPELINE not in (name, *(name if isinstance(name, list) else ()))

    def model_files(self) -> list[str]:
        """Names of the files that loading reads, relative and with forward slashes."""
        if self.kind != "pipeline":
            return self._at(".")
        return ["model_index.json", *(name for component in self.components for name in self._at(component))]

    def files(self) -> list[str]:
        """All that is published: the model's files, its card, figures, reference and finished samples."""
        about = [name for name in _ABOUT if (self.path / name).is_file()]
        samples = self.path / "samples"
        shown = sorted(samples.iterdir()) if samples.is_dir() else []
        kept = [f"samples/{file.name}" for file in shown if file.is_file() and not file.name.startswith(("step-", "."))]
        return list(dict.fromkeys([*self.model_files(), *about, *files_beside(self.path), *kept]))

    def _at(self, folder: str) -> list[str]:
        here = self.path / folder
        found = sorted(here.iterdir()) if here.is_dir() else []
        names = [file.name for file in found if file.is_file() or file.is_symlink()]
        # A component's folder holds nothing but the component; at the root lie the run's files too.
        if folder != ".":
            return [f"{folder}/{name}" for name in names if not name.startswith(".") and not name.endswith(".py")]
        weights = [n for n in names if n.endswith(WEIGHTS) and n not in _ABOUT]
        return [*(name for name in names if name in _MODEL_FILES), *weights]


def read_export(folder: Path) -> Exported:
    """Look at a folder.

    Raises:
        ValueError: it holds no exported model, or a configuration that is no JSON.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; name a run's folder, such as outputs/moving_digits.")
    kinds: dict[str, ExportKind] = {
        "model_index.json": "pipeline",
        "base_pipeline.json": "pipeline_adapter",
        "adapter_config.json": "adapter",
        "config.json": "model",
    }
    name = next((name for name in kinds if (folder / name).is_file()), None)
    if name is None:
        raise ValueError(
            f"{folder} holds no exported model (no model_index.json, config.json or adapter_config.json): train one "
            "with heygen-hf train RECIPE, or finish it with --resume auto."
        )
    config, kind = read_json_file(folder / name), kinds[name]
    if kind == "pipeline_adapter" and config.get("weights") is None:
        raise ValueError(f"{folder} is of a whole pipeline, whose model_index.json is gone: export the run again.")
    components = {
        component: (value[0], value[1])
        for component, value in config.items()
        if kind == "pipeline" and isinstance(value, list) and not component.startswith("_") and value[0] is not None
    }
    if kind == "model" and "_class_name" in config:
        kind = "autoencoder"
    return Exported(folder, kind, config, components)


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object; a `ValueError` of one line where the file holds none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} in {path.parent} cannot be read as JSON ({error}).") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} in {path.parent} holds no JSON object.")
    return values
