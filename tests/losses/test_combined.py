"""The combination: every part by name, each with its own schedule and inputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

from heygen_hf.losses import CombinedLoss, DiceLoss, FocalLoss, MultimodalLoss, WeightedLoss


@pytest.fixture
def maps() -> dict[str, torch.Tensor]:
    return {"logits": torch.randn(2, 3, 4, 4), "labels": torch.randint(0, 3, (2, 4, 4))}


def test_is_the_weighted_sum_and_names_its_parts(maps: dict) -> None:
    loss = CombinedLoss({"focal": (1.0, FocalLoss()), "dice": (0.5, DiceLoss()), "off": (0.0, FocalLoss(gamma=5))})
    output = loss(**maps, unrelated=None)
    torch.testing.assert_close(output.loss, FocalLoss()(**maps) + 0.5 * DiceLoss()(**maps))
    assert list(output.to_log()) == ["loss", "focal", "dice"]


def test_schedules_start_and_ramp(maps: dict) -> None:
    part = WeightedLoss(DiceLoss(), 2.0, start_step=3, ramp_steps=3)
    assert [part.weight_at(step) for step in range(8)] == [0, 0, 0, 0.5, 1.0, 1.5, 2.0, 2.0]
    loss = CombinedLoss({"focal": (1.0, FocalLoss()), "dice": part})
    assert list(loss(**maps, step=2).parts) == ["focal"]
    output = loss(**maps, step=4)
    torch.testing.assert_close(output.loss, FocalLoss()(**maps) + DiceLoss()(**maps))
    with pytest.raises(ValueError, match=r"dice has a schedule .* give step"):
        loss(**maps)


def test_inputs_are_renamed_and_parts_of_parts_named(maps: dict) -> None:
    embeddings = {"text": torch.randn(3, 4), "video": torch.randn(3, 4)}
    # `logits` is an input of both, and means different things
    loss = CombinedLoss(
        {
            "dice": WeightedLoss(DiceLoss(), inputs={"logits": "mask_logits", "labels": "mask"}),
            "joint": WeightedLoss(MultimodalLoss(alignment=0.5), 2.0),
        }
    )
    output = loss(mask_logits=maps["logits"], mask=maps["labels"], embeddings=embeddings)
    assert list(output.parts) == ["dice", "joint/alignment/text_video", "joint/contrastive/text_video"]
    torch.testing.assert_close(
        output.loss, DiceLoss()(**maps) + 2 * MultimodalLoss(alignment=0.5)(embeddings=embeddings).loss
    )


def test_parameters_of_the_parts_are_its_own() -> None:
    loss = CombinedLoss({"joint": (1.0, MultimodalLoss())})
    assert [name for name, _ in loss.named_parameters()] == ["losses.joint.contrastive_loss.log_scale"]


class _Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 3, padding=1)
        self.loss = CombinedLoss({"focal": (1.0, FocalLoss()), "dice": (1.0, DiceLoss())})
        self.log: list[dict[str, float]] = []

    def forward(self, pixels: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.convolution(pixels)
        output = self.loss(logits=logits, labels=labels)
        self.log.append(output.to_log())
        return {"loss": output.loss, "logits": logits}


def test_trainer_trains_with_it(tmp_path) -> None:
    pixels = torch.randn(16, 3, 6, 6)
    data = [{"pixels": clip, "labels": (clip[0] > clip[1]).long()} for clip in pixels]
    model = _Segmenter()
    Trainer(
        model=model,
        train_dataset=data,
        args=TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_train_epochs=15,
            learning_rate=0.05,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
    ).train()
    first, last = model.log[0], model.log[-1]
    assert last["focal"] < 0.7 * first["focal"]
    assert last["dice"] < 0.7 * first["dice"]
    accuracy = (model.convolution(pixels).argmax(1) == (pixels[:, 0] > pixels[:, 1])).float().mean()
    assert accuracy > 0.85
    assert F.cross_entropy(model.convolution(pixels), (pixels[:, 0] > pixels[:, 1]).long()) < 0.69


def test_bad_input_is_named(maps: dict) -> None:
    with pytest.raises(ValueError, match="there are no losses to combine"):
        CombinedLoss({})
    with pytest.raises(ValueError, match="every weight of dice is 0"):
        CombinedLoss({"dice": (0.0, DiceLoss())})
    with pytest.raises(ValueError, match="weight=-1 must be"):
        CombinedLoss({"dice": (-1, DiceLoss())})
    with pytest.raises(ValueError, match="start_step=-1 and ramp_steps=0 must be at least 0"):
        WeightedLoss(DiceLoss(), start_step=-1)
    with pytest.raises(ValueError, match="dice needs labels, which is not among the inputs logits"):
        CombinedLoss({"dice": (1.0, DiceLoss())})(logits=maps["logits"])
    with pytest.raises(ValueError, match="dice has no input targets: it takes logits, labels"):
        CombinedLoss({"dice": WeightedLoss(DiceLoss(), inputs={"targets": "labels"})})(**maps)
    with pytest.raises(ValueError, match="no loss counts at step 1"):
        CombinedLoss({"dice": WeightedLoss(DiceLoss(), start_step=2)})(**maps, step=1)
