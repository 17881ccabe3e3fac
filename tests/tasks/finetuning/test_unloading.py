"""Encoders leave the device once the clips are encoded, and processes that make no samples do not keep them."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_finetunings import Finetunings
from tiny_pipelines import TINY_CLIPS
from torch import nn

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.finetuning.task import Finetuning
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.encoded_data import training_data

DEVICE = torch.device("cpu", 0)  # has another name than where everything is at first


class Moves(list[tuple[str, str]]):
    """`(part, device)` of every call of a part's `to`."""

    def of(self, part: nn.Module, name: str) -> None:
        to = part.to

        def recorded(*args: Any, **options: Any) -> Any:
            if args and isinstance(args[0], str | torch.device):
                self.append((name, str(args[0])))
            return to(*args, **options)

        part.to = recorded  # type: ignore[method-assign]

    def places(self, name: str) -> list[str]:
        return [place for part, place in self if part == name]


class Story:
    """The first steps of a fine-tuning, one by one."""

    def __init__(self, work: Path, base: Path, family: str, **data: Any) -> None:
        digits = Finetunings(work, lambda _: base).digits()
        values = {
            "task": "finetuning",
            "output_dir": str(work / "run"),
            "model": {"pretrained": str(base), "dtype": "float32", "condition_dropout": 0.1},
            "peft": {"method": "lora", "r": 4, "lora_alpha": 4},
            "data": {
                "train": str(digits / "train"),
                "validation": str(digits / "validation"),
                "cache_dir": str(work / "cache"),
                "cache": {"dtype": "float32"},
                **data,
            },
            "processor": {**TINY_CLIPS[family], "frame_position": "start"},
            "training": {"max_steps": 2, "per_device_train_batch_size": 2, "precision": "fp32"},
            "generation": {"num_inference_steps": 2, "guidance_scale": 1.0, "num_samples": 1},
        }
        file = work / "recipe.yaml"
        file.write_text(json.dumps(values))
        self.recipe = load_recipe(file, [])
        self.parts = Finetuning(self.recipe)
        self.processor = VideoProcessor(**asdict(self.recipe.processor))
        self.data = self.parts.prepare(processor=self.processor, is_main=False)
        self.encoders = self.parts.load_encoders()
        self.options = {"processor": self.processor, "tokenizer": self.parts.build_tokenizer(self.data)}

    def training_data(self, **options: Any) -> PreparedData:
        return training_data(
            *(self.recipe, self.data, self.encoders),
            **(self.options | {"device": DEVICE, "fill_first": self.parts.fills_cache_first} | options),
        )

    def pipeline(self, *, is_main: bool) -> Any:
        model = self.parts.build_model(**self.options)
        return self.parts.build_pipeline(model, encoders=self.encoders, is_main=is_main, **self.options)


@pytest.fixture
def story(tmp_path: Path, tiny_pipeline_folder: Callable[[str], Path]) -> Callable[..., Story]:
    return lambda family, **data: Story(tmp_path, tiny_pipeline_folder(family), family, **data)


def test_what_is_not_cached_is_encoded_before_training_and_the_encoders_leave(
    story: Callable[..., Story], capsys: pytest.CaptureFixture[str]
) -> None:
    first = story("wan_image_to_video")
    moves, pipe = Moves(), first.parts.family.pipeline
    for name, part in (
        ("autoencoder", pipe.vae),
        ("text encoders", first.encoders.text_encoder),
        ("image encoder", pipe.image_encoder),
    ):
        moves.of(part, name)
    shown = first.training_data()
    for name in ("autoencoder", "text encoders", "image encoder"):
        assert str(DEVICE) in moves.places(name), name
        assert moves.places(name)[-1] == "cpu", name
    assert "are made once, before training" in capsys.readouterr().out
    for clips in (shown.train, shown.validation):
        assert not any(clips.missing().values())
        assert clips._latents.encode is None
        assert clips._texts.encode is None
    assert shown.train[0]["latents"].isfinite().all()

    again, moved = story("wan_image_to_video"), Moves()
    moved.of(again.parts.family.pipeline.vae, "autoencoder")
    moved.of(again.encoders.text_encoder, "text encoders")
    again.training_data()
    assert not moved


def test_processes_share_what_is_missing(story: Callable[..., Story]) -> None:
    told: dict[str, Any] = {}
    one = story("wan")
    shown = one.training_data(process_index=1, num_processes=2)
    told |= shown.train.missing() | shown.validation.missing()
    assert set(told.values()) == {0}


def test_what_cannot_be_encoded_is_said_before_training(story: Callable[..., Story]) -> None:
    one = story("wan")

    def fail(*_: object) -> None:
        raise RuntimeError("no such layer")

    one.parts.family.pipeline.vae.encoder.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match=r"7 clips or captions cannot be encoded, as '.*': no such layer"):
        one.training_data()


@pytest.mark.parametrize("family", ["wan", "hunyuan_video"])
def test_only_the_main_process_keeps_text_encoders(family: str, story: Callable[..., Story]) -> None:
    main, other = story(family), story(family)
    for one in (main, other):
        one.training_data()
    kept, dropped = main.pipeline(is_main=True), other.pipeline(is_main=False)
    names = [name for name in kept.family.pipeline.components if name.startswith("text_encoder")]
    assert names
    for name in names:
        assert getattr(kept.family.pipeline, name) is not None
        assert getattr(dropped.family.pipeline, name) is None
    assert dropped.family.pipeline.vae is not None


def test_samples_of_the_base_are_made_on_the_device_where_the_model_is_not_there_yet(
    story: Callable[..., Story], tmp_path: Path
) -> None:
    one = story("wan")
    one.training_data()
    pipeline = one.pipeline(is_main=True)
    moves = Moves()
    moves.of(pipeline.transformer, "transformer")
    samples, folder = one.parts.samples(one.data, processor=one.processor), RunFolder(tmp_path / "run")
    one.parts.before_training(pipeline, samples=samples, folder=folder, device=DEVICE)
    assert moves == [("transformer", str(DEVICE)), ("transformer", "cpu")]
    assert (folder.samples / "before-00.mp4").is_file()

    moves.clear()
    one.parts.before_training(pipeline, samples=samples, folder=folder, device=torch.device("cpu"))
    assert not moves


def test_a_model_too_large_for_the_device_has_no_samples_of_the_base(
    story: Callable[..., Story], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = story("wan")
    one.training_data()
    pipeline = one.pipeline(is_main=True)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pipeline.transformer.register_forward_pre_hook(fail)
    samples, folder = one.parts.samples(one.data, processor=one.processor), RunFolder(tmp_path / "run")
    one.parts.before_training(pipeline, samples=samples, folder=folder, device=DEVICE)
    assert "there are no samples of the base" in capsys.readouterr().out
    with pytest.raises(torch.OutOfMemoryError):
        one.parts.before_training(pipeline, samples=samples, folder=folder, device=torch.device("cpu"))
