"""How well a mouth follows speech that is noisy, patchy or clipped."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from heygen_hf.evaluation import Measurement, Provenance, load_video_features
from heygen_hf.evaluation.robustness import CLIP_CORRUPTIONS, SEVERITIES, SOUND_CORRUPTIONS, corrupt_clip, corrupt_sound
from heygen_hf.evaluation.talking_faces import mouth_opening
from heygen_hf.evaluation.talking_faces.speech_correlation import correlation
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.audio_to_video.judged_clips import (
    LEAST_HEARD,
    evaluation_rows,
    first_frames_and_sounds,
    is_speech,
    loudness_of,
    measured_frames,
    too_few_heard,
)
from heygen_hf.tasks.audio_to_video.task import AudioToVideo
from heygen_hf.tasks.generation import load_pipeline, sample_videos
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.responsible_checks.document import Check
from heygen_hf.tasks.responsible_checks.falls import (
    distance_figure,
    fall_figure,
    features_of,
    note_on_falls,
    over_all_comparisons,
    unrelated_distance,
)
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.severity_table import COLUMNS, TITLE, severity_rows, severity_summary
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.generating import sampling_facts

_CONVENTION = (
    "videos of held-out clips' sound and first frame, one of the two corrupted, with the same seeds; the mouth's "
    "opening beside the loudness of the clean sound, Pearson's correlation, the mean over clips; p by "
    "flipping signs of clips' falls, over all falls by Holm's method"
)
_FOLLOWS = "mouth with its speech"


def check_sound_corruption(folder: Path, options: CheckOptions) -> Check:
    """Videos of held-out clips' sound, clean and corrupted; and of their first frame, where one is given.

    Raises:
        ValueError: no recipe, or fewer than two clips with speech where mouths are measured.
    """
    run = RunFolder(folder)
    recipe = load_recipe(run.recipe)
    pipeline = load_pipeline(folder, device=options.device)
    parts = AudioToVideo(recipe)
    hearing = Hearing(pipeline.audio_feature_extractor, pipeline.audio_encoder, pipeline.audio_encoder_extractor)
    parts.hearing = hearing
    clips = parts.prepare(processor=pipeline.processor, is_main=True).test
    rows = evaluation_rows(clips, recipe, limit=options.num_videos)
    given, _ = first_frames_and_sounds(
        clips, rows, recipe, processor=pipeline.processor, hearing=hearing, num_frames=recipe.evaluation.num_frames
    )
    rate, num_frames = given["audio_sampling_rate"], given["num_frames"]
    first_seed = options.seed if options.seed is not None else recipe.evaluation.seed
    measured = measured_frames(recipe, num_frames)
    loudness = [loudness_of(each, recipe, sampling_rate=rate, num_frames=num_frames) for each in given["audio"]]
    heard = [place for place, one in enumerate(loudness) if is_speech(one)]
    judges_mouths = recipe.evaluation.measure != "none"
    if judges_mouths and len(heard) < LEAST_HEARD:
        raise too_few_heard(len(heard), len(rows))
    network = load_video_features(options.video_features, device=options.device)
    precision = recipe.training.get("precision", "auto")

    def make(**changed: Any) -> torch.Tensor:
        return sample_videos(
            pipeline,
            None if recipe.data.caption_column is None else [clips.texts[row] for row in rows],
            seeds=[first_seed + number for number in range(len(rows))],
            batch_size=options.batch_size or recipe.generation.batch_size,
            precision=precision,
            **{**given, **changed},
        )[:, measured]

    def follows(videos: torch.Tensor) -> np.ndarray:
        return np.array([correlation(mouth_opening(videos[place]), loudness[place]) for place in heard])

    clean = make()
    before = follows(clean) if judges_mouths else np.zeros(0)
    seen = features_of(clean.float(), network)
    unrelated = unrelated_distance(seen, [clips.file_names[row] for row in rows])
    figures: list[Measurement] = []
    for kind, severity in tqdm(_corruptions(given), desc="corrupted inputs"):
        if kind.startswith("sound: "):
            worse = [
                corrupt_sound(each, kind.removeprefix("sound: "), severity, sampling_rate=rate, seed=options.draw_seed)
                for each in given["audio"]
            ]
            made = make(audio=worse)
        else:
            name = kind.removeprefix("first frame: ")
            pictures = [corrupt_clip(each[None], name, severity, seed=options.draw_seed)[0] for each in given["image"]]
            made = make(image=pictures)
        named = {"corruption": kind, "severity": severity}
        if judges_mouths:
            figures.append(_followed(before, follows(made), named, options))
        provenance = Provenance(
            convention=_CONVENTION,
            features=network.describe(),
            seed=options.draw_seed,
            num_resamples=1000,
            confidence=0.95,
            options={"first_seed": first_seed},
        )
        figures.append(
            distance_figure(seen, features_of(made.float(), network), unrelated, provenance=provenance, details=named)
        )
    facts = sampling_facts(pipeline, precision=precision)
    figures = over_all_comparisons(figures)
    return Check(
        name="corruption",
        title=TITLE,
        summary=severity_summary(figures, what="the sound or the first frame"),
        columns=COLUMNS,
        rows=severity_rows(figures),
        figures=figures,
        notes=[
            *note_on_falls(figures),
            f"Videos of {len(rows)} held-out clips, {len(heard)} of them with speech. Feature distance: to the video "
            "of the clean input with the same seed; unrelated videos are "
            f"{'–' if unrelated is None else format(unrelated, '.3g')} apart.",
        ],
        subject={"source": folder.resolve().name, "count": len(rows), "first_seed": first_seed, **facts},
    )


def _corruptions(given: dict[str, Any]) -> list[tuple[str, int]]:
    kinds = [f"sound: {kind}" for kind in SOUND_CORRUPTIONS]
    if "image" in given:
        kinds += [f"first frame: {kind}" for kind in CLIP_CORRUPTIONS if kind != "frame_drops"]
    return [(kind, severity) for kind in kinds for severity in SEVERITIES]


def _followed(before: np.ndarray, after: np.ndarray, named: dict[str, Any], options: CheckOptions) -> Measurement:
    return fall_figure(
        _FOLLOWS,
        before,
        after,
        provenance=Provenance(convention=_CONVENTION, seed=options.draw_seed, num_resamples=1000, confidence=0.95),
        details=named,
        is_share=False,
        unit="correlation",
    )
