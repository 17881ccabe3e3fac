"""The facts of a small, complete run, and a small Hub on loopback."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `from loopback_hub import LoopbackHub`

from loopback_hub import LoopbackHub

from heygen_hf.hub import CardFacts, DataSplit, MetricResult, SampleImage

FACTS = CardFacts(
    title="moving_digits",
    model_class="VideoTransformerForVideoGeneration",
    num_parameters=1_034_240,
    data_name="someone/moving_digits",
    splits=[
        DataSplit(
            name="train",
            found=8706,
            used=8192,
            set_apart=512,
            padded=3,
            skipped=[("broken.mp4", "truncated"), ("notes.txt", "no video")],
            notes=["4 files are copies of others"],
        ),
        DataSplit(name="test", found=480, used=480, skipped=[]),
    ],
    replaced=[("late.mp4", "went away")],
    data_note="24 of 240 combinations are held out of training.",
    recipe_yaml="task: text_to_video\ndata:\n  train: data/moving_digits\n",
    command=["heygen-hf", "train", "recipes/text_to_video/moving_digits.yaml", "training.max_steps=200"],
    hardware={"cpu": "2 cores", "memory": "16 GiB"},
    training_seconds=547.2,
    steps=2400,
    samples_seen=153_600,
    versions={"torch": "2.13.0", "transformers": "5.23.0"},
    metrics=[
        MetricResult(
            name="digit accuracy",
            value=0.8125,
            count=240,
            interval=(0.758, 0.857),
            group="unseen",
            ceiling=0.977,
            note="worst: 8, 12 of 24",
        ),
        MetricResult(name="reconstruction", value=25.31, unit="dB", metric_type="psnr"),
        MetricResult(name="colour accuracy", value=None, count=0),
    ],
    metrics_file="metrics.json",
    validation_loss=0.123456,
    facts_file="run.json",
    samples=[SampleImage(path="samples/strips.png", prompts=["a red 7 moves left", "a blue 1 moves up"])],
    generation_defaults={"num_inference_steps": 32, "guidance_scale": 2.0},
    settings_file="model_index.json",
    commit="0123456789abcdef0123456789abcdef01234567",
    commit_is_modified=True,
    energy_kilowatt_hours=0.01234,
    energy_of="one GPU",
    intended_use="For tests of cards.",
    citation="@misc{digits}",
    limits="Knows nothing but moving digits.",
    licence="apache-2.0",
)


@pytest.fixture
def facts() -> CardFacts:
    return FACTS


@pytest.fixture
def change(facts):
    """The facts with some of them replaced."""
    return lambda **changes: dataclasses.replace(facts, **changes)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """It serves while the test runs."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with LoopbackHub() as running:
        yield running
