"""A model's card: the facts it is made of, the text made of them, the pictures in it."""

from heygen_hf.hub.card.facts import CardFacts, MetricResult, SampleImage, attribute_metrics
from heygen_hf.hub.card.privacy import scrub, scrub_command
from heygen_hf.hub.card.render import render_card, write_card
from heygen_hf.hub.card.sample_strips import write_sample_strips

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
