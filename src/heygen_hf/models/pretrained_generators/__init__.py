"""Published video generators of diffusers, as this package trains them: a small specification for each family."""

from heygen_hf.models.pretrained_generators.adapter_targets import unmatched_targets
from heygen_hf.models.pretrained_generators.clip_sources import SourceLoss, SourceLosses
from heygen_hf.models.pretrained_generators.configuration_pretrained_generator import PretrainedGeneratorConfig
from heygen_hf.models.pretrained_generators.families import FAMILIES, family_of
from heygen_hf.models.pretrained_generators.family import GeneratorFamily
from heygen_hf.models.pretrained_generators.modeling_pretrained_generator import PretrainedVideoGenerator

__all__ = [
    "FAMILIES",
    "GeneratorFamily",
    "PretrainedGeneratorConfig",
    "PretrainedVideoGenerator",
    "SourceLoss",
    "SourceLosses",
    "family_of",
    "unmatched_targets",
]
