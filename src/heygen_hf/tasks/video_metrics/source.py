"""What is measured: a run's folder or another exported pipeline, a repository on the Hub, or a folder of videos."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.hub_source import download_repository, require_our_pipeline


@dataclass(frozen=True)
class Source:
    """Where it lies on this machine.

    Attributes:
        path: a folder.
        is_run: whether a model lies there, as opposed to videos.
        name: for the record; no path.
        results: the folder that figures, and the videos that a model makes, are written to.
        facts: of a repository: its name, the revision asked for, and the commit that it was.
    """

    path: Path
    is_run: bool
    name: str
    results: Path
    facts: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def judges(self) -> Path | None:
        """The classifiers of a run that measured itself by some."""
        return RunFolder(self.path).judges if self.is_run else None


def find_source(source: str | Path) -> Source:
    """Look for a folder of this name here, then for a repository on the Hub.

    Args:
        source: a folder, or `USER/NAME`, or `USER/NAME@REVISION` (branch, tag or commit).

    Raises:
        ValueError: there is neither, or nothing in it that can be measured.
    """
    path = Path(source)
    if path.exists() or not _is_repository(str(source)):
        return _local(path)
    repository = download_repository(str(source))
    results = Path("outputs") / f"{repository.name.replace('/', '--')}@{repository.commit[:8]}" / "evaluation"
    facts = {"repository": repository.name, "revision": repository.revision, "commit": repository.commit}
    return Source(repository.path, True, repository.name, results, facts)


def _local(path: Path) -> Source:
    if not path.exists():
        raise ValueError(
            f"there is nothing at {path}; give a run's folder, a folder of videos, or USER/NAME[@REVISION] on the Hub"
        )
    if not path.is_dir():
        raise ValueError(f"{path} is a file; give a run's folder, or a folder of videos")
    run = RunFolder(path)
    is_run = run.makes_videos or run.recipe.is_file() or run.checkpoints.is_dir() or bool(run.model_config)
    if is_run:
        run.require_export()
        if not run.base_pipeline.is_file():
            require_our_pipeline(run.model_index, str(path))
    return Source(path, is_run, path.resolve().name, path / "evaluation")


def _is_repository(source: str) -> bool:
    """Whether it is written as one: a folder here of the first name makes it a path that leads nowhere."""
    name, at, _ = source.partition("@")
    first, slash, second = name.partition("/")
    if name.startswith((".", "/", "~")) or "\\" in name or not slash or not first:
        return False
    return bool(at) or ("/" not in second.rstrip("/") and bool(second) and not Path(first).is_dir())
