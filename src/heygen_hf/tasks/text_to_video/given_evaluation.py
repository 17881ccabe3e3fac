"""Does the video keep what it was given? Image to video and continuation from test clips, judged as captions are."""

from collections.abc import Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from tqdm.auto import tqdm

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation import AttributeJudges, attribute_accuracy
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.long_video import plan_windows
from heygen_hf.tasks.generation import fast_math
from heygen_hf.tasks.text_to_video.recipe import EvaluationSection


def evaluate_given(
    pipeline: VideoGenerationPipeline,
    judges: AttributeJudges,
    clips: VideoClipDataset,
    columns: Sequence[str],
    *,
    section: EvaluationSection,
    seed: int,
    batch_size: int,
    precision: str = "auto",
    limit: int | None = None,
) -> dict[str, Any]:
    """The figures that the recipe's evaluation section asks for: "image_to_video", "continuation", both or none.

    Args:
        clips: test clips, of which the section says how many; taken evenly.
        seed: video i is made with seed + i.
        limit: at most so many clips.
    """
    options = {"columns": columns, "seed": seed, "batch_size": batch_size, "precision": precision}
    figures: dict[str, Any] = {}
    for name, count, measure in (
        ("image_to_video", section.image_to_video_clips, _image_to_video),
        ("continuation", section.continuation_clips, _continuation),
    ):
        count = min(count, len(clips), len(clips) if limit is None else limit)
        if count:
            rows = [i * len(clips) // count for i in range(count)]
            figures[name] = measure(
                pipeline,
                judges,
                clips,
                rows,
                num_frames=section.continuation_frames,
                context_frames=section.continuation_context_frames,
                **options,
            )
    return figures


def _image_to_video(
    pipeline: VideoGenerationPipeline,
    judges: AttributeJudges,
    clips: VideoClipDataset,
    rows: Sequence[int],
    *,
    columns: Sequence[str],
    num_frames: int,  # noqa: ARG001 - the model's own
    context_frames: int | None,  # noqa: ARG001 - there is one window
    **options: Any,
) -> dict[str, Any]:
    """Labels of the frames after a clip's first one, which is given: with its caption, and with nothing else."""
    references = {column: [clips.labels[column][row] for row in rows] for column in columns}
    figures: dict[str, Any] = {"num_videos": len(rows), "judged": "generated frames, from the second on"}
    predicted: dict[str, dict[str, list[str]]] = {}
    for name in ("with_caption", "without_caption", "real"):
        predicted[name] = {column: [] for column in columns}
    for some in _batches(rows, description="image to video", **options):
        frames = _frames(clips, some["rows"])
        made = {"real": frames}
        texts = [clips.texts[row] for row in some["rows"]]
        for name, prompts in (("with_caption", texts), ("without_caption", None)):
            with fast_math(pipeline.device.type, options["precision"]):
                made[name] = pipeline(
                    prompts, image=list(frames[:, 0]), generator=some["generators"](), output_type="pt"
                ).frames.cpu()
        for name, videos in made.items():
            # the given frame must not help: the second one stands in for it
            generated = torch.cat((videos[:, 1:2], videos[:, 1:]), dim=1)
            for column, values in judges.predict(generated.float() * 2 - 1).items():
                predicted[name][column] += values
    return figures | {name: attribute_accuracy(values, references) for name, values in predicted.items()}


def _continuation(
    pipeline: VideoGenerationPipeline,
    judges: AttributeJudges,
    clips: VideoClipDataset,
    rows: Sequence[int],
    *,
    columns: Sequence[str],
    num_frames: int,
    context_frames: int | None,
    **options: Any,
) -> dict[str, Any]:
    """Labels and brightness of the last window of clips that went on to `num_frames`, beside those of the clips."""
    plan = plan_windows(pipeline.transformer.config, context_frames=context_frames)
    references = {column: [clips.labels[column][row] for row in rows] for column in columns}
    predicted: dict[str, dict[str, list[str]]] = {
        "last_window": {column: [] for column in columns},
        "real": {column: [] for column in columns},
    }
    moments: dict[str, list[torch.Tensor]] = {"last_window": [], "real": []}
    for some in _batches(rows, description="continuation", **options):
        frames = _frames(clips, some["rows"])
        windows = pipeline.stream_windows(
            [clips.texts[row] for row in some["rows"]],
            video=list(frames),
            num_frames=num_frames,
            context_frames=plan.context_frames,
            generator=some["generators"](),
        )
        end = frames
        with fast_math(pipeline.device.type, options["precision"]):
            for window in windows:
                end = torch.cat((end, window), dim=1)[:, -plan.window_frames :]
        for name, videos in (("last_window", end.float()), ("real", frames)):
            for column, values in judges.predict(videos * 2 - 1).items():
                predicted[name][column] += values
            moments[name].append(torch.stack((videos.mean(), videos.square().mean())) * len(videos))
    figures: dict[str, Any] = {
        "num_videos": len(rows),
        "num_frames": num_frames,
        "context_frames": plan.context_frames,
    }
    for name, values in predicted.items():
        mean, square = (torch.stack(moments[name]).sum(0) / len(rows)).tolist()
        pixels = {"pixel_mean": mean, "pixel_std": max(0.0, square - mean**2) ** 0.5}
        figures[name] = attribute_accuracy(values, references) | pixels
    return figures


def _frames(clips: VideoClipDataset, rows: Sequence[int]) -> torch.Tensor:
    """`(clips, frames, channels, height, width)` in [0, 1]."""
    return torch.stack([torch.as_tensor(clips[row]["frames"]) for row in rows]) / 255


def _batches(
    rows: Sequence[int],
    *,
    seed: int,
    batch_size: int,
    description: str,
    precision: str,  # noqa: ARG001 - of the sampling, not of the batches
) -> Any:
    """Rows with what makes their generators, a batch at a time."""
    for start in tqdm(range(0, len(rows), batch_size), desc=description):
        some = list(rows[start : start + batch_size])
        seeds = [seed + start + i for i in range(len(some))]
        yield {"rows": some, "generators": lambda seeds=seeds: [torch.Generator().manual_seed(s) for s in seeds]}


def print_given_tables(metrics: dict[str, Any]) -> None:
    """Accuracy per label column of what was made from given frames, beside real clips."""
    for key, title, parts in (
        ("image_to_video", "Do frames 2 and on show what the given first frame shows?", _IMAGE_PARTS),
        ("continuation", "Does the end of a continued clip show what its start shows?", _CONTINUATION_PARTS),
    ):
        if key not in metrics:
            continue
        table = Table(title=f"{title} ({metrics[key]['num_videos']} test clips)")
        table.add_column("label")
        for heading in parts.values():
            table.add_column(heading)
        for column in metrics[key]["real"]["columns"]:
            cells = [f"{metrics[key][part]['columns'][column]['accuracy']:.1%}" for part in parts]
            table.add_row(column, *cells)
        for name in ("pixel_mean", "pixel_std"):
            if name in metrics[key]["real"]:
                table.add_row(name.replace("_", " "), *(f"{metrics[key][part][name]:.4f}" for part in parts))
        Console().print(table)


_IMAGE_PARTS = {
    "with_caption": "image and caption",
    "without_caption": "image alone",
    "real": "real clips (ceiling)",
}
_CONTINUATION_PARTS = {"last_window": "last window", "real": "real clips (ceiling)"}
