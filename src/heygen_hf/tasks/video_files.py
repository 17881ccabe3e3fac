"""Generated videos on disk: for `generate`, for samples while training."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from tqdm.auto import tqdm

from heygen_hf.data import write_video
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.long_video import plan_windows
from heygen_hf.tasks.given_files import read_given_files
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import supports_bfloat16

# Arguments of the pipeline that hold one value for each prompt.
GIVEN = ("image", "last_image", "video", "mask")


def load_pipeline(run: str | Path, *, device: str | None = None) -> VideoGenerationPipeline:
    """The exported pipeline of a run, on a device (a GPU if there is one).

    Raises:
        ValueError: there is no run, or it has no export yet.
    """
    RunFolder(Path(run)).require_export()
    pipeline = VideoGenerationPipeline.from_pretrained(str(run))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def fast_math(device_type: str, precision: str) -> AbstractContextManager:
    """Autocast to bfloat16 when the precision says so, or leaves it open and the device multiplies it natively."""
    wanted = precision == "bf16" or (precision == "auto" and supports_bfloat16(device_type))
    return torch.autocast(device_type, torch.bfloat16) if wanted else nullcontext()


def sample_videos(
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    batch_size: int,
    precision: str = "auto",
    description: str | None = None,
    **options: object,
) -> torch.Tensor:
    """Sample prompt i with seed i, in batches: `(videos, frames, channels, height, width)` in [0, 1].

    A video depends on its own seed alone, whatever the batch size (up to rounding).

    Args:
        options: of the pipeline; lists under the names of given frames hold as many as there are prompts.
        precision: "fp32", "bf16", or "auto": bfloat16 where the device multiplies it natively.
    """
    videos = []
    starts = range(0, len(prompts), batch_size)
    with fast_math(pipeline.device.type, precision):
        for start in tqdm(starts, desc=description, disable=description is None):
            some = slice(start, start + batch_size)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds[some]]
            here = {name: value[some] if name in GIVEN else value for name, value in options.items()}
            videos.append(pipeline(list(prompts[some]), generator=generators, output_type="pt", **here).frames.cpu())
    return torch.cat(videos)


def to_uint8(videos: torch.Tensor) -> torch.Tensor:
    """[0, 1] floats to 0..255, rounded."""
    return (videos.float() * 255).round().clamp(0, 255).to(torch.uint8)


def generate(
    run: str | Path,
    prompts: Sequence[str],
    *,
    num_videos: int = 1,
    seed: int = 0,
    output_dir: str | Path,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    num_frames: int | None = None,
    image: Sequence[str | Path] | None = None,
    last_image: Sequence[str | Path] | None = None,
    video: Sequence[str | Path] | None = None,
    mask: str | Path | None = None,
    context_frames: int | None = None,
    context_noise: float = 0.0,
    height: int | None = None,
    width: int | None = None,
    frame_rate: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write `num_videos` videos for each prompt, in order, and a `metadata.jsonl` that says how each was made.

    Video i (over all prompts) is made with seed + i. Files are `00000.mp4`, `00001.mp4`, ….

    Args:
        run: a run's folder or any folder holding an exported pipeline.
        prompts: captions.
        image, last_image, video: files to start from (or end at), one for each prompt or one for all; the clip goes
            on from its last frame.
        mask: a picture as large as `video`, white where it is generated anew.
        num_frames: of the whole video, given frames included; beyond the model's window it is made in windows.
        context_frames, context_noise: of windows, see `VideoGenerationPipeline.stream_windows`.
        others: by default what is saved with the pipeline.

    Returns:
        The files, in order.

    Raises:
        ValueError: no exported model, sizes the model cannot make, files that cannot be read, or videos already there
            without `overwrite`.
    """
    pipeline = load_pipeline(run, device=device)
    config = pipeline.transformer.config
    in_windows = pipeline.makes_windows(num_frames, context_frames) and mask is None
    pipeline.clip_shape(num_frames=None if in_windows else num_frames, height=height, width=width)
    given = read_given_files(
        pipeline.processor,
        **{"image": image, "last_image": last_image, "video": video, "mask": mask, "num_prompts": len(prompts)},
        **{"height": height or config.sample_height, "width": width or config.sample_width},
    )
    output = Path(output_dir)
    metadata = output / "metadata.jsonl"
    if metadata.exists() and not overwrite:
        raise ValueError(f"{output} already holds generated videos; use --overwrite or another --output-dir.")
    output.mkdir(parents=True, exist_ok=True)
    remove_listed_videos(metadata)
    options = {
        "num_inference_steps": num_inference_steps or pipeline.config.num_inference_steps,
        "guidance_scale": pipeline.config.guidance_scale if guidance_scale is None else guidance_scale,
        "num_frames": num_frames or (config.sample_frames if mask is None else len(given["video"][0])),
        "height": height or config.sample_height,
        "width": width or config.sample_width,
    }
    if in_windows:
        plan = plan_windows(config, context_frames=context_frames)
        options |= {"context_frames": plan.context_frames, "context_noise": context_noise}
    elif context_frames is not None:
        options["context_frames"] = context_frames
    named = {"image": image, "last_image": last_image, "video": video, "mask": mask and [mask]}
    names = {name: [Path(file).name for file in files] for name, files in named.items() if files}
    rate = frame_rate or pipeline.config.frame_rate
    texts = [prompt for prompt in prompts for _ in range(num_videos)]
    batch_size = batch_size or 16
    files: list[Path] = []
    rows: list[str] = []
    progress = tqdm(total=len(texts), desc="generating", unit="video")
    for start in range(0, len(texts), batch_size):
        some = texts[start : start + batch_size]
        seeds = [seed + start + i for i in range(len(some))]
        prompt_of = [(start + i) // num_videos for i in range(len(some))]
        batch = {name: [values[which] for which in prompt_of] for name, values in given.items()}
        videos = to_uint8(sample_videos(pipeline, some, seeds=seeds, batch_size=batch_size, **options, **batch))
        for text, one_seed, which, frames in zip(some, seeds, prompt_of, videos, strict=True):
            file = output / f"{len(files):05d}.mp4"
            write_video(file, frames, frame_rate=rate)
            files.append(file)
            row = {"file_name": file.name, "text": text, "seed": one_seed, **options, "frame_rate": rate}
            row |= {name: some_files[which % len(some_files)] for name, some_files in names.items()}
            rows.append(json.dumps(row, ensure_ascii=False) + "\n")
        progress.update(len(some))
        # Written batch by batch: what was made before a crash keeps its captions.
        metadata.write_text("".join(rows), encoding="utf-8")
    progress.close()
    print(f"{len(files)} videos and metadata.jsonl are in {output}")
    return files


def remove_listed_videos(metadata: Path) -> None:
    """Remove the videos that a `metadata.jsonl` of `generate` lists, so that none is left without a row."""
    if metadata.is_file():
        for line in metadata.read_text(encoding="utf-8").splitlines():
            (metadata.parent / Path(json.loads(line)["file_name"]).name).unlink(missing_ok=True)
        metadata.unlink()


def sample_grid_writer(
    pipeline: VideoGenerationPipeline, prompts: Sequence[str], *, folder: Path, seed: int, precision: str = "auto"
) -> Callable[[int], None]:
    """A function that samples the prompts with the pipeline as it stands and writes one grid video for a step."""

    def write_samples(step: int) -> None:
        seeds = [seed + i for i in range(len(prompts))]
        pipeline.set_progress_bar_config(disable=True)
        videos = sample_videos(pipeline, prompts, seeds=seeds, batch_size=len(prompts), precision=precision)
        folder.mkdir(parents=True, exist_ok=True)
        write_video(
            folder / f"step-{step:07d}.mp4", video_grid(to_uint8(videos)), frame_rate=pipeline.config.frame_rate
        )

    return write_samples


def video_grid(videos: torch.Tensor, *, columns: int = 4) -> torch.Tensor:
    """Videos `(count, frames, channels, height, width)` side by side: `(frames, channels, rows * height, ...)`."""
    count = videos.shape[0]
    columns = min(columns, count)
    rows = -(-count // columns)
    blank = videos.new_zeros((rows * columns - count, *videos.shape[1:]))
    cells = torch.cat((videos, blank)).unflatten(0, (rows, columns))
    return cells.permute(2, 3, 0, 4, 1, 5).flatten(4, 5).flatten(2, 3).contiguous()
