import pytest

from heygen_hf.cli.generate import _guidance
from heygen_hf.pipelines.denoising import SAMPLING_DEFAULTS, sampling_options
from heygen_hf.tasks.generation import generate


def test_guidance_is_a_number_or_one_for_each_condition() -> None:
    assert _guidance(None) is None
    assert _guidance("4") == 4.0
    assert _guidance("caption=4, audio=2.5") == {"caption": 4.0, "audio": 2.5}
    for text in ("much", "caption=much", "caption=4=5", "caption=4,2"):
        with pytest.raises(ValueError, match=r"--guidance-scale .*: expected a number, or as in caption=4,audio=2"):
            _guidance(text)


def test_options_of_sampling_that_say_nothing_are_left_out() -> None:
    assert sampling_options(dict(SAMPLING_DEFAULTS)) == {}
    assert sampling_options({"sampler": "heun", "rtol": None, "guidance_every": 1}) == {"sampler": "heun"}
    with pytest.raises(ValueError, match="'samplr' is no option of sampling; known are num_inference_steps, sampler"):
        sampling_options({"samplr": "heun"})


def test_steps_and_a_tolerance_belong_to_different_samplers() -> None:
    with pytest.raises(ValueError, match="only sampler dopri5 has a tolerance"):
        generate("nowhere", ["a"], output_dir="out", rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="num_inference_steps=8 says nothing with sampler dopri5"):
        generate("nowhere", ["a"], output_dir="out", sampler="dopri5", num_inference_steps=8)
