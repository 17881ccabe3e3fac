"""A search's folder: what lies where, and whether it may be written to."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from heygen_hf.tasks.recipe import Recipe, load_recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, write_text


@dataclass(frozen=True)
class SearchFolder:
    """`outputs/<recipe>_search/`: the study, a folder for each trial, and what came out."""

    path: Path

    @property
    def study(self) -> Path:
        """Optuna's data base."""
        return self.path / "study.db"

    @property
    def recipe(self) -> Path:
        """The recipe that is searched, as resolved."""
        return self.path / "recipe.yaml"

    @property
    def best(self) -> Path:
        """The recipe of the best trial, to be trained."""
        return self.path / "best.yaml"

    @property
    def processes(self) -> Path:
        """A lock for each process that searches, and one for those that come in."""
        return self.path / ".processes"

    def trial(self, number: int) -> RunFolder:
        """Of one trial: its `recipe.yaml` and `log.jsonl`."""
        return RunFolder(self.path / "trials" / f"trial-{number:04d}")

    def prepare(self, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, or say why it cannot be used; within `entrance`.

        A search without a trial, and without a process that is about to make one, has not begun: it may start again,
        with another recipe, too.

        Raises:
            ValueError: it holds another search, or this one and neither `resume` nor `overwrite` was asked for; other
                processes search in it, and it is to be replaced; or it holds files that are no search.
        """
        self._refuse_other_files()
        others = self.alive()
        begun = self.has_trials() or bool(others)
        if begun and overwrite and others:
            raise ValueError(f"{self.path} cannot be replaced: {len(others)} other processes search in it.")
        if begun and not overwrite and not resume:
            raise ValueError(
                f"{self.path} already holds a search: go on with --resume auto, or replace it with --overwrite."
            )
        if begun and not overwrite and self.recipe.is_file():
            self._check_same(recipe)
            return
        if not begun or overwrite:
            self.clear()
        write_text(self.recipe, resolved_yaml(recipe))

    @contextmanager
    def entrance(self) -> Iterator[None]:
        """Within it no other process makes the folder ready, or joins those that search in it.

        Raises:
            ValueError: it holds files that are no search.
        """
        self._refuse_other_files()
        self.processes.mkdir(parents=True, exist_ok=True)
        with FileLock(self.processes / "entrance"):
            yield

    def alive(self) -> set[str]:
        """Names of the processes that search; the locks of those that are gone are removed."""
        return {path.stem for path in self.processes.glob("*.lock") if _is_held(path)}

    def has_trials(self) -> bool:
        """Whether a trial was begun."""
        if not self.study.is_file():
            return False
        try:
            with closing(sqlite3.connect(f"{self.study.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as study:
                return bool(study.execute("SELECT count(*) FROM trials").fetchone()[0])
        except sqlite3.OperationalError as error:
            # Killed while the tables were made.
            return "no such table" not in str(error)
        except sqlite3.DatabaseError:
            return True  # no data base: optuna says more

    def clear(self) -> None:
        """Take away everything but the locks."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                if path != self.processes:
                    shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def leave(self, *, own: str) -> None:
        """Take away a search in which nothing was tried, unless another process is about to."""
        with FileLock(self.processes / "entrance"):
            if not self.has_trials() and self.alive() <= {own}:
                shutil.rmtree(self.path)

    def _refuse_other_files(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; give another folder with --output.")
        if not self.path.is_dir() or self.study.is_file():
            return
        # What a search leaves that was killed before there was a study.
        own = {self.recipe.name, f".{self.recipe.name}.tmp", self.processes.name}
        if odd := sorted({path.name for path in self.path.iterdir()} - own):
            raise ValueError(f"{self.path} holds other files ({odd[0]}, …); give another folder with --output.")

    def _check_same(self, recipe: Recipe) -> None:
        before, now = load_recipe(self.recipe).to_dict(), recipe.to_dict()
        for values in (before, now):
            values["search"].pop("timeout_minutes")
            values.pop("output_dir")
            values.pop("hub", None)
        changed = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
        if changed:
            raise ValueError(
                f"{self.path} is the search of another recipe ({', '.join(changed)} differ): trials would not compare. "
                "Replace it with --overwrite, or give another folder with --output."
            )


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock; the file of one that is gone is removed."""
    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
    except Timeout:
        return True
    return False
