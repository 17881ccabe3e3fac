"""A folder of videos that are measured as they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data.video import probe_video
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.evaluation import METRICS, Measurement, MeasuringSettings, MetricModels, VideoFiles
from heygen_hf.evaluation.talking_faces import loudness_per_frame
from heygen_hf.tasks.video_metrics.captions import captions_of
from heygen_hf.tasks.video_metrics.figures import check_counts, figures_of
from heygen_hf.tasks.video_metrics.networks import make_metrics
from heygen_hf.tasks.video_metrics.processes import first_process_first, first_process_only, together
from heygen_hf.tasks.video_metrics.report import print_figures, write_figures
from heygen_hf.tasks.video_metrics.source import Source

_SAMPLING_RATE = 16000


def given_videos(folder: Path, *, num_videos: int | None) -> tuple[VideoFiles, list[str] | None]:
    """The videos of a folder (the first so many, by name) and, where each has one, their prompts.

    Raises:
        ValueError: it holds no video, or fewer than asked for.
    """
    videos = VideoFiles(folder)
    if num_videos is not None:
        if num_videos > len(videos):
            raise ValueError(f"{folder} holds {len(videos)} videos, fewer than --num-videos {num_videos}; leave it out")
        videos = VideoFiles(videos.paths[:num_videos])
    return videos, captions_of(folder, videos.paths)


def measure_given(
    source: Source,
    names: Sequence[str],
    models: MetricModels,
    settings: MeasuringSettings,
    *,
    reference: str | Path | None,
    num_videos: int | None,
    output: Path | None,
) -> tuple[dict[str, Measurement], list[Path]]:
    """Figures and files; written where `output` says."""
    folder = source.path
    videos, prompts = given_videos(folder, num_videos=num_videos)
    real = None if reference is None else VideoFiles(reference)
    for name in names:
        kind = METRICS[name].metric
        if kind.needs_references and real is None:
            raise ValueError(f"{name} compares with real clips: pass --reference FOLDER, or leave {name} out")
        if kind.needs_prompts and prompts is None:
            raise ValueError(
                f"{name} compares videos with their prompts: {folder} needs a metadata.jsonl or metadata.csv with "
                f"file_name and text of each video, or a .txt file beside each, or leave {name} out"
            )
        if kind.needs_pairs and real is not None and len(real) != len(videos):
            raise ValueError(
                f"{name} compares each video with its reference, in the order of their names: there are {len(videos)} "
                f"videos and {len(real)} references; give as many, or leave {name} out"
            )
    ready = first_process_first(lambda: make_metrics(names, models, settings))
    check_counts(
        ready,
        num_videos=len(videos),
        num_references=None if real is None else len(real),
        frames_per_clip=models.frames_per_clip,
        allow_too_few=settings.allow_too_few,
    )
    needs_sounds = any(metric.needs_sounds for metric in ready)
    figures = figures_of(
        ready,
        videos,
        references=None if real is None else real.as_references(),
        beside=real,
        prompts=prompts,
        sounds=together(lambda: [_loudness(path) for path in videos.paths]) if needs_sounds else None,
        settings=settings,
    )
    print_figures(figures)
    if output is not None:
        facts: dict[str, Any] = {
            "videos": {"source": source.name, "count": len(videos), "hash": videos.content_hash(), "resize": None},
            "references": None
            if real is None or reference is None
            else {
                "source": Path(reference).resolve().name,
                "count": len(real),
                "hash": real.content_hash(),
                "processor": None,
            },
        }
        first_process_only(lambda: write_figures(output, figures, facts))
        print(f"the figures, with where each comes from: {output}")
    return figures, videos.paths


def _loudness(path: Path) -> torch.Tensor:
    """Of a video's own sound, at each of its frames."""
    found = probe_video(str(path))
    seconds = found.num_frames / found.frame_rate
    sound = decode_audio(str(path), start_seconds=0, duration_seconds=seconds, sampling_rate=_SAMPLING_RATE)
    if not sound.has_track:
        raise ValueError(f"audio_video_sync: {path.name} has no sound; leave the video out, or audio_video_sync")
    loudness = loudness_per_frame(
        sound.samples.numpy(),
        sampling_rate=_SAMPLING_RATE,
        num_frames=found.num_frames,
        frame_rate=found.frame_rate,
    )
    return torch.from_numpy(loudness)
