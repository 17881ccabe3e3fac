"""The process that loads a repository has nothing of this one: planted programs try to get at it."""

import re
import socket
import textwrap
from pathlib import Path

import pytest

from heygen_hf.hub.gate import Check, run_in_clean_process

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def run(tmp_path: Path):
    """Runs the body of a way, given as text: `argument` is what the way's name says behind the colon."""

    def go(body: str, *, without: tuple[str, ...] = (), with_package: tuple[str, ...] = (), **options) -> list[Check]:
        program = tmp_path / "program.py"
        program.write_text(
            "def ways_of(job):\n    def run(name, without):\n        argument = name.partition(':')[2]\n"
            + textwrap.indent(textwrap.dedent(body), " " * 8)
            + "\n    return run\n"
        )
        options = {"is_on_hub": False, "timeout_seconds": 60, **options}
        return run_in_clean_process(program, {"without": without, "with": with_package}, **options)

    return go


@pytest.mark.parametrize(
    "statement",
    [
        "import heygen_hf",
        "from heygen_hf import _optional",
        "__import__('heygen' + '_hf')",
        "importlib.import_module('heygen_hf._optional')",
        "importlib.util.find_spec('heygen_hf')",
        "sys.path.insert(0, here); importlib.invalidate_caches(); import heygen_hf",
    ],
)
def test_the_package_cannot_be_imported_until_it_may(run, statement: str) -> None:
    here = Path(__file__).parents[3] / "src"
    body = f"import importlib, importlib.util, sys\nhere = {str(here)!r}\n{statement}"
    before, after = run(body, without=("try:it",), with_package=("try:it",))
    assert (before.name, after.name) == ("it, without heygen_hf", "it, with heygen_hf")
    assert str(before.problem).startswith("ModuleNotFoundError: No module named 'heygen_hf")
    assert after.problem is None


def test_a_package_that_was_there_before_is_noticed(run) -> None:
    """However it came there."""
    (check,) = run("import sys, types\nsys.modules['heygen_hf'] = types.ModuleType('heygen_hf')", without=("try:it",))
    assert "was imported, which is not there" in str(check.problem)


def test_no_secret_and_no_cache_goes_along(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "home"))
    monkeypatch.setenv("TRANSFORMERS_CACHE", str(tmp_path / "home"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    body = f"""
        import os, pathlib
        from huggingface_hub import constants, get_token
        theirs = ({TOKEN!r}, {str(tmp_path / "home")!r})
        found = [name for name, value in os.environ.items() if any(part in value for part in theirs)]
        found += [] if get_token() is None else ["token"]
        found += [str(p) for p in pathlib.Path(constants.HF_HUB_CACHE).glob("*")]
        found += [] if os.environ.get("TOKENIZERS_PARALLELISM") == "false" else ["an option is lost"]
        found += [] if constants.HF_HUB_OFFLINE else ["it is not offline"]
        return ", ".join(found) or None
    """
    assert run(body, without=("try:it",)) == [Check("it, without heygen_hf")]


def test_on_the_hub_it_has_the_token_it_is_given_and_that_hub(run) -> None:
    body = """
        from huggingface_hub import constants, get_token
        return f"{get_token()} {constants.ENDPOINT} {constants.HF_HUB_OFFLINE}"
    """
    (check,) = run(body, without=("try:it",), is_on_hub=True, token="given", endpoint="http://127.0.0.1:9")
    assert check.problem == "given http://127.0.0.1:9 False"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_comes_by_the_network_is_refused_before_the_push(run, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = f"import socket\nsocket.create_connection(({host!r}, {server.getsockname()[1]}), timeout=5).close()"
        (check,) = run(body, without=("try:it",))
        assert "it asks for something over the network" in str(check.problem)
        (check,) = run(body, without=("try:it",), is_on_hub=True)
        assert check.problem is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import os\nos.kill(os.getpid(), 9)", "it was killed, as systems do where memory runs out, after 'first"),
        ("import os\nos.kill(os.getpid(), 11)", "it was ended by SIGSEGV after 'first"),
        (
            "import sys\nprint('10%| old bar', file=sys.stderr)\nsys.exit('the last word')",
            "ended with code 1 after .*: the last word",
        ),
        pytest.param(
            "import time\ntime.sleep(60)",
            "it did not end within 10 seconds and was stopped after 'first",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["killed", "crashed", "ended", "endless"],
)
def test_a_process_that_dies_says_how_and_after_what(run, body: str, expected: str) -> None:
    body = f"if argument == 'first':\n    return None\n{body}"
    first, last = run(body, without=("try:first", "try:second"), timeout_seconds=10 if "sleep" in body else 60)
    assert first == Check("first, without heygen_hf")
    assert last.name == "loading in a clean process"
    assert re.search(expected, str(last.problem)), last.problem
    assert "\n" not in str(last.problem)
    assert "/tmp/" not in str(last.problem)
