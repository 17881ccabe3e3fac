"""What goes to the Hub with a model: its card, the pictures in it, its folder, the gate before it, the push."""

from heygen_hf.hub.card import (
    CardCheck,
    CardFacts,
    DataSplit,
    MetricResult,
    SampleImage,
    attribute_metrics,
    checks_in,
    copy_scrubbed,
    figures_in,
    files_beside,
    json_beside,
    render_card,
    scrub,
    scrub_command,
    story_of,
    write_card,
    write_sample_animation,
    write_sample_strips,
)
from heygen_hf.hub.gate import Check, GateError, hash_model_files
from heygen_hf.hub.model_reference import write_model_reference
from heygen_hf.hub.push import PushedRevision, PushError, PushOptions

__all__ = [
    "CardCheck",
    "CardFacts",
    "Check",
    "DataSplit",
    "GateError",
    "MetricResult",
    "PushError",
    "PushOptions",
    "PushedRevision",
    "SampleImage",
    "attribute_metrics",
    "checks_in",
    "copy_scrubbed",
    "figures_in",
    "files_beside",
    "hash_model_files",
    "json_beside",
    "render_card",
    "scrub",
    "scrub_command",
    "story_of",
    "write_card",
    "write_model_reference",
    "write_sample_animation",
    "write_sample_strips",
]
