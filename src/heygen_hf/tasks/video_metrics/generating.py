"""A run's videos for measuring: made once, kept with what they were made of, and taken up again where it stopped."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from heygen_hf.data.cache import hash_weights
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation import sample_videos, to_uint8
from heygen_hf.tasks.generation.folder import GeneratedFolder


@dataclass(frozen=True)
class WantedVideo:
    """A video to measure. `prompt` is None for a model without captions."""

    prompt: str | None
    seed: int


def sampling_facts(pipeline: VideoGenerationPipeline, *, precision: str) -> dict[str, Any]:
    """What all videos of one measurement have in common, the hash of the model's weights among it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder):
        digest.update(b"-" if part is None else hash_weights(part))
    config = pipeline.transformer.config
    return {
        "weights": digest.hexdigest(),
        "num_inference_steps": pipeline.config.num_inference_steps,
        "guidance_scale": pipeline.config.guidance_scale,
        "num_frames": config.sample_frames,
        "height": config.sample_height,
        "width": config.sample_width,
        "frame_rate": pipeline.config.frame_rate,
        "precision": precision,
    }


def make_videos(
    pipeline: VideoGenerationPipeline,
    wanted: Sequence[WantedVideo],
    *,
    folder: Path,
    facts: dict[str, Any],
    batch_size: int,
) -> list[Path]:
    """Write the videos that are not there yet, without loss, so that what is measured is what the model made.

    A video is kept where its row in `metadata.jsonl` says the same prompt, seed, weights and settings, and the file is
    the one that was written with it.
    """
    rows = [_row(video, facts) for video in wanted]
    kept = _kept_videos(folder, rows)
    output = GeneratedFolder(folder, overwrite=True)
    missing = len(wanted) - len(kept)
    if kept:
        print(f"{len(kept)} of {len(wanted)} videos are there already; {missing} are made")
    with tqdm(total=missing, desc="generating", unit="video", leave=False, disable=not missing) as progress:
        start = 0
        while start < len(wanted):
            if start in kept:
                output.add(kept[start], {**rows[start], "file_hash": _file_hash(kept[start])})
                start += 1
                continue
            end = start
            while end < len(wanted) and end not in kept and end - start < batch_size:
                end += 1
            _make_batch(pipeline, wanted[start:end], rows[start:end], output, precision=facts["precision"])
            progress.update(end - start)
            start = end
    output.save(complete=not _same_model(folder, facts))
    return output.files


def _make_batch(
    pipeline: VideoGenerationPipeline,
    wanted: Sequence[WantedVideo],
    rows: Sequence[dict[str, Any]],
    output: GeneratedFolder,
    *,
    precision: str,
) -> None:
    prompts = [video.prompt or "" for video in wanted]
    videos = sample_videos(
        pipeline,
        None if pipeline.tokenizer is None else prompts,
        seeds=[video.seed for video in wanted],
        batch_size=len(wanted),
        precision=precision,
    )
    lossless: list[dict[str, Any]] = [{"lossless": True} for _ in wanted]
    writers = output.writers(len(wanted), frame_rate=pipeline.config.frame_rate, tracks=lossless)
    for writer, frames, row in zip(writers, to_uint8(videos), rows, strict=True):
        with writer:
            writer.write(frames)
        output.add(writer.path, {**row, "file_hash": _file_hash(writer.path)})
    output.save()


def _row(video: WantedVideo, facts: dict[str, Any]) -> dict[str, Any]:
    return {"text": video.prompt or "", "seed": video.seed, **facts}


def _kept_videos(folder: Path, rows: Sequence[dict[str, Any]]) -> dict[int, Path]:
    """Number → file of the videos that need not be made again."""
    there = _read_rows(folder)
    kept = {}
    for number, row in enumerate(rows):
        path = folder / f"{number:05d}.mp4"
        found = dict(there.get(path.name, {}))
        file_hash = found.pop("file_hash", None)
        # through JSON, as the rows there are
        if found == json.loads(json.dumps(row)) and path.is_file() and file_hash == _file_hash(path):
            kept[number] = path
    return kept


def _same_model(folder: Path, facts: dict[str, Any]) -> bool:
    """Whether every video there, those beyond the wanted ones too, was made with this model and these settings."""
    plain = json.loads(json.dumps(facts))
    return all(row.get(name) == value for row in _read_rows(folder).values() for name, value in plain.items())


def _read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    metadata = folder / "metadata.jsonl"
    rows = {}
    for line in metadata.read_text(encoding="utf-8", errors="replace").splitlines() if metadata.is_file() else ():
        try:
            row = json.loads(line)
            rows[str(row.pop("file_name"))] = row
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # such a video is made again
    return rows


def _file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
