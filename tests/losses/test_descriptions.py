"""Every loss documents its tensors and can say what it is."""

import json

import pytest
import torch
from torch import nn

import heygen_hf.losses as losses
from heygen_hf.losses import Loss

NETWORK = nn.Conv2d(3, 2, 1)
BUILT = [
    losses.AdversarialLoss(kind="relativistic"),
    losses.AlignmentLoss(),
    losses.CombinedLoss({"focal": (0.5, losses.FocalLoss(gamma=1.0)), "other": (1.0, nn.MSELoss())}),
    losses.ConsistencyLoss(),
    losses.ContrastiveLoss(),
    losses.DiceLoss(class_weights=(1, 2)),
    losses.FocalLoss(class_weights=(1, 2)),
    losses.GradientPenalty(),
    losses.LinearChainCRF(3, allowed_transitions=[[True, False, True]] * 3),
    losses.MultimodalLoss(alignment=0.1, pairs=[("text", "video")]),
    losses.PerceptualLoss(NETWORK, layers=(0,)),
    losses.TemporalConsistencyLoss(),
    losses.TextProcessingLoss(task="sequence_labeling", crf=True, num_labels=3),
    losses.VideoGenerationLoss(perceptual=0.5, features=NETWORK, adversarial=0.1, discriminator=NETWORK),
]


def test_every_public_loss_is_here() -> None:
    public = {value for value in vars(losses).values() if isinstance(value, type) and issubclass(value, Loss)}
    assert {type(loss) for loss in BUILT} == public - {Loss}


@pytest.mark.parametrize("loss", BUILT, ids=lambda loss: type(loss).__name__)
def test_a_loss_describes_itself(loss: Loss) -> None:
    description = json.loads(json.dumps(loss.to_dict()))
    assert description["loss"] == type(loss).__name__
    assert description["summary"]
    assert description["options"] == loss.options()
    line = loss.describe()
    assert "\n" not in line
    assert line.startswith(f"`{type(loss).__name__}(")
    assert loss.summary in line
    document = type(loss).__doc__
    for part in ("| input |", "| returns |", "Example:", ">>> "):
        assert part in document


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (losses.FocalLoss(), torch.tensor([0, 2])),
        (losses.TextProcessingLoss(task="classification"), torch.tensor([0, 2])),
        (losses.ContrastiveLoss(), torch.randn(2, 3)),
        (losses.AlignmentLoss(), torch.randn(2, 3)),
        (losses.ConsistencyLoss(), torch.randn(2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_loss_compiles_without_graph_breaks(loss: Loss, labels: torch.Tensor) -> None:
    logits = torch.randn(2, 3)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(logits, labels), loss(logits, labels))
    torch.compiler.reset()
