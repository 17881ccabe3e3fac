"""The text losses against torch's cross-entropy, and accumulated gradients against one batch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from heygen_hf.losses import LinearChainCRF, TextProcessingLoss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_language_modeling_is_shifted_cross_entropy(label_smoothing: float) -> None:
    logits, labels = torch.randn(3, 6, 11), torch.randint(0, 11, (3, 6))
    labels[1, 3:] = -100
    expected = F.cross_entropy(
        logits[:, :-1].reshape(-1, 11), labels[:, 1:].reshape(-1), label_smoothing=label_smoothing
    )
    loss = TextProcessingLoss(task="language_modeling", label_smoothing=label_smoothing)
    assert torch.equal(loss(logits, labels), expected)


def test_classification_and_labeling_are_cross_entropy() -> None:
    options = {"label_smoothing": 0.1, "class_weights": (1.0, 0.5, 2.0)}
    theirs = {"label_smoothing": 0.1, "weight": torch.tensor(options["class_weights"]), "ignore_index": -1}
    logits, labels = torch.randn(4, 5, 3), torch.randint(-1, 3, (4, 5))
    loss = TextProcessingLoss(task="sequence_labeling", ignore_index=-1, **options)
    torch.testing.assert_close(loss(logits, labels), F.cross_entropy(logits.mT, labels, **theirs))
    loss = TextProcessingLoss(task="classification", ignore_index=-1, **options)
    torch.testing.assert_close(loss(logits[:, 0], labels[:, 0]), F.cross_entropy(logits[:, 0], labels[:, 0], **theirs))


def test_uniform_logits_cost_the_logarithm_of_the_vocabulary() -> None:
    loss = TextProcessingLoss(task="language_modeling")
    assert loss(torch.zeros(1, 4, 256), torch.zeros(1, 4).long()).item() == pytest.approx(5.5452, abs=1e-3)


@pytest.mark.parametrize("task", ["language_modeling", "sequence_labeling", "crf"])
def test_micro_batches_sum_to_the_batch(task: str) -> None:
    options = {"task": "sequence_labeling", "crf": True, "num_labels": 7} if task == "crf" else {"task": task}
    loss = TextProcessingLoss(**options)
    logits, labels = torch.randn(4, 6, 7), torch.randint(0, 7, (4, 6))
    labels[0, 2:] = -100  # texts of different lengths: a mean of means would be another number
    labels[3] = -100  # and one micro-batch with nothing at all
    count = ((labels[:, 1:] if task == "language_modeling" else labels) != -100).sum()
    parts = [loss(logits[i : i + 1], labels[i : i + 1], num_items_in_batch=count) for i in range(4)]
    torch.testing.assert_close(sum(parts), loss(logits, labels))


@pytest.mark.parametrize("crf", [False, True])
def test_gradients(crf: bool) -> None:
    loss = TextProcessingLoss(task="sequence_labeling", crf=crf, num_labels=3).double()
    logits = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, -100, 2], [1, 1, 0]])
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), logits)


def test_crf_is_the_crf_over_labels_that_count() -> None:
    loss = TextProcessingLoss(task="sequence_labeling", crf=True, num_labels=3)
    nn.init.normal_(loss.crf.transitions)
    logits, labels = torch.randn(2, 4, 3), torch.tensor([[0, -100, 2, 1], [-100, 1, 1, -100]])
    crf = LinearChainCRF(3)
    crf.load_state_dict(loss.crf.state_dict())
    torch.testing.assert_close(loss(logits, labels), crf(logits, labels, labels != -100))
    assert torch.equal(loss.decode(logits, labels != -100), crf.decode(logits, labels != -100)[0])
    plain = TextProcessingLoss(task="sequence_labeling")
    assert torch.equal(plain.decode(logits), logits.argmax(-1))


class _Bigram(nn.Module):
    accepts_loss_kwargs = True
    loss_type = "ForCausalLM"

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 9)
        self.loss = TextProcessingLoss(task="language_modeling")

    def forward(self, input_ids, labels, num_items_in_batch=None):
        logits = self.table(input_ids)
        return {"loss": self.loss(logits, labels, num_items_in_batch=num_items_in_batch), "logits": logits}


def test_accumulated_steps_of_trainer_equal_one_batch(tmp_path) -> None:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 9, (8, 6), generator=generator)
    labels = ids.clone()
    for row, length in enumerate((2, 3, 4, 5, 6, 6, 2, 3)):
        labels[row, length:] = -100
    data = [{"input_ids": i, "labels": label} for i, label in zip(ids, labels, strict=True)]

    def trained(batch: int, accumulation: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = _Bigram()
        Trainer(
            model=model,
            train_dataset=data,
            args=TrainingArguments(
                output_dir=str(tmp_path),
                per_device_train_batch_size=batch,
                gradient_accumulation_steps=accumulation,
                max_steps=2,
                learning_rate=0.1,
                optim="sgd",
                max_grad_norm=0,
                lr_scheduler_type="constant",
                use_cpu=True,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
            ),
        ).train()
        return model.table.weight.detach()

    torch.testing.assert_close(trained(1, 4), trained(4, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "translation"}, "task='translation' is unknown: use one of language_modeling"),
        ({"task": "classification", "label_smoothing": 1.0}, r"label_smoothing=1.0 must be in \[0, 1\)"),
        ({"task": "classification", "crf": True}, "use task='sequence_labeling'"),
        ({"task": "sequence_labeling", "crf": True}, "give num_labels"),
        ({"task": "sequence_labeling", "crf": True, "num_labels": 3, "label_smoothing": 0.1}, "do not apply"),
        ({"task": "sequence_labeling", "allowed_starts": [True]}, "set crf=True"),
        ({"task": "classification", "class_weights": (-1.0,)}, "must be finite, at least 0"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextProcessingLoss(**options)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(1, 3, 5), torch.tensor([[0, 1, 5]]), r"label 5 is outside \[0, 5\).*vocabulary"),
        (torch.zeros(1, 3, 5), torch.tensor([[0, -1, 1]]), "label -1 is outside"),
        (torch.zeros(1, 3, 5), torch.full((1, 3), -100), "all 2 targets are ignored"),
        (torch.zeros(1, 3, 5), torch.zeros(1, 4).long(), r"expects \(batch, tokens, classes\) and \(batch, tokens\)"),
        (torch.zeros(1, 1, 5), torch.zeros(1, 1).long(), "no next one to predict"),
        (torch.zeros(1, 3, 6), torch.zeros(1, 3).long(), "6 classes and num_labels is 5"),
    ],
)
def test_bad_input_is_named(logits: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextProcessingLoss(task="language_modeling", num_labels=5)(logits, labels)
