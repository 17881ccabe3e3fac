"""Loading a published repository with the installed classes, so that none of the code in it runs.

Repositories hold code for those who do not have this package, and their `model_index.json` points to it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download

_SHARED = ("cache_dir", "force_download", "local_files_only", "token", "revision")


class PublishedRepoMixin:
    """Reads `model_index.json` as if it named the classes that this pipeline's own module knows."""

    config_name: str

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
