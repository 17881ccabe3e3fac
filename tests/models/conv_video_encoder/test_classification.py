"""The classifier: problem types, wrong labels, Trainer's accumulation, and that every form learns motion."""

import pytest
import torch
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification


def classifier(**overrides):
    options = {"hidden_sizes": (8, 16), "strides": ((1, 2), (2, 2)), "pool_grid": (1, 2, 2), "num_labels": 3}
    torch.manual_seed(0)
    return ConvVideoEncoderForVideoClassification(ConvVideoEncoderConfig(**{**options, **overrides})).eval()


@pytest.fixture
def clips():
    return torch.rand(3, 2, 3, 8, 8) * 2 - 1


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_whole_numbers_are_classes(clips, dtype):
    model = classifier()
    output = model(clips, labels=torch.tensor([0, 2, 1], dtype=dtype))
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, torch.tensor([0, 2, 1])))
    assert model.config.problem_type == "single_label_classification"


@torch.no_grad()
@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_zeros_and_ones_are_several_labels(clips, problem_type):
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 1, 1]])
    output = classifier(problem_type=problem_type)(clips, labels=labels)
    torch.testing.assert_close(output.loss, F.binary_cross_entropy_with_logits(output.logits, labels))


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 3])
def test_one_label_is_a_regression(clips, count):
    labels = torch.tensor([0.5, -1.0, 2.0])[:count]
    output = classifier(num_labels=1)(clips[:count], labels=labels)
    torch.testing.assert_close(output.loss, F.mse_loss(output.logits[:, 0], labels))


@torch.no_grad()
def test_regression_of_several_numbers(clips):
    labels = torch.rand(3, 3)
    output = classifier(problem_type="regression")(clips, labels=labels)
    torch.testing.assert_close(output.loss, F.mse_loss(output.logits, labels))


@pytest.mark.parametrize(
    ("options", "labels", "message"),
    [
        ({}, torch.tensor([0, 1]), r"labels have shape \(2,\), expected \(3,\)"),
        ({}, torch.tensor([0.0, 1.0, 0.0]), r"expected \(3, 3\)"),
        ({"num_labels": 1}, torch.tensor([0.5]), r"labels have shape \(1,\), expected \(3,\)"),
        ({}, torch.tensor([-100, -100, -100]), "all 3 labels of the batch are -100"),
        ({}, torch.tensor([0, 1, 3]), r"label 3 is outside \[0, 3\)"),
    ],
)
def test_wrong_labels_are_refused(clips, options, labels, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options)(clips, labels=labels)


def test_trainer_divides_the_loss_by_accumulation_steps(tmp_path):
    arguments = TrainingArguments(str(tmp_path), report_to="none", use_cpu=True, gradient_accumulation_steps=2)
    assert not Trainer(classifier(), arguments).model_accepts_loss_kwargs


@pytest.mark.parametrize(
    "variant",
    [
        {"depths": (0, 1), "squeeze_excitation": True, "pooling": "max", "pool_grid": (1, 1, 1)},
        {"depths": (0, 1), "convolution": "factorized", "pooling": "attention"},
    ],
    ids=["full", "factorized"],
)
def test_learns_left_from_right(variant):
    """Which way a bar moves is in no single frame, and where it starts says nothing about it."""
    generator = torch.Generator().manual_seed(0)

    def moving_bars(count):
        labels = torch.randint(0, 2, (count,), generator=generator)
        start = torch.randint(0, 12, (count, 1), generator=generator)
        columns = (start + torch.arange(4) * (2 * labels[:, None] - 1)) % 12  # (count, frames)
        bars = F.one_hot(columns, 12).float() * 2 - 1
        return bars[:, :, None, None, :].expand(-1, -1, 3, 8, -1), labels

    model = classifier(**variant, num_labels=2, strides=((1, 1), (1, 2)), classifier_dropout=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(50):
        clips, labels = moving_bars(16)
        model(clips, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    clips, labels = moving_bars(96)
    with torch.no_grad():
        accuracy = (model.eval()(clips).logits.argmax(-1) == labels).float().mean().item()
    assert accuracy >= 0.95
