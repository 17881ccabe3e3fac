import copy

import pytest
import torch
from torch import nn

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.training import MuonWithAdamW, split_for_muon
from heygen_hf.training.optimization.muon import Muon
from heygen_hf.training.optimization.schedules import constant_then_linear_decay, step_schedule_with_warmup


def tiny() -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(4, 6), "layers": nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])})


def one_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    hidden = model["first"](torch.ones(2, 4))
    for layer in model["layers"]:
        hidden = torch.tanh(layer(hidden))
    hidden.square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_muon_gets_the_matrices_of_the_blocks_and_nothing_else() -> None:
    model = VideoTransformerModel(
        VideoTransformerConfig(vocab_size=9, hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
    )
    matrices, others = split_for_muon(model)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert {names[id(weight)].split(".")[-2] for weight in matrices} == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }
    assert len(matrices) + len(others) == len(names)
    assert {"caption_embedding.weight", "patch_proj.weight", "output_proj.weight"} <= {names[id(w)] for w in others}


def test_equals_the_two_optimisers_it_is_made_of() -> None:
    torch.manual_seed(0)
    model = tiny()
    torch.manual_seed(0)
    twin = tiny()
    matrices, others = split_for_muon(model)
    ours = MuonWithAdamW(matrices, others, muon_lr=0.02, adamw_lr=0.01)
    twin_matrices, twin_others = split_for_muon(twin)
    muon = Muon(twin_matrices, lr=0.02)
    adamw = torch.optim.AdamW(twin_others, lr=0.01, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    for _ in range(3):
        one_step(model, ours)
        one_step(twin, muon)
        adamw.step()
        adamw.zero_grad()
    for weight, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(weight, other)


def test_a_schedule_reaches_both() -> None:
    model = tiny()
    optimizer = MuonWithAdamW(*split_for_muon(model), muon_lr=0.02, adamw_lr=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0 if step else 1.0)
    one_step(model, optimizer)
    schedule.step()
    before = [weight.detach().clone() for weight in model.parameters()]
    one_step(model, optimizer)
    assert all(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))


def test_state_round_trip_continues_exactly() -> None:
    torch.manual_seed(0)
    model = tiny()
    optimizer = MuonWithAdamW(*split_for_muon(model), muon_lr=0.02, adamw_lr=0.01)
    one_step(model, optimizer)
    twin = tiny()
    twin.load_state_dict(model.state_dict())
    other = MuonWithAdamW(*split_for_muon(twin), muon_lr=0.5, adamw_lr=0.5)
    # Loading shares tensors, as torch's own optimisers do; a file would not.
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    torch.optim.lr_scheduler.LambdaLR(other, lambda step: 1.0)
    for group, loaded in zip(optimizer.param_groups, other.param_groups, strict=True):
        loaded["lr"] = group["lr"]
    one_step(model, optimizer)
    one_step(twin, other)
    for weight, same in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(weight, same)


def test_step_schedule() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = step_schedule_with_warmup(
        optimizer, num_warmup_steps=2, num_training_steps=10, milestones=[0.5, 0.8], factor=0.1
    )
    rates = []
    for _ in range(10):
        rates.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    assert rates == [0.333333, 0.666667, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]


def test_linear_decay_is_a_share_of_any_number_of_steps() -> None:
    for steps in (10, 100):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = constant_then_linear_decay(optimizer, num_warmup_steps=2, num_training_steps=steps, decay_share=0.5)
        rates = []
        for _ in range(steps + 1):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert rates[0] < rates[1] < rates[2] == rates[steps // 2] == 1.0
        assert rates[steps * 3 // 4] == pytest.approx(0.5, abs=0.11)
        assert rates[steps] == 0.0
