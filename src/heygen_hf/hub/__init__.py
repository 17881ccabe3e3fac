"""What goes to the Hub with a model: its card and the pictures in it."""

from heygen_hf.hub.card import render_card, write_card
from heygen_hf.hub.card_facts import CardFacts, MetricResult, SampleImage, attribute_metrics
from heygen_hf.hub.card_privacy import scrub, scrub_command
from heygen_hf.hub.sample_strips import write_sample_strips

__all__ = [
    "CardFacts",
    "MetricResult",
    "SampleImage",
    "attribute_metrics",
    "render_card",
    "scrub",
    "scrub_command",
    "write_card",
    "write_sample_strips",
]
