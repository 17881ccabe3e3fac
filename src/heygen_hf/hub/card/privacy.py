"""What must not leave the machine with a card: its paths, its name, its user and any secret."""

import contextlib
import getpass
import os
import re
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

REMOVED = "[removed]"

_SECRETS = re.compile(
    r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"  # GitHub
    r"|\bsk-[A-Za-z0-9_-]{16,}"  # several API vendors
    r"|\bAKIA[0-9A-Z]{16}\b"  # AWS
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}"
)
# `token: abc`, `--api-key=abc`, `WANDB_API_KEY=abc`: the value goes, the name stays. Names that only contain
# such a word (`max_caption_tokens: 16`, `eos_token: <eos>`) keep their values.
_SECRET_NAME = (
    r"(?:(?i:(?:[a-z0-9_]+[_-])?(?:access[_-]?token|auth[_-]?token|hf[_-]?token|hub[_-]?token|api[_-]?key"
    r"|secret(?:[_-]?key)?|password|passwd|credentials?)|(?<!\w)token)"
    r"|[A-Z][A-Z0-9_]*_(?:TOKEN|KEY|SECRET|PASSWORD))"
)
_SECRET_VALUE = r"(?!null\b|none\b|true\b|false\b)[^\s'\",}]{4,}"
_NAMED_SECRETS = re.compile(
    rf"(?P<name>\b{_SECRET_NAME}['\"]?\s*[:=]\s*|--{_SECRET_NAME}\s+)(?P<quote>['\"]?){_SECRET_VALUE}(?P=quote)"
)
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]+@")
_QUOTED_PATH = re.compile(r"(?P<quote>['\"])(?P<path>(?:file://|~?/|[A-Za-z]:[\\/]|\\\\)[^'\"\n]*)(?P=quote)")
_PATH = re.compile(r"(?<![\w.:/~\\-])(?:file://|~[\w.-]*/|/(?=[^\s/])|[A-Za-z]:[\\/]|\\\\(?=\w))[^\s'\",;:\])}]*")
_SECRET_VARIABLE = re.compile(r"(?i)token|secret|password|passwd|api_?key|credential")
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
    text = _remove_secrets(text)
    text = _NAMED_SECRETS.sub(lambda m: f"{m['name']}{m['quote']}{REMOVED}{m['quote']}", text)
    text = _QUOTED_PATH.sub(lambda m: f"{m['quote']}{_short_path(m['path'])}{m['quote']}", text)
    text = _PATH.sub(lambda m: _short_path(m[0]), text)
    text = _replace_own_folders(text)
    for name in _machine_names():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", REMOVED, text, flags=re.IGNORECASE)
    return text


def scrub_caption(text: str) -> str:
    """Remove tokens and the places of this user's files, and touch nothing else: captions are quotations."""
    return _replace_own_folders(_remove_secrets(text))


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


def _remove_secrets(text: str) -> str:
    text = _CREDENTIALS_IN_URL.sub(f"{REMOVED}@", text)
    text = _SECRETS.sub(REMOVED, text)
    for value in _secret_values():
        text = text.replace(value, REMOVED)
    return text


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


def _secret_values() -> list[str]:
    values = {v for name, v in os.environ.items() if _SECRET_VARIABLE.search(name) and len(v) >= 8}
    return sorted(values, key=len, reverse=True)


def _machine_names() -> list[str]:
    host = socket.gethostname()
    names = {host, host.partition(".")[0], os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
    with contextlib.suppress(KeyError, OSError):  # a user id without a name, as in some containers
        names.add(getpass.getuser())
    names = {name for name in names if len(name) >= 3 and name.lower() not in _GENERIC_NAMES}
    return sorted(names, key=len, reverse=True)
