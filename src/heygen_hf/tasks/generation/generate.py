"""What `heygen-hf generate` does: checks, a plan of all videos, then batch after batch on disk."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.denoising import sampling_options
from heygen_hf.pipelines.long_video import plan_windows
from heygen_hf.tasks.generation.checks import check_files, check_hearing, check_prompts, check_sampling
from heygen_hf.tasks.generation.folder import GeneratedFolder
from heygen_hf.tasks.generation.given_files import read_given_files
from heygen_hf.tasks.generation.plan import Batch, Videos
from heygen_hf.tasks.generation.sampling import load_pipeline, stream_videos
from heygen_hf.tasks.generation.sound_files import read_sounds


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
    adapts = _check_tolerance(num_inference_steps, sampling)
    sampling = sampling_options(sampling)
    check_files(video, mask)
    pipeline = load_pipeline(run, device=device)
    check_prompts(pipeline, prompts)
    check_sampling(pipeline, sampling)
    config = pipeline.clip_config
    rate = frame_rate or pipeline.config.frame_rate
    check_hearing(pipeline, audio, frame_rate=rate)

    # 1. What is given.
    named = {"image": image, "last_image": last_image, "video": video, "audio": audio, "mask": [mask] if mask else None}
    windows = list(prompts) if prompts_per_window else []
    if windows:
        prompts = [" / ".join(windows)]
    count = len(prompts) or max((len(files) for name, files in named.items() if files and name != "mask"), default=1)
    height, width = height or config.sample_height, width or config.sample_width
    given = read_given_files(
        pipeline.processor,
        image=image,
        last_image=last_image,
        video=video,
        mask=mask,
        num_prompts=count,
        height=height,
        width=width,
    )
    sounds = read_sounds(
        pipeline, audio, num_videos=count, num_frames=num_frames, frame_rate=rate, context_frames=context_frames
    )
    if sounds is not None:
        num_frames = max(sounds.num_frames)

    # 2. In one piece or in windows.
    in_windows = pipeline.makes_windows(num_frames, context_frames) and mask is None
    pipeline.clip_shape(num_frames=None if in_windows else num_frames, height=height, width=width)
    if windows and not in_windows:
        raise ValueError(
            f"{len(windows)} prompts for the windows of a video that has one: pass --num-frames above "
            f"{config.sample_frames}, for a model that learned to go on from given frames."
        )
    context = _context(pipeline, in_windows=in_windows, context_frames=context_frames, context_noise=context_noise)
    asked = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    # What is not asked for stays open: guidance saved with the pipeline may name conditions that this call lacks.
    saved = {name: pipeline.config[name] for name in asked if not (adapts and name == "num_inference_steps")}
    videos = Videos(
        prompts=prompts,
        count=count,
        options={
            **{name: value for name, value in asked.items() if value is not None},
            "num_frames": num_frames or (config.sample_frames if mask is None else len(given["video"][0])),
            "height": height,
            "width": width,
            **sampling,
            **context,
        },
        given=given,
        sounds=sounds,
        windows=windows,
        in_windows=in_windows,
        frame_rate=rate,
        recorded=saved,
        files={name: [Path(file).name for file in files] for name, files in named.items() if files},
    )

    # 3. On disk, batch after batch.
    output = GeneratedFolder(output_dir, overwrite=overwrite)
    batches = videos.batches(num_videos=num_videos, seed=seed, batch_size=batch_size or 16)
    progress = tqdm(total=sum(len(batch.texts) for batch in batches), desc="generating", unit="video", leave=False)
    for batch in batches:
        with ExitStack() as stack:
            # an error is read alone, without a bar that got nowhere
            stack.push(lambda kind, *_: progress.close() if kind is not None else None)
            stack.callback(output.remove_if_empty)
            _write_batch(pipeline, videos, batch, output)
        progress.update(len(batch.texts))
    output.save(complete=True)
    progress.close()
    made = "1 video" if len(output.files) == 1 else f"{len(output.files)} videos"
    print(f"{made} and metadata.jsonl are in {output.folder}")
    return output.files


def _check_tolerance(num_inference_steps: int | None, sampling: Mapping[str, Any]) -> bool:
    """Whether the sampler chooses its steps by itself; raises where the options contradict that."""
    adapts = sampling.get("sampler") == "dopri5"
    if adapts and num_inference_steps is not None:
        raise ValueError(
            f"num_inference_steps={num_inference_steps} says nothing with sampler dopri5, which takes as many steps as "
            "its tolerance asks for; leave one of them out"
        )
    if not adapts and any(sampling.get(name) is not None for name in ("rtol", "atol")):
        raise ValueError("only sampler dopri5 has a tolerance; choose it, or set num_inference_steps instead")
    return adapts


def _context(
    pipeline: VideoGenerationPipeline, *, in_windows: bool, context_frames: int | None, context_noise: float
) -> dict[str, Any]:
    """The pipeline's options of windows; none where there is one window and nothing was asked."""
    if in_windows:
        plan = plan_windows(pipeline.clip_config, context_frames=context_frames)
        return {"context_frames": plan.context_frames, "context_noise": context_noise}
    return {} if context_frames is None else {"context_frames": context_frames}


def _write_batch(pipeline: VideoGenerationPipeline, videos: Videos, batch: Batch, output: GeneratedFolder) -> None:
    """Make the videos of a batch and say in the folder's `metadata.jsonl` how: what was made before a crash keeps its
    captions."""
    with ExitStack() as stack:
        tracks = [videos.track(source) for source in batch.sources]
        writers = output.writers(len(batch.texts), frame_rate=videos.frame_rate, tracks=tracks)
        for writer in writers:
            stack.enter_context(writer)
        done = 0
        windows = stream_videos(
            pipeline, videos.captions(batch), seeds=batch.seeds, in_windows=videos.in_windows, **videos.call(batch)
        )
        for window in windows:
            for writer, frames, source in zip(writers, window, batch.sources, strict=True):
                left = max(0, videos.num_frames(source) - done)
                if left:
                    writer.write(frames[:left])
            done += window.shape[1]
    for writer, text, seed, source in zip(writers, batch.texts, batch.seeds, batch.sources, strict=True):
        output.add(writer.path, videos.row(text, seed, source))
    output.save()
