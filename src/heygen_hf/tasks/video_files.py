"""Generated videos on disk: for `generate`, for samples while training."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.data import write_video
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.long_video import plan_windows
from heygen_hf.tasks.given_files import read_given_files
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.sound_files import read_sounds
from heygen_hf.training import supports_bfloat16

# Arguments of the pipeline that hold one value for each prompt.
GIVEN = ("image", "last_image", "video", "mask", "audio")


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
    audio: Sequence[str | Path] | None = None,
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
        prompts: captions; none for a model without, or for videos of given files alone.
        image, last_image, video: files to start from (or end at), one for each prompt or one for all; the clip goes
            on from its last frame.
        audio: files with sound, likewise, for a model that hears; the videos carry it, and last as long.
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
    rate = frame_rate or pipeline.config.frame_rate
    named = {"image": image, "last_image": last_image, "video": video, "audio": audio}
    count = len(prompts) or max((len(files) for files in named.values() if files), default=1)
    given = read_given_files(
        pipeline.processor,
        **{"image": image, "last_image": last_image, "video": video, "mask": mask, "num_prompts": count},
        **{"height": height or config.sample_height, "width": width or config.sample_width},
    )
    sounds = read_sounds(pipeline, audio, num_videos=count, num_frames=num_frames, frame_rate=rate)
    if sounds is not None:
        num_frames = max(sounds.num_frames)
    in_windows = pipeline.makes_windows(num_frames, context_frames) and mask is None
    pipeline.clip_shape(num_frames=None if in_windows else num_frames, height=height, width=width)
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
    named["mask"] = [mask] if mask else None
    names = {name: [Path(file).name for file in files] for name, files in named.items() if files}
    texts = [prompt for prompt in prompts or [""] * count for _ in range(num_videos)]
    batch_size = batch_size or 16
    files: list[Path] = []
    rows: list[str] = []
    progress = tqdm(total=len(texts), desc="generating", unit="video")
    for start in range(0, len(texts), batch_size):
        some = texts[start : start + batch_size]
        seeds = [seed + start + i for i in range(len(some))]
        prompt_of = [(start + i) // num_videos for i in range(len(some))]
        batch: dict[str, Any] = {name: [values[which] for which in prompt_of] for name, values in given.items()}
        if sounds is not None:
            batch["audio"] = sounds.heard.select(prompt_of)
        captions = some if prompts else None
        videos = to_uint8(sample_videos(pipeline, captions, seeds=seeds, batch_size=batch_size, **options, **batch))
        for text, one_seed, which, frames in zip(some, seeds, prompt_of, videos, strict=True):
            file = output / f"{len(files):05d}.mp4"
            # of videos made together, one with shorter sound is as long as its own
            own = {} if sounds is None else {"num_frames": sounds.num_frames[which]}
            track = {} if sounds is None else sounds.track(which)
            write_video(file, frames[: own.get("num_frames")], frame_rate=rate, **track)
            files.append(file)
            row = {"file_name": file.name, "text": text, "seed": one_seed, **options, **own, "frame_rate": rate}
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
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[str] | None,
    *,
    folder: Path,
    seed: int,
    precision: str = "auto",
    given: Mapping[str, Any] | None = None,
) -> Callable[[int], None]:
    """A function that samples the prompts with the pipeline as it stands and writes one grid video for a step.

    Args:
        given: further arguments of the pipeline, see `sample_videos`.
    """
    given = given or {}
    count = len(prompts) if prompts is not None else max(len(given[name]) for name in GIVEN if name in given)

    def write_samples(step: int) -> None:
        seeds = [seed + i for i in range(count)]
        pipeline.set_progress_bar_config(disable=True)
        videos = sample_videos(pipeline, prompts, seeds=seeds, batch_size=count, precision=precision, **given)
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
