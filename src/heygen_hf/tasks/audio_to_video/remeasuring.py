"""`heygen-hf evaluate RUN` of a finished audio-to-video run."""

from pathlib import Path
from typing import Any

from heygen_hf.tasks.audio_to_video.card import write_audio_card
from heygen_hf.tasks.audio_to_video.evaluation import evaluate_run
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.audio_to_video.task import AudioToVideo
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder


def evaluate(
    run: str | Path, *, limit: int | None = None, seed: int | None = None, output: str | Path | None = None
) -> dict[str, Any]:
    """Evaluate a finished run anew: `heygen-hf evaluate RUN`.

    Args:
        limit: at most so many test clips.
        seed: of the generated videos; by default the recipe's.
        output: where to write the figures; by default the run's `metrics.json`, and its card is written anew; with
            `limit`, `RUN/evaluation/partial.json`, and the card stays as it is.

    Raises:
        ValueError: no finished run there, or a recipe that measures nothing.
    """
    folder = RunFolder(Path(run))
    folder.require_export()
    recipe = load_recipe(folder.recipe)
    if recipe.evaluation.measure == "none":
        raise ValueError(
            "there is nothing to measure: the recipe has evaluation.measure=none. Drawn talking faces are measured "
            "with evaluation.measure=talking_faces."
        )
    if output is None and limit is not None:
        output = folder.judges.parent / "partial.json"
    pipeline = load_pipeline(folder.path)
    parts = AudioToVideo(recipe)
    # as the export hears, wherever the encoder of the recipe is by now
    parts.hearing = Hearing(pipeline.audio_feature_extractor, pipeline.audio_encoder, pipeline.audio_encoder_extractor)
    data = parts.prepare(processor=pipeline.processor, is_main=True)
    parts.check_data(data)
    metrics = evaluate_run(
        folder,
        recipe,
        data=data,
        pipeline=pipeline,
        limit=limit,
        seed=seed,
        output=None if output is None else Path(output),
    )
    if output is None:
        write_audio_card(folder, recipe)
    return metrics
