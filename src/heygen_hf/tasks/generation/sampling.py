"""An exported pipeline, and videos made with it."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.models.pretrained_generators import FAMILIES
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.generation.folder import to_uint8
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.training import supports_bfloat16

# Arguments of the pipeline that hold one value for each prompt.
GIVEN = ("image", "last_image", "video", "mask", "audio")


def load_pipeline(run: str | Path, *, device: str | None = None) -> VideoGenerationPipeline:
    """The exported pipeline of a run, on a device (a GPU if there is one).

    Of a fine-tuning, and of a published pipeline of diffusers as it is, one that is called alike.

    Raises:
        ValueError: there is no run, it has no export yet, or there is no such device.
    """
    RunFolder(Path(run)).require_export()
    place = usable_device(device)
    if RunFolder(Path(run)).base_pipeline.is_file():
        from heygen_hf.tasks.finetuning.loading import load_finetuned  # which needs this module

        finetuned: Any = load_finetuned(run, dtype="auto")
        finetuned.set_progress_bar_config(disable=True)
        return finetuned.to(place)
    if _is_anothers(run):
        from heygen_hf.tasks.finetuning.base.sampling import load_published

        published: Any = load_published(run)
        published.set_progress_bar_config(disable=True)
        return published.to(place)
    pipeline = VideoGenerationPipeline.from_pretrained(str(run))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(place)


def _is_anothers(run: str | Path) -> bool:
    """Whether a folder holds a pipeline that is of one of the published families."""
    class_name = read_json(RunFolder(Path(run)).model_index).get("_class_name")
    return any(class_name in family.pipeline_classes for family in FAMILIES)


def fast_math(device_type: str, precision: str) -> AbstractContextManager:
    """Autocast to bfloat16 when the precision says so, or leaves it open and the device multiplies it natively."""
    wanted = precision == "bf16" or (precision == "auto" and supports_bfloat16(device_type))
    return torch.autocast(device_type, torch.bfloat16) if wanted else nullcontext()


def sample_videos(
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[str] | None,
    *,
    seeds: Sequence[int],
    batch_size: int,
    precision: str = "auto",
    description: str | None = None,
    **options: Any,
) -> torch.Tensor:
    """Sample prompt i with seed i, in batches: `(videos, frames, channels, height, width)` in [0, 1].

    A video depends on its own seed alone, whatever the batch size (up to rounding).

    Args:
        prompts: None for a model without captions.
        options: of the pipeline; what is under the names of `GIVEN` holds as many as there are seeds.
        precision: "fp32", "bf16", or "auto": bfloat16 where the device multiplies it natively.
    """
    videos = []
    starts = range(0, len(seeds), batch_size)
    with fast_math(pipeline.device.type, precision):
        for start in tqdm(starts, desc=description, disable=description is None):
            some = slice(start, start + batch_size)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[some]]
            here = {name: value[some] if name in GIVEN else value for name, value in options.items()}
            texts = None if prompts is None else list(prompts[some])
            videos.append(pipeline(texts, generator=generators, output_type="pt", **here).frames.cpu())
    return torch.cat(videos)


def stream_videos(
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[str] | None,
    *,
    seeds: Sequence[int],
    in_windows: bool,
    precision: str = "auto",
    **options: Any,
) -> Iterator[torch.Tensor]:
    """Videos made together, as uint8 `(videos, frames, channels, height, width)`: window by window, or all at once.

    Args:
        options: of `VideoGenerationPipeline.stream_windows`, or of a call.
    """
    if not in_windows:
        videos = sample_videos(pipeline, prompts, seeds=seeds, batch_size=len(seeds), precision=precision, **options)
        yield to_uint8(videos)
        return
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    texts = None if prompts is None else list(prompts)
    with fast_math(pipeline.device.type, precision):
        for window in pipeline.stream_windows(texts, generator=generators, **options):
            yield to_uint8(window)
