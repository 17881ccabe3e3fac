"""Which videos `generate` makes, batch after batch, and what is recorded of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heygen_hf.tasks.generation.sound_files import Sounds


@dataclass(frozen=True)
class Batch:
    """Videos that are made together.

    Attributes:
        texts, seeds: of each.
        sources: which prompt, or given file, each is made of.
    """

    texts: list[str]
    seeds: list[int]
    sources: list[int]


@dataclass(frozen=True)
class Videos:
    """What is made, and how.

    Attributes:
        prompts: captions; one alone, of all windows together, where `windows` holds them.
        count: videos before repeats.
        options: of the pipeline's call, for all of them.
        given: its arguments with a value for each video before repeats.
        sounds: what they are made of and carry; None for silent ones.
        windows: the prompt of each window; empty where all windows have the same.
        in_windows: written window by window.
        frame_rate: of the files.
        recorded: what `metadata.jsonl` says of all of them beside the options.
        files: name of the argument → names of the files given.
    """

    prompts: Sequence[str]
    count: int
    options: dict[str, Any]
    given: Mapping[str, Sequence[Any]]
    sounds: Sounds | None
    windows: list[str]
    in_windows: bool
    frame_rate: float
    recorded: dict[str, Any]
    files: dict[str, list[str]]

    def batches(self, *, num_videos: int, seed: int, batch_size: int) -> list[Batch]:
        """`num_videos` of each, seeds counted through all."""
        texts = [prompt for prompt in self.prompts or [""] * self.count for _ in range(num_videos)]
        batches = []
        for start in range(0, len(texts), batch_size):
            some = texts[start : start + batch_size]
            numbers = range(start, start + len(some))
            batches.append(Batch(some, [seed + i for i in numbers], [i // num_videos for i in numbers]))
        return batches

    def call(self, batch: Batch) -> dict[str, Any]:
        """The arguments of the pipeline for a batch, captions apart."""
        arguments = {name: [values[i] for i in batch.sources] for name, values in self.given.items()}
        if self.sounds is not None:
            arguments["audio"] = self.sounds.heard.select(batch.sources)
        if self.windows:
            arguments["prompts_per_window"] = [[text] * len(batch.texts) for text in self.windows]
        return self.options | arguments

    def captions(self, batch: Batch) -> list[str] | None:
        """Of a batch; None where there are none, or where each window has its own."""
        return batch.texts if self.prompts and not self.windows else None

    def track(self, source: int) -> dict[str, Any]:
        """The sound of a video, as `write_video` takes it."""
        return {} if self.sounds is None else self.sounds.track(source)

    def num_frames(self, source: int) -> int:
        """Of a video: of those made together, one with shorter sound is as long as its own."""
        return self.options["num_frames"] if self.sounds is None else self.sounds.num_frames[source]

    def row(self, text: str, seed: int, source: int) -> dict[str, Any]:
        """How a video was made."""
        files = {name: names[source % len(names)] for name, names in self.files.items()}
        made = {**self.recorded, **self.options, "num_frames": self.num_frames(source), "frame_rate": self.frame_rate}
        return {"text": text, "seed": seed, **made, **files}
