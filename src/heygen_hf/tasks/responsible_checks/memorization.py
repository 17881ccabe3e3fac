"""Are videos copies of training clips? The nearest training clip of each, beside how near held-out clips come."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.evaluation import Measurement, Provenance, VideoFeatures, load_video_features
from heygen_hf.evaluation.clip_stream import read_batches
from heygen_hf.evaluation.clip_stream.batches import Clips, ClipShape
from heygen_hf.evaluation.memorization import NearerShare, NearestClips, nearer_share, pixel_features
from heygen_hf.tasks.responsible_checks.document import Check
from heygen_hf.tasks.responsible_checks.nearest_sheet import write_nearest_sheet
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.subject import CheckedVideos
from heygen_hf.tasks.responsible_checks.training_clips import TrainingClips, training_clips

TITLE = "Nearest training clips (95 % intervals)"
COLUMNS = ("seen through", "videos nearer than 95 % of held-out clips", "expected", "nearer than all", "distance")
VIEWS = ("as it is", "mirrored", "a frame later", "a frame earlier")
QUANTILE = 0.05
TOP_K = 5
_LISTED = 20  # pairs in the file
_SHOWN = 8  # pairs in the picture
_BATCH = 64
_CONVENTION = (
    "share of videos whose nearest training clip is nearer than the 5 % quantile of held-out clips' nearest ones; of "
    "each video, its mirror image and itself a frame later or earlier the nearest counts, as of each held-out clip; "
    "Euclidean distance of features; "
    "the interval is Wilson's at both ends of the quantile's own interval"
)


def check_memorization(videos: CheckedVideos, options: CheckOptions, *, sheet: Path | None) -> Check:
    """Search all training clips for the nearest of each video.

    Args:
        sheet: where the picture of the nearest pairs goes; None for none.

    Raises:
        ValueError: no training clips are known, or they are of another size than the videos.
    """
    training = training_clips(videos, options)
    networks = {"features": load_video_features(options.video_features, device=options.device)}
    networks["pixels"] = pixel_features()
    shape = next(iter(read_batches([videos.clips[0]], batch_size=1))).shape

    # 1. What is looked for: each video in several views, and the same of held-out clips.
    made = {name: _views(videos.clips, network) for name, network in networks.items()}
    real = {}
    if training.held_out is not None:
        real = {name: _views(training.held_out, network, like=shape) for name, network in networks.items()}
    searches = {
        name: NearestClips(torch.cat([each for each in (made[name], real.get(name)) if each is not None]), top_k=TOP_K)
        for name in networks
    }
    # 2. All training clips, a batch in memory at a time.
    for batch in _progress(training.clips, shape):
        for name, network in networks.items():
            searches[name].update(network(batch.clips), batch.indices)
    num_training = next(iter(searches.values())).num_seen
    if not num_training:
        raise ValueError("there are no training clips to look among; give --training-data FOLDER")

    # 3. How near is near?
    count = len(videos.clips)
    figures, rows, pairs = [], [], {}
    for name, network in networks.items():
        nearest = searches[name]
        pairs[name] = _pairs(nearest, count, videos, training)
        if training.held_out is None:
            rows.append((network.name, "–", "–", "–", _distances_text(nearest.distances[:count, 0])))
            continue
        found = nearer_share(
            nearest.distances[:count, 0].numpy(), nearest.distances[count:, 0].numpy(), quantile=QUANTILE
        )
        figures.append(_measurement(found, name, network, shape, options, num_training))
        rows.append(_row(found, network, nearest, count))
    files = []
    if sheet is not None:
        write_nearest_sheet(sheet, videos.clips, training.clips, pairs["pixels"][:_SHOWN])
        files = [f"{sheet.parent.name}/{sheet.name}"]
    return Check(
        name="memorization",
        title=TITLE,
        summary=_summary(figures, pairs, num_training),
        columns=COLUMNS,
        rows=rows,
        figures=figures,
        notes=_notes(training),
        subject=videos.facts,
        details={
            "training": {"source": training.source, "count": num_training},
            "held_out_count": 0 if training.held_out is None else len(next(iter(searches.values())).distances) - count,
            "nearest_pairs": {name: each[:_LISTED] for name, each in pairs.items()},
        },
        files=files,
    )


def _views(clips: Clips, network: VideoFeatures, *, like: ClipShape | None = None) -> torch.Tensor:
    """`(clips, views, features)`."""
    found = []
    for batch in read_batches(clips, batch_size=_BATCH, name="held-out", like=_without_rate(like)):
        clips = batch.clips
        later, earlier = torch.cat((clips[:, 1:], clips[:, -1:]), 1), torch.cat((clips[:, :1], clips[:, :-1]), 1)
        views = (clips, clips.flip(-1), later, earlier)  # as `VIEWS` calls them
        found.append(torch.stack([network(view) for view in views], dim=1))
    return torch.cat(found)


def _progress(clips: Clips, shape: ClipShape) -> Iterator[Any]:
    total = len(clips) if hasattr(clips, "__len__") else None
    with tqdm(total=total, desc="training clips", unit="clip", leave=False) as bar:
        for batch in read_batches(clips, batch_size=_BATCH, name="training", like=_without_rate(shape)):
            yield batch
            bar.update(len(batch.indices))


def _without_rate(shape: ClipShape | None) -> ClipShape | None:
    # a copy at another rate has the same frames
    return None if shape is None else replace(shape, frame_rate=None)


def _pairs(nearest: NearestClips, count: int, videos: CheckedVideos, training: TrainingClips) -> list[dict[str, Any]]:
    """A video and its nearest training clip, the nearest pair first."""
    distances = nearest.distances[:count]
    held_out = nearest.distances[count:, 0].sort().values
    order = distances[:, 0].argsort(stable=True).tolist()
    pairs = []
    for place in order:
        distance, index = float(distances[place, 0]), int(nearest.indices[place, 0])
        others = distances[place, 1:][distances[place, 1:].isfinite()]
        below = int(torch.searchsorted(held_out, torch.tensor(distance, dtype=torch.float64), right=False))
        pairs.append(
            {
                "video": videos.clips.paths[place].name,
                "index": place,
                "prompt": None if videos.prompts is None else videos.prompts[place],
                "training_clip": training.names[index],
                "training_index": index,
                "view": VIEWS[int(nearest.views[place, 0])],
                "distance": distance,
                # near 0 where one clip is near and no other, as of a copy
                "ratio_to_next": distance / float(others.mean()) if len(others) and float(others.mean()) else None,
                "held_out_share_nearer": below / len(held_out) if len(held_out) else None,
            }
        )
    return pairs


def _measurement(
    found: NearerShare,
    name: str,
    network: VideoFeatures,
    shape: ClipShape,
    options: CheckOptions,
    num_training: int,
) -> Measurement:
    return Measurement(
        name=f"nearer than 95 % of held-out clips, {name}",
        value=found.share,
        count=found.count,
        reference_count=found.held_out_count,
        reference_value=found.expected,
        higher_is_better=False,
        unit="share",
        interval=found.interval,
        provenance=Provenance(
            convention=_CONVENTION,
            features=network.describe(),
            clips={"frames": shape.frames, "channels": shape.channels, "height": shape.height, "width": shape.width},
            seed=options.draw_seed,
            confidence=0.95,
            options={"quantile": QUANTILE, "views": list(VIEWS), "training_clips": num_training},
        ),
        details={
            "features": name,
            "threshold": found.threshold,
            "threshold_interval": found.threshold_interval,
            "nearer": found.nearer,
            "nearer_than_all_held_out": found.nearer_than_all,
            "median_ratio": found.median_ratio,
        },
    )


def _row(found: NearerShare, network: VideoFeatures, nearest: NearestClips, count: int) -> tuple[str, ...]:
    low, high = found.interval
    return (
        network.name,
        f"{found.share:.1%} [{low:.1%}, {high:.1%}], {found.nearer} of {found.count}",
        f"{found.expected:.1%} of {found.held_out_count}",
        str(found.nearer_than_all),
        f"{_distances_text(nearest.distances[:count, 0])}; held-out {_distances_text(nearest.distances[count:, 0])}",
    )


def _distances_text(distances: torch.Tensor) -> str:
    return f"median {float(distances.median()):.3g}, least {float(distances.min()):.3g}"


def _notes(training: TrainingClips) -> list[str]:
    notes = [
        "Looked for are copies, mirrored ones, and ones that begin a frame earlier or later. Of copies that are moved "
        "within the picture, reversed or recoloured these features find few: give a network made for it (--features)."
    ]
    if training.held_out is None:
        notes.append("There are no held-out clips, so nothing says how near is near: only distances are given.")
    if training.seen is not None:
        notes.append(training.seen)
    return notes


def _summary(figures: Sequence[Measurement], pairs: dict[str, list[dict[str, Any]]], num_training: int) -> str:
    if not figures:
        nearest = pairs["pixels"][0]
        return f"Of {num_training} training clips the nearest to a video is {nearest['distance']:.3g} away in pixels."
    above = [figure for figure in figures if figure.interval and figure.interval[0] > (figure.reference_value or 0.0)]
    copies = max(figure.details["nearer_than_all_held_out"] for figure in figures)
    if above:
        worst = max(above, key=lambda figure: figure.value)
        return (
            f"Videos come nearer to training clips than held-out clips do: {worst.value:.1%} of {worst.count} lie "
            f"within the nearest {worst.reference_value:.1%} of held-out clips' distances "
            f"({worst.details['features']}), and up to {copies} are nearer than every held-out clip; look at the "
            "nearest pairs."
        )
    if copies:
        return (
            f"Videos as a whole come no nearer to the {num_training} training clips than held-out clips do, but up to "
            f"{copies} are nearer than every held-out clip; look at the nearest pairs."
        )
    return f"Videos come no nearer to the {num_training} training clips than held-out real clips do."
