"""Does the model make what the caption says? Generated videos against judges trained on real clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from heygen_hf.evaluation import AttributeJudges, attribute_accuracy, train_attribute_judges
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData, prepare_data
from heygen_hf.tasks.generation import load_pipeline, sample_videos
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json
from heygen_hf.tasks.text_to_video.card import write_run_card
from heygen_hf.tasks.text_to_video.evaluation_prompts import (
    SEEN,
    UNSEEN,
    EvaluationPrompt,
    evaluation_prompts,
    label_combinations,
)
from heygen_hf.tasks.text_to_video.evaluation_table import print_table
from heygen_hf.tasks.text_to_video.given_evaluation import evaluate_given, print_given_tables

JUDGES_INDEX = "judges.json"


@dataclass(frozen=True)
class JudgedVideos:
    """What an evaluation made and judged, for whatever else is to be measured of it.

    Attributes:
        videos: `(prompts, frames, channels, height, width)` in [0, 1]; video i was made with `first_seed + i`.
    """

    videos: torch.Tensor
    prompts: list[EvaluationPrompt]
    judges: AttributeJudges
    first_seed: int


def evaluate(
    run: str | Path,
    *,
    num_videos_per_prompt: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    output: str | Path | None = None,
    measure: Callable[..., dict[str, Any]] | None = None,
    write_card: Callable[[RunFolder, Recipe], None] = write_run_card,
) -> dict[str, Any]:
    """Evaluate a finished run anew: `heygen-hf evaluate RUN`.

    Args:
        num_videos_per_prompt: for every combination of labels; by default the recipe's numbers.
        limit: at most so many prompts.
        seed: of the generated videos; by default the recipe's.
        output: where to write the figures; by default the run's `metrics.json`, and its card is written anew; with
            `limit` or `num_videos_per_prompt`, `RUN/evaluation/partial.json`, and the card stays as it is.
        measure, write_card: of a task with figures of its own; by default `evaluate_run` and `write_run_card`.

    Raises:
        ValueError: no finished run there, or a recipe without label columns.
    """
    folder = RunFolder(Path(run))
    folder.require_export()
    if not folder.recipe.is_file():
        raise ValueError(f"{run} holds a model but no recipe.yaml, so there is no data to judge it by.")
    recipe = load_recipe(folder.recipe)
    if not recipe.data.label_columns:
        raise ValueError(
            "there is nothing to judge by: the recipe has no data.label_columns. Name the label columns of the clips."
        )
    if output is None and (limit is not None or num_videos_per_prompt is not None):
        output = folder.judges.parent / "partial.json"
    metrics = (measure or evaluate_run)(
        folder,
        recipe,
        videos_per_combination=num_videos_per_prompt,
        limit=limit,
        seed=seed,
        output=None if output is None else Path(output),
    )
    if output is None:
        write_card(folder, recipe)
    return metrics


def evaluate_run(
    folder: RunFolder,
    recipe: Recipe,
    *,
    data: PreparedData | None = None,
    videos_per_combination: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
    output: Path | None = None,
    more: Callable[[JudgedVideos], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Generate with the exported model, judge, print the table, write the JSON.

    Args:
        more: makes further figures of the judged videos, which are written with the others, all at once.
    """
    section = recipe.evaluation
    pipeline = load_pipeline(folder.path)
    processor: VideoProcessor = pipeline.processor
    if data is None:
        data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=True)
    columns = recipe.data.label_columns
    judges = run_judges(folder, recipe, data=data, processor=processor)

    # 1. Generated videos.
    prompts = evaluation_prompts(
        data,
        columns,
        per_unseen=videos_per_combination or section.videos_per_unseen_combination,
        per_seen=videos_per_combination or section.videos_per_seen_combination,
    )
    if limit is not None and limit < len(prompts):
        prompts = [prompts[i * len(prompts) // limit] for i in range(limit)]
    first_seed = section.seed if seed is None else seed
    videos = prompt_videos(pipeline, prompts, recipe=recipe, first_seed=first_seed)
    generated = judge_videos(judges, videos, prompts, columns=columns)

    # 2. The same measure on real clips: what a perfect generator would score.
    real = _judge_real_clips(judges, data, columns, processor=processor)
    metrics = {
        "attribute_accuracy": generated,
        "attribute_accuracy_real": real,
        "settings": {
            "num_videos": len(prompts),
            "first_seed": first_seed,
            "num_inference_steps": pipeline.config.num_inference_steps,
            "guidance_scale": pipeline.config.guidance_scale,
            "weights": "ema" if recipe.training.get("ema_decay", 0.999) is not None else "raw",
            "judges_on_held_out_clips": judges.held_out,
        },
        "validation_loss": read_json(folder.facts).get("validation_loss"),
    }
    # 3. What it makes of given frames, where the recipe asks.
    metrics |= evaluate_given(
        pipeline,
        judges,
        data.test,
        columns,
        section=section,
        seed=first_seed,
        batch_size=recipe.generation.batch_size,
        precision=recipe.training.get("precision", "auto"),
        limit=limit,
    )
    if more is not None:
        metrics |= more(JudgedVideos(videos, prompts, judges, first_seed))
    write_json(output or folder.metrics, metrics)
    print_table(metrics)
    print_given_tables(metrics)
    return metrics


def prompt_videos(
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[EvaluationPrompt],
    *,
    recipe: Recipe,
    first_seed: int,
    **options: Any,
) -> torch.Tensor:
    """A video for each prompt, the i-th with seed `first_seed` + i; the options are the pipeline's."""
    return sample_videos(
        pipeline,
        [prompt.text for prompt in prompts],
        seeds=[first_seed + i for i in range(len(prompts))],
        batch_size=recipe.generation.batch_size,
        precision=recipe.training.get("precision", "auto"),
        description="generating for evaluation",
        **options,
    )


def judge_videos(
    judges: AttributeJudges, videos: torch.Tensor, prompts: Sequence[EvaluationPrompt], *, columns: Sequence[str]
) -> dict[str, Any]:
    """How often the judges find in the videos what the prompts say."""
    return attribute_accuracy(
        judges.predict(videos * 2 - 1),
        {column: [prompt.labels[column] for prompt in prompts] for column in columns},
        groups=[prompt.group for prompt in prompts],
    )


def run_judges(folder: RunFolder, recipe: Recipe, *, data: PreparedData, processor: VideoProcessor) -> AttributeJudges:
    """The run's judges, trained on its real clips the first time."""
    # The index is written last: without it the judges are half there.
    if (folder.judges / JUDGES_INDEX).is_file():
        return AttributeJudges.from_pretrained(folder.judges)
    judges = train_attribute_judges(
        data.labelled_train.without_augmentation(),
        data.validation or data.test,
        label_columns=recipe.data.label_columns,
        processor=processor,
        seed=recipe.seed,
        max_steps=recipe.evaluation.judge_max_steps,
    )
    judges.save_pretrained(folder.judges)
    return judges


def _judge_real_clips(
    judges: AttributeJudges, data: PreparedData, columns: Sequence[str], *, processor: VideoProcessor
) -> dict[str, Any]:
    trained = set(label_combinations(data.labelled_train, columns))
    groups = [SEEN if combination in trained else UNSEEN for combination in label_combinations(data.test, columns)]
    references = {column: data.test.labels[column] for column in columns}
    return attribute_accuracy(judges.predict_dataset(data.test, processor=processor), references, groups=groups)
