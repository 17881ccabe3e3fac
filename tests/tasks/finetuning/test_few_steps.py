"""Every family samples in as few steps as it says, and fewer are refused in one line."""

import pytest
from tiny_pipelines import TINY_CLIPS

from heygen_hf.models.pretrained_generators import FAMILIES
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family

PLAIN = [family for family in FAMILIES if not family.takes_first_frame and not family.takes_control]


@pytest.mark.parametrize("family", PLAIN, ids=lambda family: family.name)
def test_as_few_as_it_says_and_no_fewer(family, tiny_pipeline_folder):
    loaded = load_family(
        find_base({"pretrained": str(tiny_pipeline_folder(family.name))}), {"dtype": "float32"}, adapts=True
    )
    pipeline = PretrainedGeneratorPipeline(loaded, SamplingDefaults(**TINY_CLIPS[family.name], guidance_scale=1.0))
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("a", num_inference_steps=family.least_steps).frames.isfinite().all()
    fewer = family.least_steps - 1
    with pytest.raises(ValueError, match=f"^num_inference_steps={fewer}: {family.name} samples in at least"):
        pipeline("a", num_inference_steps=fewer)
