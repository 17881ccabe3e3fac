"""Does the mouth follow the speech, and is it still the same face? Videos of test clips' first frames and sound."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation.talking_faces import (
    SpeechCorrelation,
    mouth_opening,
    speech_correlation,
)
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.audio_to_video.identity import measure_identity
from heygen_hf.tasks.audio_to_video.judged_clips import (
    LEAST_HEARD,
    evaluation_rows,
    first_frames_and_sounds,
    is_speech,
    loudness_of,
    measured_frames,
    too_few_heard,
)
from heygen_hf.tasks.audio_to_video.other_speech import Partners, choose_partners, recordings_of
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.generation import load_pipeline, sample_videos
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json


def evaluate_run(
    folder: RunFolder,
    recipe: Recipe,
    *,
    data: PreparedData,
    pipeline: VideoGenerationPipeline | None = None,
    limit: int | None = None,
    seed: int | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Generate with the exported model, measure, print the table, write the JSON.

    Where the first frame is given, everything is measured from the second on: what the model made.
    """
    section = recipe.evaluation
    pipeline = pipeline or load_pipeline(folder.path)
    processor: VideoProcessor = pipeline.processor
    clips: VideoClipDataset = data.test
    hearing = Hearing(pipeline.audio_feature_extractor, pipeline.audio_encoder, pipeline.audio_encoder_extractor)
    rows = evaluation_rows(clips, recipe, limit=limit)
    given, real = first_frames_and_sounds(
        clips, rows, recipe, processor=processor, hearing=hearing, num_frames=section.num_frames
    )

    # 1. Generated videos.
    first_seed = section.seed if seed is None else seed
    videos = sample_videos(
        pipeline,
        None if recipe.data.caption_column is None else [clips.texts[row] for row in rows],
        seeds=[first_seed + i for i in range(len(rows))],
        batch_size=recipe.generation.batch_size,
        precision=recipe.training.get("precision", "auto"),
        description="generating for evaluation",
        **given,
    )
    made = measured_frames(recipe, given["num_frames"])
    shown = {"generated": [video[made] for video in videos], "real": [clip[made] for clip in real]}

    # 2. Do mouths follow their own speech, and not another's? Beside it real clips, the most that can be expected.
    loudness = [
        loudness_of(sound, recipe, sampling_rate=given["audio_sampling_rate"], num_frames=given["num_frames"])
        for sound in given["audio"]
    ]
    heard = [i for i, one in enumerate(loudness) if is_speech(one)]  # nothing can follow silence
    if len(heard) < LEAST_HEARD:
        raise too_few_heard(len(heard), len(rows))
    partners = _partners(clips, [rows[i] for i in heard], recipe)
    figures: dict[str, Any] = {
        "num_videos": len(rows),
        "num_frames": given["num_frames"],
        "num_frames_measured": len(loudness[0]),
        "num_silent": len(rows) - len(heard),
        "other_speech_differs_in": list(partners.kept_apart),
    }
    compared = [i for i, others in enumerate(partners.of_clip) if others]
    for kind, frames in shown.items():
        openings = [mouth_opening(frames[i]) for i in heard]
        own = [loudness[i] for i in heard]
        others = [np.stack([own[j] for j in partners.of_clip[i]]) for i in compared]
        figures[kind] = {
            "own_speech": _correlation_as_json(speech_correlation(openings, own)),
            "other_speech": _correlation_as_json(speech_correlation([openings[i] for i in compared], others)),
            "mean_opening": float(np.mean([one.mean() for one in openings])),
        }

    # 3. Whose faces are they?
    if section.identity_column is not None:
        found = measure_identity(shown, clips, rows, column=section.identity_column, processor=processor)
        for kind, figure in found.items():
            figures[kind]["identity"] = figure
    metrics = {
        "talking_faces": figures,
        "settings": {
            "first_seed": first_seed,
            "num_inference_steps": pipeline.config.num_inference_steps,
            "guidance_scale": pipeline.config.guidance_scale,
            "first_frame_given": "image" in given,
            "weights": "ema" if recipe.training.get("ema_decay", 0.999) is not None else "raw",
        },
        "validation_loss": read_json(folder.facts).get("validation_loss"),
    }
    write_json(output or folder.metrics, metrics)
    print_table(metrics)
    return metrics


def _partners(clips: VideoClipDataset, rows: list[int], recipe: Recipe) -> Partners:
    """Whose speech each clip is compared with, numbered within `rows`; what there is to say of it is said."""
    column = recipe.evaluation.identity_column
    identities = None if column is None else [clips.labels[column][row] for row in rows]
    partners = choose_partners(len(rows), identities=identities, recordings=recordings_of(clips, rows, recipe.data))
    if partners.note is not None:
        print(partners.note)
    return partners


def _correlation_as_json(found: SpeechCorrelation) -> dict[str, Any]:
    return {
        "correlation": found.mean,
        "interval": [found.low, found.high],
        "count": len(found.per_clip),
        "num_still": found.num_still,
    }


def print_table(metrics: dict[str, Any]) -> None:
    """The figures, generated beside real."""
    figures = metrics["talking_faces"]
    table = Table(title=f"Talking faces: {figures['num_videos']} test clips (95 % intervals)")
    for heading in ("measure", "generated", "real clips (ceiling)"):
        table.add_column(heading)
    for name, words in (("own_speech", "mouth with its speech"), ("other_speech", "mouth with other speech")):
        table.add_row(words, *(_correlation_cell(figures[kind][name]) for kind in ("generated", "real")))
    if "identity" in figures["generated"]:
        count = figures["generated"]["identity"]["num_references"]
        cells = [_identity_cell(figures[kind]["identity"]) for kind in ("generated", "real")]
        table.add_row(f"the same face (1 of {count})", *cells)
    table.add_row("mean opening", *(f"{figures[kind]['mean_opening']:.3f}" for kind in ("generated", "real")))
    Console().print(table)


def _correlation_cell(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['correlation']:.3f} [{low:.3f}, {high:.3f}]"


def _identity_cell(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['share']:.1%} [{low:.1%}, {high:.1%}]"
