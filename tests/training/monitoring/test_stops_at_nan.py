"""A loss or gradient that is no number stops the run, says where, and leaves nothing behind that holds it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from transformers import TrainerCallback

from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.monitoring.finiteness import MOST_SKIPPED_STEPS, FiniteCheck, weights_are_finite
from heygen_hf.training.monitoring.nonfinite_layers import FirstNonFinite

MakeTrainer = Callable[..., VideoGenerationTrainer]


class _At(TrainerCallback):
    """Does something to the model when a step begins."""

    def __init__(self, step: int, what: Callable[[nn.Module], None]) -> None:
        self.step, self.what = step, what

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step + 1 == self.step:
            self.what(model)


def _spoil(model: nn.Module) -> None:
    with torch.no_grad():
        model.transformer.layers[1].modulation_offset.fill_(float("nan"))


def test_names_step_clips_checkpoint_and_remedy(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(callbacks=[_At(6, _spoil)], eval_strategy="no")
    names = [f"clip{i}.mp4" for i in range(18)]
    trainer.train_dataset.file_names = names
    drawn = []
    trainer.data_collator = lambda items, collate=trainer.data_collator: drawn.append(items) or collate(items)
    with pytest.raises(ValueError, match="the loss is nan at step 6; its batch: clip") as caught:
        trainer.train()
    # The sixth batch is the first of the second epoch.
    named = {name for name in names if f" {name}" in str(caught.value).replace(",", " ").replace(".mp4.", ".mp4 ")}
    dataset = trainer.train_dataset
    dataset.set_epoch(1)
    held = {
        f"clip{i}.mp4"
        for i in range(18)
        if any(torch.equal(dataset[i]["pixel_values"], item["pixel_values"]) for item in drawn[5])
    }
    assert named == held
    assert len(held) == 4
    message = str(caught.value)
    assert f"The last good checkpoint is {Path(trainer.args.output_dir) / 'checkpoint-4'}." in message
    assert "training.find_nonfinite=true names the layer" in message
    # The average had not seen the step, and nothing of it is on disk or in the log.
    assert sorted(path.name for path in Path(trainer.args.output_dir).iterdir()) == ["checkpoint-2", "checkpoint-4"]
    assert trainer.ema.num_updates == 5
    assert all(average.isfinite().all() for average in trainer.ema.state_dict().values())
    assert max(entry["step"] for entry in trainer.state.log_history) == 5


def test_a_gradient_that_is_no_number_under_a_finite_loss(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    weight = trainer.model.transformer.patch_proj.weight
    weight.register_hook(lambda gradient: gradient * float("inf") if trainer.state.global_step == 2 else gradient)
    with pytest.raises(ValueError, match=r"the gradient norm is (inf|nan) at step 3; its batch: row"):
        trainer.train()


def test_weights_that_are_no_numbers_are_not_saved(make_trainer: MakeTrainer) -> None:
    class AfterTheUpdate(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            if state.global_step == 4:
                _spoil(model)

    trainer = make_trainer(callbacks=[AfterTheUpdate()])
    with pytest.raises(ValueError, match=r"the weights are no numbers after step 4 and are not saved\. The last good"):
        trainer.train()
    saved = Path(trainer.args.output_dir) / "checkpoint-2"
    assert [path for path in saved.parent.iterdir()] == [saved]
    assert all(value.isfinite().all() for value in load_file(saved / "model.safetensors").values())


class _Overflows(nn.Module):
    """Finite on its way forward where `root` is False, and without a slope at 0."""

    def __init__(self, *, root: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
        self.root = root

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = self.second((x - x).sqrt() if self.root else x)
        return x.sum()


def test_the_debug_mode_names_the_layer(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(callbacks=[_At(3, _spoil)], find_nonfinite=True, compile_blocks="always")
    assert trainer.args.compile_blocks == "never"
    where = r"out of transformer.layers.1.\S+ \(\w+\), (all of whose inputs are finite|whose inputs are not finite)"
    with pytest.raises(
        ValueError, match=f"the loss is nan at step 3, where the first value that is no number comes {where}"
    ):
        trainer.train()


def test_the_debug_mode_finds_forward_and_backward_places() -> None:
    model = _Overflows(root=False)
    found = FirstNonFinite(model)
    model(torch.ones(1, 2)).backward()
    assert found.describe() is None
    with torch.no_grad():
        model.second.weight.fill_(float("inf"))
    model(torch.ones(1, 2))
    assert "comes out of second (Linear), all of whose inputs are finite" in found.describe()
    found.close()

    model = _Overflows(root=True)
    found = FirstNonFinite(model)
    model(torch.ones(1, 2)).backward()  # the root's slope at 0 is infinite
    assert "is that of the output of first (Linear); the one before it, of the output of second" in found.describe()
    found.forget()
    assert found.describe() is None
    found.close()
    assert not model.first._forward_hooks


def test_steps_that_a_loss_scaler_skips_are_no_error() -> None:
    accelerator = Accelerator(cpu=True)
    finite = FiniteCheck(accelerator)
    accelerator.scaler = torch.amp.GradScaler("cpu")
    one, infinite = torch.tensor(1.0), torch.tensor(float("inf"))
    for step in range(1, MOST_SKIPPED_STEPS):
        finite.note_loss(one)
        assert finite.check(step, infinite) is None
    finite.note_loss(one)
    assert finite.check(MOST_SKIPPED_STEPS, one) is None
    for step in range(1, MOST_SKIPPED_STEPS):
        finite.note_loss(one)
        assert finite.check(step, infinite) is None
    finite.note_loss(one)
    assert finite.check(99, infinite).what == "gradient norm"
    # A loss that is no number is another matter.
    finite.note_loss(infinite)
    assert finite.check(100, one).what == "loss"
    accelerator.scaler = None
    finite.note_loss(one)
    assert finite.check(1, infinite).what == "gradient norm"


def test_weights_of_every_kind_are_looked_at() -> None:
    model = nn.Linear(2, 2)
    accelerator = Accelerator(cpu=True)
    assert weights_are_finite(model, accelerator)
    with torch.no_grad():
        model.bias[1] = -float("inf")
    assert not weights_are_finite(model, accelerator)
    assert weights_are_finite(nn.Identity(), accelerator)


@pytest.mark.slow  # two programs that import everything
def test_two_processes_stop_together_and_log_for_both(tmp_path: Path) -> None:
    script = Path(__file__).parent / "two_processes.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(script), str(tmp_path)], check=True, timeout=240, capture_output=True, env=environment
    )
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first["error"] == second["error"]
    assert "the loss is nan at step 4 (process 1 of 2); its batch: row" in first["error"]
    assert len(first["drawn"][3]) == len(second["drawn"][3]) == 2
    named = set(first["error"].split("its batch: ")[1].split(". ")[0].split(", "))
    assert named == {f"row {row}" for row in second["drawn"][3]}
    entry = first["log"][-1]
    # 2 × 2 × 2 video tokens and 3 caption tokens a clip, of which process 1 pads one.
    assert entry["tokens_per_second"] == pytest.approx(11 * entry["samples_per_second"], rel=0.01)
    assert entry["padding_share"] == pytest.approx(0.5 / 11, abs=1e-4)
    assert entry["flops_per_second"] / entry["samples_per_second"] == pytest.approx(first["flops_per_clip"], rel=0.02)
