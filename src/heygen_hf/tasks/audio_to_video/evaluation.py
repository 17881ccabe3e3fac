"""Does the mouth follow the speech, and is it still the same face? Videos of test clips' first frames and sound."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation.talking_faces import (
    IdentityMatches,
    SpeechCorrelation,
    loudness_per_frame,
    match_identities,
    mouth_opening,
    speech_correlation,
)
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.audio_to_video.card import write_audio_card
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.audio_to_video.judged_clips import (
    check_identities,
    evaluation_rows,
    first_frames_and_sounds,
)
from heygen_hf.tasks.clip_data import PreparedData, prepare_data
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json
from heygen_hf.tasks.video_files import load_pipeline, sample_videos

_STILL = 1e-6  # a loudness that changes by less is silence


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
    metrics = evaluate_run(folder, recipe, limit=limit, seed=seed, output=None if output is None else Path(output))
    if output is None:
        write_audio_card(folder, recipe)
    return metrics


def evaluate_run(
    folder: RunFolder,
    recipe: Recipe,
    *,
    data: PreparedData | None = None,
    limit: int | None = None,
    seed: int | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Generate with the exported model, measure, print the table, write the JSON."""
    section = recipe.evaluation
    pipeline = load_pipeline(folder.path)
    processor: VideoProcessor = pipeline.processor
    if data is None:
        data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=True)
        check_identities(data.test, recipe)
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

    # 2. Do mouths follow their own speech, and not another's? Beside it real clips, the most that can be expected.
    loudness = [
        loudness_per_frame(
            sound.numpy(),
            sampling_rate=given["audio_sampling_rate"],
            num_frames=videos.shape[1],
            frame_rate=pipeline.config.frame_rate,
        )
        for sound in given["audio"]
    ]
    heard = [i for i, one in enumerate(loudness) if np.ptp(one) > _STILL]  # nothing can follow silence
    if len(heard) < 2:
        raise ValueError(f"{len(heard)} of {len(rows)} test clips have speech; the measure needs at least 2")
    figures: dict[str, Any] = {
        "num_videos": len(rows),
        "num_frames": videos.shape[1],
        "num_silent": len(rows) - len(heard),
    }
    own = [loudness[i] for i in heard]
    others = own[1:] + own[:1]
    for name, frames in (("generated", videos), ("real", real)):
        openings = [mouth_opening(frames[i]) for i in heard]
        lengths = [len(one) for one in openings]
        figures[name] = {
            "own_speech": _correlation_as_json(speech_correlation(openings, _cut(own, lengths))),
            "other_speech": _correlation_as_json(speech_correlation(openings, _cut(others, lengths))),
            "mean_opening": float(np.mean([one.mean() for one in openings])),
        }

    # 3. Whose faces are they?
    if section.identity_column is not None:
        identities = [clips.labels[section.identity_column][row] for row in rows]
        figures["generated"]["identity"] = _identity(list(videos), real, identities)
        figures["real"]["identity"] = _identity(real, real, identities)
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


def _cut(series: list[np.ndarray], lengths: list[int]) -> list[np.ndarray]:
    return [one[:length] for one, length in zip(series, lengths, strict=True)]


def _correlation_as_json(found: SpeechCorrelation) -> dict[str, Any]:
    return {
        "correlation": found.mean,
        "interval": [found.low, found.high],
        "count": len(found.per_clip),
        "num_still": found.num_still,
    }


def _identity(videos: list[torch.Tensor], real: list[torch.Tensor], identities: list[str]) -> dict[str, Any]:
    """Each video's nearest of the faces, each face the first real clip that shows it."""
    names = list(dict.fromkeys(identities))
    references = [real[identities.index(name)] for name in names]
    found: IdentityMatches = match_identities(videos, references, [names.index(name) for name in identities])
    return {
        "share": found.share,
        "interval": [found.low, found.high],
        "count": len(found.matched),
        "num_references": found.num_references,
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
