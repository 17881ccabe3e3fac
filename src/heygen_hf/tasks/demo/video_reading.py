"""Models that read a video: what they say of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForVideoClassification, AutoTokenizer

from heygen_hf.data import decode_video
from heygen_hf.models import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionForQuestionAnswering,
)
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.demo.video_making import package_versions_here
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.run_folder import RunFolder, read_json

_MOST_LABELS = 5


@dataclass(frozen=True)
class Reading:
    """Attributes:
    text: what the model says.
    shares: label -> how sure it is, the surest first; empty for a model that writes.
    settings: how it was read.
    """

    text: str
    shares: dict[str, float]
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class VideoReader:
    """A model with its processor, ready to read.

    Attributes:
        kind: what goes in and comes out, as in "video to caption".
        asks: whether it is asked a question.
        num_parameters: of the model.
        device: it works on.
        say: from processed clips and a question to a text and its shares.
    """

    kind: str
    asks: bool
    num_parameters: int
    device: torch.device
    processor: VideoProcessor
    say: Callable[[dict[str, Any], str], tuple[str, dict[str, float]]]

    @torch.inference_mode()
    def read(self, video: str | None, question: str | None = None) -> Reading:
        """What the model says of a file.

        Raises:
            ValueError: no video, one that cannot be read, or no question.
        """
        started = time.perf_counter()
        if not video:
            raise ValueError("no video is given: upload one.")
        question = " ".join((question or "").split())
        if self.asks and not question:
            raise ValueError("the question is empty: ask something about the video.")
        clip = self.processor(decode_video(video, processor=self.processor))
        text, shares = self.say({name: value.to(self.device) for name, value in clip.items()}, question)
        settings = {
            "video": Path(video).name,
            **({"question": question} if self.asks else {}),
            "frames": self.processor.num_frames,
            "height": self.processor.height,
            "width": self.processor.width,
            "seconds": round(time.perf_counter() - started, 2),
            "device": self.device.type,
            "versions": package_versions_here(),
        }
        return Reading(text, shares, settings)


def open_reader(folder: Path, *, device: str | None) -> VideoReader:
    """The model of a run that reads videos.

    Raises:
        ValueError: it is of another kind; the message says which kinds there are pages for.
    """
    name = (read_json(folder / "config.json").get("architectures") or ["model of an unknown kind"])[0]
    if name not in _KINDS:
        raise ValueError(
            f"{folder} holds a {name}, and there is no page for it: heygen-hf demo serves models that make videos, "
            "sort them, describe them or answer questions about them; README.md there says how to use this one."
        )
    RunFolder(folder).require_finished_model()
    place = usable_device(device)
    kind, asks, model_class, how = _KINDS[name]
    model = model_class.from_pretrained(str(folder)).eval().to(place)
    tokenizer = AutoTokenizer.from_pretrained(str(folder)) if (folder / "tokenizer_config.json").is_file() else None
    return VideoReader(
        kind=kind,
        asks=asks,
        num_parameters=model.num_parameters(),
        device=place,
        processor=VideoProcessor.from_pretrained(str(folder)),
        say=lambda clip, question: how(model, tokenizer, clip, question),
    )


def _sort(model: Any, tokenizer: Any, clip: dict[str, Any], question: str) -> tuple[str, dict[str, float]]:  # noqa: ARG001
    names = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    logits = model(**clip).logits[0].float()
    # a model of several columns has their labels as "colour: red", one column behind the other
    columns: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        columns.setdefault(name.partition(": ")[0] if all(": " in name for name in names) else "", []).append(i)
    likeliest, shares = [], {}
    for places in columns.values():
        found = logits[places].softmax(-1)
        best = found.argsort(descending=True)[:_MOST_LABELS].tolist()
        likeliest.append(names[places[best[0]]])
        shares |= {names[places[i]]: round(float(found[i]), 4) for i in best}
    return ", ".join(likeliest), shares


def _name(model: Any, tokenizer: Any, clip: dict[str, Any], question: str) -> tuple[str, dict[str, float]]:  # noqa: ARG001
    return _as_text(model.class_names(model(**clip).logits)), {}


def _describe(model: Any, tokenizer: Any, clip: dict[str, Any], question: str) -> tuple[str, dict[str, float]]:  # noqa: ARG001
    return tokenizer.batch_decode(model.generate(**clip, do_sample=False), skip_special_tokens=True)[0], {}


def _answer(model: Any, tokenizer: Any, clip: dict[str, Any], question: str) -> tuple[str, dict[str, float]]:
    asked = tokenizer([question], return_tensors="pt").to(model.device)
    return _as_text(model.answer(tokenizer=tokenizer, **asked, **clip)), {}


def _as_text(found: Any) -> str:
    """Of one clip: a word, or one for each column."""
    if isinstance(found, dict):
        return ", ".join(f"{column}: {_as_text(value)}" for column, value in found.items())
    return _as_text(found[0]) if isinstance(found, list | tuple) else str(found)


_KINDS: dict[str, tuple[str, bool, Any, Any]] = {
    "ConvVideoEncoderForVideoClassification": ("Video to label", False, AutoModelForVideoClassification, _sort),
    "MultimodalFusionForClassification": ("Video to labels", False, MultimodalFusionForClassification, _name),
    "MultimodalFusionForCaptioning": ("Video to caption", False, MultimodalFusionForCaptioning, _describe),
    "MultimodalFusionForQuestionAnswering": (
        "Video and question to answer",
        True,
        MultimodalFusionForQuestionAnswering,
        _answer,
    ),
}
