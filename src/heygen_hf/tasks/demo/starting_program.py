"""What the isolated process does with a Space's folder: build its page. It imports nothing of this package."""

import os
import runpy
import sys
from collections.abc import Callable
from typing import Any


def ways_of(job: dict[str, Any]) -> Callable[[str, bool], str | None]:
    """What builds the page of `job["folder"]`, of the model in `job["model_folder"]` or else of the Hub's."""

    def start(name: str, without: bool) -> str | None:  # noqa: ARG001
        if job["model_folder"] is not None:
            os.environ["DEMO_MODEL"] = job["model_folder"]
        sys.dont_write_bytecode = True  # in a folder that is pushed as it is
        sys.path.insert(0, job["folder"])
        page = runpy.run_path(f"{job['folder']}/app.py", run_name="app")["page"]
        is_there = "/generate" in page.get_api_info()["named_endpoints"]
        return None if is_there else "app.py builds a page that generates nothing"

    return start
