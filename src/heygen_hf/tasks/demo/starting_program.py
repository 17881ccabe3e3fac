"""What a process of its own does with a Space's folder: build its page, where this package cannot be imported.

It imports nothing of this package itself.
"""

import runpy
import sys
from importlib.abc import MetaPathFinder
from typing import Any

_PACKAGE = "heygen_hf"


class _NotInstalled(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002
        if name.partition(".")[0] == _PACKAGE:
            raise ModuleNotFoundError(f"{_PACKAGE} is not there in a Space", name=name)


def start(folder: str) -> Any:
    """The page that `app.py` builds, not served."""
    sys.meta_path.insert(0, _NotInstalled())
    sys.path.insert(0, folder)
    return runpy.run_path(f"{folder}/app.py", run_name="app")["page"]


if __name__ == "__main__":
    page = start(sys.argv[1])
    if "/generate" not in page.get_api_info()["named_endpoints"]:
        raise SystemExit("app.py builds a page that generates nothing")
