"""What a video made from a given picture or clip becomes when that is noisy, blurred or halting."""

from collections.abc import Sequence
from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.evaluation import Measurement, Provenance, VideoFeatures, load_video_features
from heygen_hf.evaluation.robustness import CLIP_CORRUPTIONS, SEVERITIES, corrupt_clip
from heygen_hf.tasks.generation import sample_videos
from heygen_hf.tasks.responsible_checks.document import Check, not_applicable
from heygen_hf.tasks.responsible_checks.falls import (
    distance_figure,
    fall_figure,
    features_of,
    note_on_falls,
    over_all_comparisons,
    unrelated_distance,
)
from heygen_hf.tasks.responsible_checks.judging import Judging, judging_of
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.real_clips import ClipsOfRows, labelled_real_clips
from heygen_hf.tasks.responsible_checks.severity_table import COLUMNS, TITLE, severity_rows, severity_summary
from heygen_hf.tasks.responsible_checks.subject import CheckedVideos
from heygen_hf.tasks.video_metrics.run_to_measure import RunToMeasure

_CONVENTION = (
    "figures of the generated frames of videos that go on from given frames, these corrupted (after Hendrycks and "
    "Dietterich 2019) and as they are, with the same seeds; the fall over pairs of videos, bootstrapped; "
    "p by the sign test, over all falls by Holm's method"
)
_PREFIX = ("prefix", "random")


def check_given_corruption(videos: CheckedVideos, options: CheckOptions) -> Check:
    """Videos from held-out clips' first frames, clean and corrupted; nothing else is given, captions neither."""
    run, recipe = videos.run, videos.recipe
    shares = (recipe.training.get("given_frames") or {}) if recipe is not None else {}
    learned = {name for name, share in shares.items() if share and name != "none"}
    if run is None or not learned & {"first", *_PREFIX}:
        return not_applicable("corruption", TITLE, "The model takes no picture, clip or sound.", subject=videos.facts)
    if run.real is None:
        raise ValueError("corruption needs held-out clips to give frames of: pass --reference FOLDER")
    total = run.pipeline.transformer.config.sample_frames
    given = 1
    if learned & set(_PREFIX):
        # half of a clip at most: motion must be seen in what is generated
        given = max(1, min(total // 2, recipe.training.get("given_prefix_frames") or total))  # type: ignore[union-attr]
    clips = labelled_real_clips(run, min(len(run.wanted), len(run.real)))
    judging = judging_of(run.folder, recipe, processor=run.processor)
    network = load_video_features(options.video_features, device=options.device)

    def make(kind: str | None, severity: int) -> torch.Tensor:
        return _videos(run, clips, given, kind, severity, seed=options.draw_seed)

    clean = make(None, 0)
    labels = clips.labels
    before = {} if judging is None else judging.hits(_generated(clean, given), labels)
    seen = features_of(clean, network)
    unrelated = unrelated_distance(seen, clips.names)
    figures: list[Measurement] = []
    wanted = [(kind, severity) for kind in CLIP_CORRUPTIONS for severity in SEVERITIES]
    if given == 1:
        wanted = [each for each in wanted if each[0] != "frame_drops"]
    for kind, severity in tqdm(wanted, desc="corrupted inputs"):
        made = make(kind, severity)
        named = {"corruption": kind, "severity": severity}
        after = {} if judging is None else judging.hits(_generated(made, given), labels)
        figures += [
            fall_figure(
                f"accuracy, {column}",
                before[column],
                values,
                provenance=_provenance(judging, run, given, options),
                details=named,
            )
            for column, values in after.items()
        ]
        moved = features_of(made, network)
        figures.append(
            distance_figure(seen, moved, unrelated, provenance=_provenance(network, run, given, options), details=named)
        )
    what = "the first frame" if given == 1 else f"the first {given} frames"
    figures = over_all_comparisons(figures)
    return Check(
        name="corruption",
        title=TITLE,
        summary=severity_summary(figures, what=f"what is given ({what})"),
        columns=COLUMNS,
        rows=severity_rows(figures),
        figures=figures,
        notes=[
            *note_on_falls(figures),
            f"The model is given {what} of {len(clips)} held-out clips and no caption; what is judged are the frames "
            "that it makes. Feature distance: to the video of the clean input with the same seed; unrelated videos are "
            f"{'–' if unrelated is None else format(unrelated, '.3g')} apart.",
        ],
        subject={**videos.facts, "count": len(clips), "given_frames": given},
    )


def _videos(
    run: RunToMeasure, clips: ClipsOfRows, given: int, kind: str | None, severity: int, *, seed: int
) -> torch.Tensor:
    """`(clips, frames, channels, height, width)` in [0, 1]."""
    starts = []
    for clip in clips:
        start = clip[:given]
        starts.append((start if kind is None else corrupt_clip(start, kind, severity, seed=seed)).float() / 255)
    options: dict[str, Any] = {"image": [start[0] for start in starts]} if given == 1 else {"video": starts}
    first = run.wanted[0].seed
    return sample_videos(
        run.pipeline,
        None,
        seeds=[first + number for number in range(len(clips))],
        batch_size=run.batch_size,
        precision=run.precision,
        **options,
    )


def _generated(videos: torch.Tensor, given: int) -> torch.Tensor:
    """The given frames must not help: the first generated one stands in for them."""
    return torch.cat((videos[:, given : given + 1].expand(-1, given, -1, -1, -1), videos[:, given:]), dim=1).float()


def _provenance(
    network: VideoFeatures | Judging | None, run: RunToMeasure, given: int, options: CheckOptions
) -> Provenance:
    seeds: Sequence[int] = [run.wanted[0].seed]
    return Provenance(
        convention=_CONVENTION,
        features=None if network is None else network.describe(),
        seed=options.draw_seed,
        num_resamples=1000,
        confidence=0.95,
        options={"given_frames": given, "first_seed": seeds[0]},
    )
