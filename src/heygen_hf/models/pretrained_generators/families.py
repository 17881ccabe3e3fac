"""The families there are, and which of them a pipeline is of."""

from heygen_hf.models.pretrained_generators.cogvideox import CogVideoXFamily
from heygen_hf.models.pretrained_generators.cogvideox_control import CogVideoXControlFamily
from heygen_hf.models.pretrained_generators.cogvideox_image_to_video import CogVideoXImageToVideoFamily
from heygen_hf.models.pretrained_generators.family import GeneratorFamily
from heygen_hf.models.pretrained_generators.hunyuan_video import HunyuanVideoFamily
from heygen_hf.models.pretrained_generators.ltx import LTXFamily
from heygen_hf.models.pretrained_generators.mochi import MochiFamily
from heygen_hf.models.pretrained_generators.wan import WanFamily
from heygen_hf.models.pretrained_generators.wan_image_to_video import WanImageToVideoFamily
from heygen_hf.models.pretrained_generators.wan_vace import WanVACEFamily

FAMILIES: tuple[type[GeneratorFamily], ...] = (
    WanFamily,
    WanImageToVideoFamily,
    WanVACEFamily,
    LTXFamily,
    CogVideoXFamily,
    CogVideoXImageToVideoFamily,
    CogVideoXControlFamily,
    HunyuanVideoFamily,
    MochiFamily,
)


def family_of(pipeline_class: str) -> type[GeneratorFamily]:
    """The family of a pipeline's class, by its name in diffusers.

    Raises:
        ValueError: it is of none; names those there are.
    """
    for family in FAMILIES:
        if pipeline_class in family.pipeline_classes:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.pipeline_classes)
    raise ValueError(f"a {pipeline_class} is of no family that can be fine-tuned here; there are {known}")
