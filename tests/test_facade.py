"""The façade: every public name is there, and importing the package costs nothing."""

import subprocess
import sys

import pytest

import heygen_hf

PUBLIC = sorted(set(heygen_hf.__all__) - {"__version__"})


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(heygen_hf, name)
    assert callable(value)
    assert value.__name__ == name
    assert name in dir(heygen_hf)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'VideoTransfomer'"):
        _ = heygen_hf.VideoTransfomer  # type: ignore[attr-defined]


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import heygen_hf; "
        "assert time.perf_counter() - start < 1.0; "
        "print([name for name in ('torch', 'transformers', 'diffusers', 'numpy') if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_the_command_line_starts_without_torch() -> None:
    code = (
        "import sys; import heygen_hf.cli.main; "
        "print([name for name in ('torch', 'transformers', 'diffusers', 'numpy') if name in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_the_auto_classes_know_the_families_after_one_import() -> None:
    code = (
        "import heygen_hf.models; from transformers import AutoConfig, AutoModel; "
        "print(type(AutoModel.from_config(AutoConfig.for_model('{}'))).__name__)"
    )
    # A tiny configuration is not needed: `for_model` takes the defaults, and meta tensors take no memory.
    code = code.replace("print(", "import torch; torch.set_default_device('meta'); print(")
    model_type = heygen_hf.VideoTransformerConfig.model_type
    assert run_python(code.format(model_type)) == "VideoTransformerModel"


def test_taking_a_class_from_the_facade_registers_the_families() -> None:
    code = (
        "from heygen_hf import VideoProcessor; from transformers import AutoConfig; "
        "print(type(AutoConfig.for_model('{}')).__name__)"
    )
    model_type = heygen_hf.ConvVideoEncoderConfig.model_type
    assert run_python(code.format(model_type)) == "ConvVideoEncoderConfig"
