"""Parts that do not wait on the device come to it one at a time while a video is made, and go back."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from parts_elsewhere import ELSEWHERE, Journal
from tiny_pipelines import TINY_CLIPS
from torch import nn

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family

# LTX is read for text to video alone.
FAMILIES = sorted(set(TINY_CLIPS) - {"ltx_image_to_video"})


def _pipeline(folder: Path, family: str, *, steps: int = 2) -> PretrainedGeneratorPipeline:
    loaded = load_family(find_base({"pretrained": str(folder)}), {"dtype": "float32"}, adapts=True)
    sampling = SamplingDefaults(**TINY_CLIPS[family], num_inference_steps=steps, guidance_scale=3.0)
    pipeline = PretrainedGeneratorPipeline(loaded, sampling)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _parts(pipeline: PretrainedGeneratorPipeline, *, but: str | None = None) -> dict[str, nn.Module]:
    parts = pipeline.family.pipeline.components.items()
    return {name: part for name, part in parts if isinstance(part, nn.Module) and name != but}


def _made(pipeline: PretrainedGeneratorPipeline) -> torch.Tensor:
    config, family = pipeline.config, pipeline.family
    given = {}
    if family.takes_first_frame:
        given["image"] = torch.full((1, 3, config.height, config.width), 0.5)
    if family.takes_control:
        given["video"] = torch.full((1, config.num_frames, 3, config.height, config.width), 0.5)
    return pipeline(["a red ball"], generator=[torch.Generator().manual_seed(0)], **given).frames


@pytest.mark.parametrize("family", FAMILIES)
def test_encoders_come_one_at_a_time_and_leave_before_the_transformer_computes(
    family: str, tiny_pipeline_folder: Callable[[str], Path]
) -> None:
    pipeline = _pipeline(tiny_pipeline_folder(family), family)
    expected = _made(pipeline)
    journal = Journal()
    parts = _parts(pipeline, but="transformer")
    for name, part in parts.items():
        journal.add(part, name)
    pipeline.transformer.register_forward_hook(lambda *_: journal.append(("transformer", "computes")))

    assert torch.equal(_made(pipeline), expected)

    assert journal.most_visitors() == 1
    assert set(journal.names("comes")) == set(parts)
    for place, event in enumerate(journal):
        if event == ("transformer", "computes"):
            moves = [what for _, what in journal[:place] if what != "computes"]
            assert moves.count("comes") == moves.count("leaves")
    assert all(part.device == ELSEWHERE for part in parts.values())
    assert not any(hasattr(part, "_hf_hook") for part in parts.values())


def test_the_transformer_comes_too_where_the_device_is_named(tiny_pipeline_folder: Callable[[str], Path]) -> None:
    pipeline = _pipeline(tiny_pipeline_folder("wan"), "wan")
    expected = _made(pipeline)
    journal = Journal()
    for name, part in _parts(pipeline).items():
        journal.add(part, name)
    with pipeline.computing_on(torch.device("cpu")):
        assert torch.equal(_made(pipeline), expected)
    assert journal.most_visitors() == 1
    assert journal.names("comes") == journal.names("leaves") == ["text_encoder", "transformer", "vae"]


def test_parts_that_wait_where_the_transformer_is_stay(tiny_pipeline_folder: Callable[[str], Path]) -> None:
    pipeline = _pipeline(tiny_pipeline_folder("wan"), "wan")
    journal = Journal()
    for name, part in _parts(pipeline, but="transformer").items():
        journal.add(part, name)
        part.to("cpu")
    before = len(journal)
    _made(pipeline)
    assert not [what for _, what in journal[before:] if what != "computes"]


def test_after_an_error_all_parts_are_back(tiny_pipeline_folder: Callable[[str], Path]) -> None:
    pipeline = _pipeline(tiny_pipeline_folder("wan"), "wan")
    journal = Journal()
    parts = _parts(pipeline, but="transformer")
    for name, part in parts.items():
        journal.add(part, name)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("full")

    handle = pipeline.vae.decoder.register_forward_pre_hook(fail)
    with pytest.raises(torch.OutOfMemoryError):
        _made(pipeline)
    handle.remove()
    assert journal.names("comes") == journal.names("leaves") == ["text_encoder", "vae"]
    assert not pipeline.transformer._forward_pre_hooks
    assert _made(pipeline).isfinite().all()
