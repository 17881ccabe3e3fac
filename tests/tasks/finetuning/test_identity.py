"""A fine-tuning with a learning rate of 0 changes nothing, of any family: training and sampling see one model."""

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from sampled_frames import sampled
from tiny_finetunings import LORA, Finetunings
from tiny_pipelines import TINY_CLIPS

from heygen_hf.tasks.finetuning.measuring import read_log
from heygen_hf.tasks.run_folder import RunFolder, read_json


@pytest.fixture(scope="module")
def finetune(tmp_path_factory, tiny_pipeline_folder) -> Finetunings:
    return Finetunings(tmp_path_factory.mktemp("still"), tiny_pipeline_folder)


# That LTX's pipeline of a first frame is refused, its own tests see to.
FAMILIES = [name for name in TINY_CLIPS if name != "ltx_image_to_video"]
CONTROLLED = ("wan_vace", "cogvideox_control")
QUICK = ("wan",)


@pytest.fixture(params=[name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES])
def family(request) -> str:
    return request.param


@pytest.fixture(params=["lora", "full"])
def still(request, family, finetune):
    """A run of one family that may not learn."""
    peft = (f"peft={LORA}",) if request.param == "lora" else ()
    control = ("data.control=edges",) if family in CONTROLLED else ()
    return finetune(f"{family}_{request.param}_still", "training.learning_rate=0", *peft, *control, family=family)


def in_memory(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """With its weights copied out of the file they are mapped from: where a tensor begins decides how it is multiplied,
    and with that the last bit."""
    for part in pipeline.components.values():
        for weight in part.parameters() if isinstance(part, torch.nn.Module) else ():
            weight.data = weight.data.clone()
    return pipeline


def test_its_export_makes_the_frames_of_the_base_bit_by_bit(family, still, tiny_pipeline_folder):
    base = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder(family)))
    assert torch.equal(load_file(still / "reference.safetensors")["frames"], sampled(base, still))
    frames = sampled(in_memory(base), still)
    if (still / "model_index.json").is_file():
        exported = in_memory(DiffusionPipeline.from_pretrained(str(still)))
    else:
        exported = base
        exported.load_lora_weights(str(still))
    assert torch.equal(sampled(exported, still), frames)


def test_its_validation_loss_is_that_of_the_base_at_every_step(still):
    losses = [
        {name: value for name, value in row.items() if name.startswith("eval_loss")}
        for row in read_log(RunFolder(still))
        if "eval_loss" in row
    ]
    assert len(losses) == 2  # before the first step and after the last, whatever `eval_steps` is
    assert losses[0] == losses[1]
    before, after = read_json(still / "metrics.json")["figures"]
    assert before["value"] == after["value"] == losses[0]["eval_loss"]
    assert before["count"] == after["count"] == 2
