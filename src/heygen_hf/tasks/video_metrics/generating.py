"""A run's videos for measuring: made once, in as many processes as there are, and taken up where they stopped."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from heygen_hf.data.cache import hash_weights
from heygen_hf.data.video import VideoWriter
from heygen_hf.evaluation.registry.gathering import process_share
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation import sample_videos, to_uint8
from heygen_hf.tasks.run_folder import no_empty_folder_left
from heygen_hf.tasks.video_metrics.kept_videos import KeptVideos, refuse_files_of_others
from heygen_hf.tasks.video_metrics.processes import first_process_only, together
from heygen_hf.training import supports_bfloat16
from heygen_hf.training.checkpoints.lock import only_writer

Given = Callable[[Sequence[int]], dict[str, Any]]
"""Numbers of videos → the pipeline's further arguments, one value for each of them, such as `audio` and `image`."""


@dataclass(frozen=True)
class WantedVideo:
    """A video to measure. `prompt` is None for a model without captions; `given` names what else it is made of."""

    prompt: str | None
    seed: int
    given: str | None = None


def sampling_facts(pipeline: VideoGenerationPipeline, *, precision: str) -> dict[str, Any]:
    """What all videos of one measurement have in common, the hash of the model's weights among it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.audio_encoder):
        digest.update(b"-" if part is None else hash_weights(part))
    config = pipeline.clip_config
    if precision == "auto":
        precision = "bf16" if supports_bfloat16(pipeline.device.type) else "fp32"
    return {
        "weights": digest.hexdigest(),
        "settings": _hash_of_settings(pipeline),
        "num_inference_steps": pipeline.config.num_inference_steps,
        "guidance_scale": pipeline.config.guidance_scale,
        "num_frames": config.sample_frames,
        "height": config.sample_height,
        "width": config.sample_width,
        "frame_rate": pipeline.config.frame_rate,
        "precision": precision,
    }


def _hash_of_settings(pipeline: VideoGenerationPipeline) -> str:
    """Of what is saved beside the weights and changes what they make: scheduler, tokenizer, front end of sound."""
    tokenizer, hearing = pipeline.tokenizer, pipeline.audio_feature_extractor
    scheduler = getattr(pipeline, "scheduler", None)
    described = {
        "scheduler": None if scheduler is None else [type(scheduler).__name__, dict(scheduler.config)],
        "tokens": None if tokenizer is None else sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]),
        "hearing": None if hearing is None else hearing.to_dict(),
    }
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_videos(
    pipeline: VideoGenerationPipeline,
    wanted: Sequence[WantedVideo],
    *,
    folder: Path,
    facts: dict[str, Any],
    batch_size: int,
    given: Given | None = None,
) -> list[Path]:
    """Write the videos that are not there yet, without loss, so that what is measured is what the model made.

    A video is kept where its row in `metadata.jsonl` says the same prompt, seed, weights and settings, and the file is
    the one that was written with it. Of several processes each makes every so-manieth batch; batches begin at the same
    videos however many processes there are and wherever an earlier start stopped, so that videos are the same to the
    bit.

    Raises:
        ValueError: the folder holds files of others, or another evaluation makes videos in it.
    """
    with _only_one_in(folder):
        return _make_missing(pipeline, wanted, folder=folder, facts=facts, batch_size=batch_size, given=given)


@contextmanager
def _only_one_in(folder: Path) -> Iterator[None]:
    """Keep another evaluation, which would take away what this one is writing, out of the folder.

    Raises:
        ValueError: one is in it.
    """
    with ExitStack() as held:

        def enter() -> None:
            refuse_files_of_others(folder)
            held.enter_context(no_empty_folder_left(folder))
            folder.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(only_writer(folder))
            except ValueError:
                raise ValueError(
                    f"another heygen-hf evaluate makes videos in {folder}: wait until it has ended, or give another "
                    "--videos-dir"
                ) from None

        first_process_only(enter)
        yield


def _make_missing(
    pipeline: VideoGenerationPipeline,
    wanted: Sequence[WantedVideo],
    *,
    folder: Path,
    facts: dict[str, Any],
    batch_size: int,
    given: Given | None,
) -> list[Path]:
    rank, num_processes = process_share()
    kept = KeptVideos(folder, [_row(video, facts) for video in wanted])
    starts = range(0, len(wanted), batch_size)[rank::num_processes]
    batches = [range(start, min(start + batch_size, len(wanted))) for start in starts]
    missing = {batch: [number for number in batch if not kept.is_there(number)] for batch in batches}
    count, share = sum(map(len, missing.values())), sum(map(len, batches))
    if count < share:
        print(f"{share - count} of {share} videos are there already; {count} are made")

    def make() -> None:
        with tqdm(total=count, desc="generating", unit="video", leave=False, disable=not count or rank > 0) as progress:
            for batch, numbers in missing.items():
                if numbers:
                    _make_batch(pipeline, wanted, batch, kept, numbers=numbers, facts=facts, given=given)
                progress.update(len(numbers))

    together(make)
    return kept.finish(same=facts)


def _make_batch(
    pipeline: VideoGenerationPipeline,
    wanted: Sequence[WantedVideo],
    batch: Sequence[int],
    kept: KeptVideos,
    *,
    numbers: Sequence[int],
    facts: dict[str, Any],
    given: Given | None,
) -> None:
    """Make a whole batch, whose videos round together, and write those that are missing."""
    further = {} if given is None else given(batch)
    videos = sample_videos(
        pipeline,
        None if pipeline.tokenizer is None else [wanted[number].prompt or "" for number in batch],
        seeds=[wanted[number].seed for number in batch],
        batch_size=len(batch),
        precision=facts["precision"],
        **further,
    )
    kept.begin(numbers)
    for place, number in enumerate(batch):
        if number in numbers:
            track: dict[str, Any] = {}
            if "audio" in further:
                track = {"audio": further["audio"][place], "sampling_rate": further["audio_sampling_rate"]}
            rate = facts["frame_rate"]
            with VideoWriter(kept.path(number), frame_rate=rate, lossless=True, **track) as writer:
                writer.write(to_uint8(videos[place]))
    kept.add(numbers)


def _row(video: WantedVideo, facts: dict[str, Any]) -> dict[str, Any]:
    row = {"text": video.prompt or "", "seed": video.seed, **facts}
    return row if video.given is None else {**row, "given": video.given}
