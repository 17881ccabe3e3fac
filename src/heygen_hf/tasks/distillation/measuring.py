"""What the student makes of its prompts in few steps, beside what the model behind it makes in many."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from heygen_hf.hub import MetricResult, attribute_metrics
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.distillation.recipe import with_defaults
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.card import GROUP_NAMES, write_run_card
from heygen_hf.tasks.text_to_video.evaluation import (
    JUDGES_INDEX,
    JudgedVideos,
    evaluate_run,
    judge_videos,
    prompt_videos,
)
from heygen_hf.tasks.text_to_video.evaluation import evaluate as text_to_video_evaluate

# Of the data, what decides what judges learn.
_JUDGED_BY = (
    "train",
    "mixing_weights",
    "validation",
    "validation_share",
    "test",
    "label_columns",
    "video_column",
    "missing_columns",
)


def evaluate(
    run: str | Path,
    *,
    num_videos_per_prompt: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Measure a finished student anew, and the model that it is compared with: `heygen-hf evaluate RUN`.

    The arguments are those of `text_to_video.evaluate`.

    Raises:
        ValueError: no finished run there, or a recipe without label columns.
    """
    return text_to_video_evaluate(
        run,
        num_videos_per_prompt=num_videos_per_prompt,
        limit=limit,
        seed=seed,
        output=output,
        measure=measure,
        write_card=write_student_card,
    )


def measure(folder: RunFolder, recipe: Recipe, *, data: PreparedData | None = None, **options: Any) -> dict[str, Any]:
    """Judge the student's videos and the other model's under the same seeds, print both, write the JSON.

    Args:
        options: of `evaluate_run`.
    """
    take_over_judges(folder, recipe)

    def compared_with(student: JudgedVideos) -> dict[str, Any]:
        return {"compared_with": _compare(recipe, student)}

    # Written with the student's own figures: a run that is killed between them is not finished.
    more = compared_with if recipe.distillation.compare_steps else None
    metrics = evaluate_run(folder, recipe, data=data, more=more, **options)
    if more is not None:
        print_comparison(metrics)
    return metrics


def _compare(recipe: Recipe, student: JudgedVideos) -> dict[str, Any]:
    """The other model's figures at many steps, and at as few as the student's: what it can do undistilled.

    `distance` is the root mean square distance of pixels in [0, 1] to the video of many steps from the same noise.
    """
    section = recipe.distillation
    other = load_pipeline(section.compare_with or section.teacher)

    def videos_of(steps: int) -> torch.Tensor:
        return prompt_videos(
            other, student.prompts, recipe=recipe, first_seed=student.first_seed, num_inference_steps=steps
        )

    def figures(videos: torch.Tensor) -> dict[str, Any]:
        return judge_videos(student.judges, videos, student.prompts, columns=recipe.data.label_columns)

    many, few = videos_of(section.compare_steps), videos_of(section.to_steps)
    return {
        "run": Path(section.compare_with or section.teacher).name,
        "num_inference_steps": section.compare_steps,
        "guidance_scale": other.config.guidance_scale,
        "attribute_accuracy": figures(many),
        "at_few_steps": {"attribute_accuracy": figures(few), "distance": _distance(few, many)},
        "student": {"distance": _distance(student.videos, many)},
    }


def _distance(videos: torch.Tensor, others: torch.Tensor) -> float:
    return float((videos - others).square().mean(dim=(1, 2, 3, 4)).sqrt().mean())


def take_over_judges(folder: RunFolder, recipe: Recipe) -> None:
    """The other model's judges judge the student too, where they learned the same from the same clips."""
    other = RunFolder(Path(recipe.distillation.compare_with or recipe.distillation.teacher))
    if (folder.judges / JUDGES_INDEX).is_file() or not (other.judges / JUDGES_INDEX).is_file():
        return
    theirs = load_recipe(other.recipe)
    if any(getattr(theirs.data, key) != getattr(recipe.data, key) for key in _JUDGED_BY):
        return
    # Half a copy must not pass for judges.
    partial = folder.judges.with_name(f".{folder.judges.name}.partial")
    for half in (partial, folder.judges):
        shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(other.judges, partial)
    partial.replace(folder.judges)


def print_comparison(metrics: dict[str, Any]) -> None:
    """The student, the other model at as few steps and at many: per label and group."""
    compared, steps = metrics["compared_with"], metrics["settings"]["num_inference_steps"]
    few, many = f"{compared['run']}, {steps} steps", f"{compared['run']}, {compared['num_inference_steps']} steps"
    table = Table(title="Few steps against many, under the same seeds (95 % intervals)")
    for heading in ("label", "group", f"distilled, {steps} steps", few, many, "distilled less many"):
        table.add_column(heading)
    reports = [part["attribute_accuracy"] for part in (metrics, compared["at_few_steps"], compared)]
    for group in reports[0]["groups"]:
        columns = [_rows(report["groups"][group]) for report in reports]
        for label, figure in columns[0].items():
            points = (figure["accuracy"] - columns[2][label]["accuracy"]) * 100
            table.add_row(label, group, *(_cell(column[label]) for column in columns), f"{points:+.1f} points")
    distances = [f"{compared[name]['distance']:.3f}" for name in ("student", "at_few_steps")]
    table.add_row("distance to many", "all", *distances, "0", "")
    Console().print(table)


def _rows(report: dict[str, Any]) -> dict[str, Any]:
    return {**report["columns"], "all correct": report["all_columns_correct"]}


def _cell(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['accuracy']:.1%} [{low:.1%}, {high:.1%}] of {figure['count']}"


def write_student_card(folder: RunFolder, recipe: Recipe) -> None:
    """The card of text to video, with the other model's figures as the baseline."""
    metrics = read_json(folder.metrics)
    rows: list[MetricResult] = []
    if "compared_with" in metrics:
        compared = metrics["compared_with"]
        for steps, report in (
            (compared["num_inference_steps"], compared),
            (recipe.distillation.to_steps, compared["at_few_steps"]),
        ):
            what = f"{compared['run']} at {steps} steps, same seeds"
            names = {name: f"{text}; {what}" for name, text in GROUP_NAMES.items()}
            for row in attribute_metrics(report["attribute_accuracy"], group_names=names):
                rows.append(replace(row, is_baseline=True))
        note = "root mean square, as a share of a pixel's range; from the same noise"
        name = f"distance to the {compared['num_inference_steps']} steps' videos"
        few = f"{compared['run']} at {recipe.distillation.to_steps} steps"
        distances = ((None, compared["student"]), (few, compared["at_few_steps"]))
        for group, report in distances:
            rows.append(
                MetricResult(
                    name=name,
                    value=report["distance"],
                    group=group,
                    unit="",
                    metric_type="rmse",
                    note=note,
                    is_baseline=group is not None,
                )
            )
    write_run_card(folder, recipe, with_defaults=with_defaults, more_metrics=rows)
