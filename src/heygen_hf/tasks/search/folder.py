"""A search's folder: what lies where, and whether it may be written to."""

import shutil
from dataclasses import dataclass
from pathlib import Path

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
        """A lock for each process that searches."""
        return self.path / ".processes"

    def trial(self, number: int) -> RunFolder:
        """Of one trial: its `recipe.yaml` and `log.jsonl`."""
        return RunFolder(self.path / "trials" / f"trial-{number:04d}")

    def prepare(self, recipe: Recipe, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, or say why it cannot be used.

        Raises:
            ValueError: it holds another search, or this one and neither `resume` nor `overwrite` was asked for, or
                files that are no search.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} is a file; give another folder with --output.")
        held = sorted(self.path.iterdir()) if self.path.is_dir() else []
        if held and not self.study.is_file():
            raise ValueError(f"{self.path} holds other files ({held[0].name}, …); give another folder with --output.")
        if held and overwrite:
            shutil.rmtree(self.path)
        elif held and not resume:
            raise ValueError(
                f"{self.path} already holds a search: go on with --resume auto, or replace it with --overwrite."
            )
        if self.recipe.is_file():
            self._check_same(recipe)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe, resolved_yaml(recipe))

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
