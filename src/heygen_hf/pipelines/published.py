"""Published repositories hold code for those who do not have this package, and their `model_index.json` points to it.

Loaded with the installed classes, none of it runs; loaded by it and saved again, it goes along.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download

_REMOTE = "diffusers_modules."  # where diffusers keeps the code of repositories
_SHARED = ("cache_dir", "force_download", "local_files_only", "token", "revision")


def write_pipeline_code(
    folder: Path, pipeline: tuple[str, str], components: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Write `pipeline.py` and the files by which diffusers finds classes in the flat files beside it.

    Args:
        folder: of the pipeline, with its `model_index.json`, which is changed.
        pipeline: flat file, without `.py`, and class.
        components: name of the component -> flat file and class.

    Returns:
        The names of the files.
    """
    imports = [f"from .{pipeline[0]} import {pipeline[1]}\n"]
    for stem in sorted({stem for stem, _ in components.values()}):
        names = sorted({name for where, name in components.values() if where == stem})
        imports.append(f"from .{stem} import {', '.join(names)}\n")
    (folder / "pipeline.py").write_text(
        '"""For `DiffusionPipeline.from_pretrained(…, trust_remote_code=True)`; the code is in what it imports."""\n\n'
        + "".join(imports),
        encoding="utf-8",
    )
    index_path = folder / "model_index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    index["_class_name"] = ["pipeline", pipeline[1]]
    for name, (stem, class_name) in components.items():
        index[name] = [f"{name}_code", class_name]
        (folder / name / f"{name}_code.py").write_text(
            '"""Where diffusers finds this component\'s class: `pipeline.py` has loaded its code before."""\n\n'
            "import importlib\n\n"
            f'{class_name} = importlib.import_module("{_REMOTE}local.{stem}").{class_name}\n',
            encoding="utf-8",
        )
    index_path.write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return ["pipeline.py", *(f"{name}/{name}_code.py" for name in components), "model_index.json"]


class PublishedRepoMixin:
    """Reads `model_index.json` as if it named the classes that this pipeline's own module knows."""

    config_name: str
    components: dict[str, Any]

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """As diffusers does; a pipeline that runs the code of its repository keeps that code beside it.

        Raises:
            ValueError: it shall be pushed at once, before the code is there.
        """
        if not type(self).__module__.startswith(_REMOTE):
            super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
            return
        if kwargs.get("push_to_hub"):
            raise ValueError(
                "this pipeline's code goes into the folder after its weights: leave out push_to_hub, and upload the "
                "folder then (hf upload)."
            )
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
        own = {name: type(part) for name, part in self.components.items() if type(part).__module__.startswith(_REMOTE)}
        places = {found.__module__.rpartition(".")[2]: found.__module__ for found in (type(self), *own.values())}
        for stem, module in places.items():
            shutil.copyfile(str(sys.modules[module].__file__), Path(save_directory, f"{stem}.py"))
        write_pipeline_code(
            Path(save_directory),
            (type(self).__module__.rpartition(".")[2], type(self).__name__),
            {name: (found.__module__.rpartition(".")[2], found.__name__) for name, found in own.items()},
        )

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """As diffusers does, with the repository's pointers to its code replaced."""
        loaded = super().load_config(*args, **kwargs)  # type: ignore[misc]
        values = loaded[0] if isinstance(loaded, tuple) else loaded
        if isinstance(values.get("_class_name"), list):
            values["_class_name"] = values["_class_name"][-1]
        known = vars(sys.modules[cls.__module__])
        for name, entry in values.items():
            if isinstance(entry, list | tuple) and len(entry) == 2 and entry[0] == f"{name}_code":
                found = known.get(entry[1])
                if not isinstance(found, type):
                    raise ValueError(
                        f"component {name} of this repository is a {entry[1]}, whose code lies in it: load it with "
                        "DiffusionPipeline.from_pretrained(…, trust_remote_code=True)."
                    )
                values[name] = [found.__module__, found.__name__]
        return loaded

    @classmethod
    def download(cls, pretrained_model_name: str, **kwargs: Any) -> Path:
        """Fetch the index and the components, and no code."""
        options = {name: kwargs[name] for name in _SHARED if name in kwargs}
        index = Path(hf_hub_download(pretrained_model_name, cls.config_name, **options))
        values = json.loads(index.read_text(encoding="utf-8"))
        components = [name for name, entry in values.items() if isinstance(entry, list) and not name.startswith("_")]
        options["revision"] = index.parent.name  # both of one commit
        return Path(
            snapshot_download(
                pretrained_model_name,
                allow_patterns=[cls.config_name, *(f"{name}/*" for name in components)],
                ignore_patterns=["*.py", "*.bin", "*.msgpack", "*.onnx"],
                **options,
            )
        )
