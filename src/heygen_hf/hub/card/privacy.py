"""What must not leave the machine with a card: its paths, its name, its user and any secret."""

import contextlib
import getpass
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from heygen_hf.hub.card.secrets import REMOVED, is_commit, remove_secrets
from heygen_hf.hub.card.text import beginning, one_line, visible

_QUOTED_PATH = re.compile(r"(?P<quote>['\"])(?P<path>(?:file://|~?/|[A-Za-z]:[\\/]|\\\\)[^'\"\n]*)(?P=quote)")
_PATH = re.compile(r"(?<![\w./~\\-])(?:file://|~[\w.-]*/|/(?=[^\s/])|[A-Za-z]:[\\/]|\\\\(?=\w))[^\s'\",;:\])}]*")
_OF_COMMITS = re.compile(r"(?i)commit|revision|sha|hash")
_MOST_PASSES = 5
# Names that are words: removing them would hide nothing and damage texts.
_GENERIC_NAMES = {
    "root",
    "user",
    "users",
    "admin",
    "home",
    "localhost",
    "ubuntu",
    "runner",
    "docker",
    "video",
    "model",
}


def scrub(text: str) -> str:
    """Text from this machine, made fit to publish.

    Absolute paths become relative to the working directory or lose all but their last part; tokens,
    passwords, this machine's name and its user's name are replaced by `[removed]`.
    """
    for _ in range(_MOST_PASSES):  # what is left of one thing may look like another
        text, before = _scrub_once(text), text
        if text == before:
            break
    return text


def _scrub_once(text: str) -> str:
    text = remove_secrets(text)
    text = _QUOTED_PATH.sub(lambda m: f"{m['quote']}{_short_path(m['path'])}{m['quote']}", text)
    text = _PATH.sub(lambda m: _short_path(m[0]), text)
    text = _replace_own_folders(text)
    for name in _machine_names():
        # An underscore ends a name: `miriam_clips` is hers.
        text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", REMOVED, text, flags=re.IGNORECASE)
    return text


def scrub_caption(text: str) -> str:
    """Remove tokens and the places of this user's files, and touch nothing else: of a data set, captions are data."""
    return _replace_own_folders(remove_secrets(text, named=False))


def scrub_line(text: str, *, max_characters: int = 300) -> str:
    """A foreign text as a card shows it: scrubbed, on one line, cut to a length with the cut said."""
    head = visible(beginning(text, max_characters))  # invisible characters inside a token would hide it
    scrubbed = scrub(head)
    cut = len(text) != len(beginning(text, max_characters))
    return one_line(scrubbed, max_characters=max_characters, length=len(text) if cut else None)


def scrub_values(values: Any, *, name: str = "") -> Any:
    """JSON values with every text in them scrubbed, and the names of mappings too.

    Args:
        name: where they stand: 40 hexadecimal digits are a key, unless they stand at `commit` or `revision`.
    """
    if isinstance(values, str):
        return values if is_commit(values) and _OF_COMMITS.search(name) else scrub(values)
    if isinstance(values, Mapping):
        return {scrub(str(key)): scrub_values(value, name=f"{name}.{key}") for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [scrub_values(value, name=name) for value in values]
    return values


def scrub_command(command: Sequence[str]) -> str:
    """A command line as somebody else would type it: programs by name, local paths relative or by name."""
    words = []
    for index, word in enumerate(command):
        if index == 0:
            program = PurePosixPath(word).name
            word = "python" if re.fullmatch(r"python[\d.]*", program) else program
        option, equals, value = word.partition("=")
        if _is_absolute(word):
            word = _short_path(word)
        elif equals and _is_absolute(value):
            word = f"{option}={_short_path(value)}"
        words.append(word)
    # A secret given as a word of its own (`--token abc`) is seen once the words are joined.
    return scrub(shlex.join(words))


def _replace_own_folders(text: str) -> str:
    for folder, replacement in _own_folders():
        text = re.sub(rf"{re.escape(folder)}(?!\w)", replacement, text)
    return text


def _is_absolute(word: str) -> bool:
    return word.startswith(("/", "~", "file://")) or PureWindowsPath(word).is_absolute()


def _short_path(path: str) -> str:
    path = unquote(path.removeprefix("file://")) if path.startswith("file://") else path
    if "\\" in path or re.match(r"[A-Za-z]:", path):
        return PureWindowsPath(path).name or REMOVED
    for root in (Path.cwd(), Path.cwd().resolve()):
        if PurePosixPath(path).is_relative_to(root) and root != root.parent:
            return str(PurePosixPath(path).relative_to(root))
    name = PurePosixPath(path).name
    return name if name and not name.startswith("~") else REMOVED


def _own_folders() -> list[tuple[str, str]]:
    """The working and home directories, longest first, and what stands for them; never the root."""
    folders = {str(Path.cwd()): ".", str(Path.cwd().resolve()): "."}
    folders.setdefault(os.path.expanduser("~"), "~")
    return sorted(((f, r) for f, r in folders.items() if len(f) > 1), key=lambda pair: -len(pair[0]))


def _machine_names() -> list[str]:
    host = socket.gethostname()
    names = {host, host.partition(".")[0], os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
    with contextlib.suppress(KeyError, OSError):  # a user id without a name, as in some containers
        names.add(getpass.getuser())
    names = {name for name in names if len(name) >= 3 and name.lower() not in _GENERIC_NAMES}
    return sorted(names, key=len, reverse=True)
