"""Generated videos on disk: for `generate`, for samples while training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.data import write_video
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.denoising import sampling_options
from heygen_hf.pipelines.long_video import plan_windows
from heygen_hf.tasks.generated_folder import GeneratedFolder, to_uint8
from heygen_hf.tasks.generation_checks import (
    check_files,
    check_hearing,
    check_prompts,
    check_sampling,
    usable_device,
)
from heygen_hf.tasks.given_files import read_given_files
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.sound_files import read_sounds
from heygen_hf.training import supports_bfloat16

# Arguments of the pipeline that hold one value for each prompt.
GIVEN = ("image", "last_image", "video", "mask", "audio")


def load_pipeline(run: str | Path, *, device: str | None = None) -> VideoGenerationPipeline:
    """The exported pipeline of a run, on a device (a GPU if there is one).

    Raises:
        ValueError: there is no run, it has no export yet, or there is no such device.
    """
    RunFolder(Path(run)).require_export()
    place = usable_device(device)
    pipeline = VideoGenerationPipeline.from_pretrained(str(run))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(place)


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


def generate(
    run: str | Path,
    prompts: Sequence[str],
    *,
    num_videos: int = 1,
    seed: int = 0,
    output_dir: str | Path,
    num_inference_steps: int | None = None,
    guidance_scale: float | dict[str, float] | None = None,
    num_frames: int | None = None,
    image: Sequence[str | Path] | None = None,
    last_image: Sequence[str | Path] | None = None,
    video: Sequence[str | Path] | None = None,
    mask: str | Path | None = None,
    audio: Sequence[str | Path] | None = None,
    prompts_per_window: bool = False,
    context_frames: int | None = None,
    context_noise: float = 0.0,
    height: int | None = None,
    width: int | None = None,
    frame_rate: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    **sampling: Any,
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
        prompts_per_window: the prompts are those of one video, window after window.
        context_frames, context_noise: of windows, see `VideoGenerationPipeline.stream_windows`.
        sampling: how to sample: `sampler`, `guidance_interval` and the others of `VideoGenerationPipeline`.
        others: by default what is saved with the pipeline.

    Returns:
        The files, in order.

    Raises:
        ValueError: no exported model, sizes the model cannot make, files that cannot be read, sound at another frame
            rate than the model's, or videos already there without `overwrite`.
    """
    adapts = sampling.get("sampler") == "dopri5"
    if adapts and num_inference_steps is not None:
        raise ValueError(
            f"num_inference_steps={num_inference_steps} says nothing with sampler dopri5, which takes as many steps as "
            "its tolerance asks for; leave one of them out"
        )
    if not adapts and any(sampling.get(name) is not None for name in ("rtol", "atol")):
        raise ValueError("only sampler dopri5 has a tolerance; choose it, or set num_inference_steps instead")
    sampling = sampling_options(sampling)
    check_files(video, mask)
    pipeline = load_pipeline(run, device=device)
    check_prompts(pipeline, prompts)
    check_sampling(pipeline, sampling)
    config = pipeline.transformer.config
    rate = frame_rate or pipeline.config.frame_rate
    check_hearing(pipeline, audio, frame_rate=rate)
    named = {"image": image, "last_image": last_image, "video": video, "audio": audio}
    windows_of = list(prompts) if prompts_per_window else []
    if windows_of:
        prompts = [" / ".join(windows_of)]
    count = len(prompts) or max((len(files) for files in named.values() if files), default=1)
    given = read_given_files(
        pipeline.processor,
        **{"image": image, "last_image": last_image, "video": video, "mask": mask, "num_prompts": count},
        **{"height": height or config.sample_height, "width": width or config.sample_width},
    )
    sounds = read_sounds(
        pipeline, audio, num_videos=count, num_frames=num_frames, frame_rate=rate, context_frames=context_frames
    )
    if sounds is not None:
        num_frames = max(sounds.num_frames)
    in_windows = pipeline.makes_windows(num_frames, context_frames) and mask is None
    pipeline.clip_shape(num_frames=None if in_windows else num_frames, height=height, width=width)
    if windows_of and not in_windows:
        raise ValueError(
            f"{len(windows_of)} prompts for the windows of a video that has one: pass --num-frames above "
            f"{config.sample_frames}, for a model that learned to go on from given frames."
        )
    output = GeneratedFolder(output_dir, overwrite=overwrite)
    # What is not asked for stays open: guidance saved with the pipeline may name conditions that this call lacks.
    saved = {name: pipeline.config[name] for name in ("num_inference_steps", "guidance_scale")}
    if adapts:
        del saved["num_inference_steps"]
    asked = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    options = {
        **{name: value for name, value in asked.items() if value is not None},
        "num_frames": num_frames or (config.sample_frames if mask is None else len(given["video"][0])),
        "height": height or config.sample_height,
        "width": width or config.sample_width,
        **sampling,
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
    progress = tqdm(total=len(texts), desc="generating", unit="video", leave=False)
    for start in range(0, len(texts), batch_size):
        some = texts[start : start + batch_size]
        seeds = [seed + start + i for i in range(len(some))]
        prompt_of = [(start + i) // num_videos for i in range(len(some))]
        batch: dict[str, Any] = {name: [values[which] for which in prompt_of] for name, values in given.items()}
        if sounds is not None:
            batch["audio"] = sounds.heard.select(prompt_of)
        if windows_of:
            batch["prompts_per_window"] = [[text] * len(some) for text in windows_of]
        captions = some if prompts and not windows_of else None
        tracks = [{} if sounds is None else sounds.track(which) for which in prompt_of]
        # of videos made together, one with shorter sound is as long as its own
        own = [{} if sounds is None else {"num_frames": sounds.num_frames[which]} for which in prompt_of]
        with ExitStack() as stack:
            # an error is read alone, without a bar that got nowhere
            stack.push(lambda kind, *_: progress.close() if kind is not None else None)
            stack.callback(output.remove_if_empty)
            writers = output.writers(len(some), frame_rate=rate, tracks=tracks)
            for writer in writers:
                stack.enter_context(writer)
            done = 0
            for videos in stream_videos(pipeline, captions, seeds=seeds, in_windows=in_windows, **options, **batch):
                for writer, frames, length in zip(writers, videos, own, strict=True):
                    left = max(0, length.get("num_frames", options["num_frames"]) - done)
                    if left:
                        writer.write(frames[:left])
                done += videos.shape[1]
        for writer, text, one_seed, which, length in zip(writers, some, seeds, prompt_of, own, strict=True):
            row = {"text": text, "seed": one_seed, **saved, **options, **length, "frame_rate": rate}
            row |= {name: some_files[which % len(some_files)] for name, some_files in names.items()}
            output.add(writer.path, row)
        progress.update(len(some))
        # Written batch by batch: what was made before a crash keeps its captions.
        output.save()
    output.save(complete=True)
    progress.close()
    made = "1 video" if len(output.files) == 1 else f"{len(output.files)} videos"
    print(f"{made} and metadata.jsonl are in {output.folder}")
    return output.files


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
