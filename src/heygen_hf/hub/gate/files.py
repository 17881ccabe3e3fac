"""Files that must not be published: pickles, links, and what the Hub does not take."""

from pathlib import Path

from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.gate.manifest import MARK

MAX_FILE_BYTES = 50_000_000_000  # the Hub's hard limit of one file
_LOADED_AS_OBJECTS = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".joblib", ".msgpack", ".h5")


def check_files(folder: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> list[Check]:
    """One check for each rule, over all files of a repository's folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.name != MARK and (path.is_file() or path.is_symlink())]

    def named(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    links = [named(path) for path in files if path.is_symlink()]
    objects = [named(path) for path in files if path.suffix.lower() in _LOADED_AS_OBJECTS]
    large = [path for path in files if not path.is_symlink() and path.stat().st_size > max_file_bytes]
    empty = [named(path) for path in files if not path.is_symlink() and path.stat().st_size == 0]
    hidden = [named(path) for path in files if path.name.startswith(".")]
    return [
        Check("file sizes", _too_large(folder, large, max_file_bytes)),
        Check("no file that runs code when it is read", _named("only safetensors hold weights", objects)),
        Check("files are whole", _named("empty", empty) or _named("a link", links) or _named("hidden", hidden)),
    ]


def _too_large(folder: Path, files: list[Path], most: int) -> str | None:
    if not files:
        return None
    first = files[0]
    return (
        f"{first.relative_to(folder).as_posix()} has {first.stat().st_size:,} bytes, the most is {most:,}: save the "
        "model in shards with save_pretrained(…, max_shard_size=…)"
    )


def _named(what: str, names: list[str]) -> str | None:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{what}: {names[0]}{more}" if names else None
