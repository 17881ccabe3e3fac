"""A model's card: the facts it is made of, the text made of them, the pictures in it."""

from heygen_hf.hub.card.beside import copy_scrubbed, files_beside, json_beside
from heygen_hf.hub.card.checks import CHECKS_FILE, CardCheck, checks_in
from heygen_hf.hub.card.facts import CardFacts, DataSplit, SampleImage
from heygen_hf.hub.card.figures import MetricResult, attribute_metrics
from heygen_hf.hub.card.measured_files import figures_in, measured_files, story_of
from heygen_hf.hub.card.privacy import scrub, scrub_command
from heygen_hf.hub.card.render import render_card, write_card
from heygen_hf.hub.card.sample_animation import write_sample_animation
from heygen_hf.hub.card.sample_strips import write_sample_strips

__all__ = [
    "CHECKS_FILE",
    "CardCheck",
    "CardFacts",
    "DataSplit",
    "MetricResult",
    "SampleImage",
    "attribute_metrics",
    "checks_in",
    "copy_scrubbed",
    "figures_in",
    "files_beside",
    "json_beside",
    "measured_files",
    "render_card",
    "scrub",
    "scrub_command",
    "story_of",
    "write_card",
    "write_sample_animation",
    "write_sample_strips",
]
