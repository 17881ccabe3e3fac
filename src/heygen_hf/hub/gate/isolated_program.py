"""Run by path in a process of its own: goes through the ways of a job where this package cannot be imported, and then
through those where it can.

It imports nothing of this package, and is not imported by it.

    python isolated_program.py JOB.json
"""

import importlib.util
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = "heygen_hf"


class _Absent:
    """A finder that has not got the package, wherever it is installed."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == PACKAGE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(job: dict[str, Any]) -> None:
    """Every way that the job names, in its order: those without the package first.

    The report holds `way` and `problem` (None where it went well) of each that has come to its end.
    """
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != here]
    if job["is_offline"]:
        stay_offline()
    found: list[dict[str, Any]] = []

    def run(name: str, *, without: bool) -> None:
        where = f"without {PACKAGE}" if without else f"with {PACKAGE}"
        try:
            problem = way(name, without)
            if without and PACKAGE in sys.modules:
                problem = problem or f"{PACKAGE} was imported, which is not there where it has to load"
        except Exception as error:  # whatever a loader raises is what a user would see
            problem = f"{type(error).__name__}: {' '.join(str(error).split())[:600]}"
        found.append({"way": f"{' '.join(name.split(':')[1:])}, {where}", "problem": problem})
        Path(job["report"]).write_text(json.dumps(found), encoding="utf-8")

    absent = _Absent()
    sys.meta_path.insert(0, absent)  # type: ignore[arg-type]
    way: Callable[[str, bool], str | None] = _program(job["program"]).ways_of(job)
    for name in job["without"]:
        run(name, without=True)
    sys.meta_path.remove(absent)  # type: ignore[arg-type]
    for name in job["with"]:
        run(name, without=False)


def stay_offline() -> None:
    """No connection but within this machine's own sockets of the file system, whatever library wants one."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" or (event == "socket.connect" and arguments[0].family != socket.AF_UNIX):
            raise ConnectionError("it asks for something over the network, which a repository that is whole need not")

    sys.addaudithook(refuse)


def _program(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("gate_program", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
