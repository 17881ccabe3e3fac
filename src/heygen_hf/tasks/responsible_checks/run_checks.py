"""What `heygen-hf evaluate --checks` does: look at the options → videos → each check → tables and file."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.cards import refresh_card
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.responsible_checks.classifier_corruption import check_input_corruption
from heygen_hf.tasks.responsible_checks.document import CHECKS_FILE, Check, not_applicable, write_checks
from heygen_hf.tasks.responsible_checks.given_corruption import check_given_corruption
from heygen_hf.tasks.responsible_checks.groups import check_groups
from heygen_hf.tasks.responsible_checks.memorization import check_memorization
from heygen_hf.tasks.responsible_checks.options import (
    CheckOptions,
    check_names,
    column_names,
    per_clip_metrics,
)
from heygen_hf.tasks.responsible_checks.paraphrase import check_paraphrases
from heygen_hf.tasks.responsible_checks.sound_corruption import check_sound_corruption
from heygen_hf.tasks.responsible_checks.subject import CheckedVideos, videos_of_folder, videos_of_run
from heygen_hf.tasks.responsible_checks.supervised import check_supervised_groups, open_supervised_run
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.source import Source, find_source
from heygen_hf.training.parallel.launch import num_processes

_SHEET = "nearest_training_clips.png"


def run_checks(
    source: str | Path,
    checks: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    metrics: Sequence[str] = (),
    paraphrases: str | Path | None = None,
    training_data: str | Path | None = None,
    reference: str | Path | None = None,
    num_videos: int | None = None,
    seed: int | None = None,
    features: Sequence[str] = (),
    output: str | Path | None = None,
    videos_dir: str | Path | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> list[Check]:
    """Check a run, or a folder of videos, and say what was found.

    Videos of a run are those that `measure_videos` makes and keeps: none is made twice.

    Args:
        source: a run's folder, `USER/NAME[@REVISION]` on the Hub, or a folder of videos (groups and memorization only).
        checks: of `CHECKS`.
        groups: columns of the metadata to compare groups by; by default the recipe's label columns.
        metrics: of single videos, compared between groups beside what the run's judges see.
        paraphrases: a file of `{"prompt": …, "paraphrases": […]}` lines, in place of those by rule.
        training_data: a folder of the training clips; of a run by default its recipe's.
        reference: a folder of real clips that are no training clips; of a run by default its recipe's held-out ones.
        num_videos: by default 256 of a run, all of a folder.
        seed: of a run's first video; by default its recipe's.
        features: the network that distances are seen through ('embedded', a folder, a name on the Hub), and
            `clip_score=NAME` for the CLIP score of paraphrases and groups.
        output: where the checks are written; by default `RUN/checks.json`, beside those made before of the same
            weights; of a folder nowhere.
        videos_dir, batch_size, device: as in `measure_videos`.

    Raises:
        ValueError: nothing there to check, or an option that does not fit.
    """
    if num_processes() > 1:
        raise ValueError("checks run in one process; start heygen-hf evaluate without a launcher")
    names = check_names(checks)
    device = str(usable_device(device))
    per_clip, video_features, models = per_clip_metrics(metrics, features, device=device)
    options = CheckOptions(
        checks=names,
        groups=column_names(groups),
        metrics=per_clip,
        paraphrases=paraphrases,
        training_data=training_data,
        reference=reference,
        num_videos=num_videos,
        seed=seed,
        video_features=video_features,
        models=models,
        batch_size=batch_size,
        device=device,
        videos_dir=videos_dir,
    )
    _check_options(options)
    file = Path(output) if output is not None else None
    if file is not None:
        _check_output(file)
    if RunFolder(Path(source)).model_config is not None:
        file = file or Path(source) / CHECKS_FILE
        made = _check_supervised(Path(source), options)
    else:
        place = find_source(source)
        if place.is_run:
            file = file or place.results.parent / CHECKS_FILE
            made = _check_generator(place, options, file)
        else:
            made = _check_folder(place.path, options, file)
    found = []
    for check in made:  # each is kept as soon as it is made: the next may take an hour, and be interrupted
        found.append(check)
        check.print()
        if file is not None:
            write_checks(file, [check])
    if file is not None:
        print(f"the checks, with where each figure comes from: {file}")
        refresh_card(file.parent, file)
    return found


def _check_output(file: Path) -> None:
    """Before hours of work: whether a file can be written there. Nothing is left behind.

    Raises:
        ValueError: it is a folder, or the folder that it would be in is none or may not be written to.
    """
    if file.is_dir():
        raise ValueError(f"--output {file} is a folder; give a file, such as {file / CHECKS_FILE}")
    above = next(parent for parent in file.absolute().parents if parent.exists())
    if not above.is_dir():
        raise ValueError(f"--output {file}: {above} is no folder; give a file in another one")
    if not os.access(above, os.W_OK | os.X_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise ValueError(f"--output {file} may not be written; give a file in another folder")


def _check_options(options: CheckOptions) -> None:
    belonging: tuple[tuple[str, Any, str], ...] = (
        ("--groups", options.groups, "groups"),
        ("--paraphrases", options.paraphrases, "paraphrase"),
        ("--training-data", options.training_data, "memorization"),
    )
    for option, value, check in belonging:
        if value is not None and check not in options.checks:
            raise ValueError(f"{option} is of the check {check}; add it to --checks, or leave the option out")
    if options.metrics and not {"groups", "paraphrase"} & set(options.checks):
        raise ValueError(f"{options.metrics[0]} is compared between groups; add groups to --checks, or leave it out")
    for option, path in (("--training-data", options.training_data), ("--reference", options.reference)):
        if path is not None and not Path(path).is_dir():
            raise ValueError(f"{option} {path} is no folder; give a folder of real videos")


def _check_generator(source: Source, options: CheckOptions, file: Path) -> Iterator[Check]:
    recipe_file = RunFolder(source.path).recipe
    if recipe_file.is_file() and load_recipe(recipe_file).task == "audio_to_video":
        yield from (_check_audio(source, name, options) for name in options.checks)
        return
    videos = videos_of_run(source, options)
    yield from (_check_videos(name, videos, options, file) for name in options.checks)


def _check_videos(name: str, videos: CheckedVideos, options: CheckOptions, file: Path | None) -> Check:
    if name == "groups":
        return check_groups(videos, options)
    if name == "paraphrase":
        return check_paraphrases(videos, options)
    if name == "corruption":
        return check_given_corruption(videos, options)
    return check_memorization(videos, options, sheet=None if file is None else file.parent / "evaluation" / _SHEET)


def _check_audio(source: Source, name: str, options: CheckOptions) -> Check:
    if name == "corruption":
        return check_sound_corruption(source.path, options)
    titles = {
        "groups": "Worst groups",
        "paraphrase": "Prompts in other words",
        "memorization": "Nearest training clips",
    }
    why = (
        "The model follows sound, and its videos are of given sounds: make them with heygen-hf generate --audio, and "
        "check their folder."
    )
    return not_applicable(name, titles[name], why, subject={"source": source.name})


def _check_supervised(folder: Path, options: CheckOptions) -> Iterator[Check]:
    run = open_supervised_run(folder)
    for name in options.checks:
        if name == "groups":
            yield check_supervised_groups(run, options)
        elif name == "corruption":
            yield check_input_corruption(run, options)
        else:
            why = f"A run of {run.recipe.task} makes no videos of prompts."
            yield not_applicable(name, name.capitalize(), why, subject=run.facts)


def _check_folder(folder: Path, options: CheckOptions, file: Path | None) -> Iterator[Check]:
    for name in ("paraphrase", "corruption"):
        if name in options.checks:
            raise ValueError(
                f"{name} makes videos with a model, and {folder} holds videos; give a run, or leave it out"
            )
    for option, value in (
        ("--seed", options.seed),
        ("--videos-dir", options.videos_dir),
        ("--batch-size", options.batch_size),
    ):
        if value is not None:
            raise ValueError(f"{option} is of videos that a run makes, and {folder} holds videos; leave it out")
    videos = videos_of_folder(folder, options)
    yield from (_check_videos(name, videos, options, file) for name in options.checks)
