import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training.monitoring.flop_count import FlopMeter


def build_model(**fields: object) -> VideoTransformerForVideoGeneration:
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        vocab_size=10,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=(2, 4, 4),
        timestep_embedding_size=16,
        **fields,
    )
    model = VideoTransformerForVideoGeneration(config)
    # Plain products on both sides: the CPU's fused attention is not in torch's table.
    model.set_attn_implementation("matmul")
    return model.train()


def inputs(batch: int = 2, size: int = 8) -> dict[str, torch.Tensor]:
    shape = (batch, 4, 3, size, size)
    return {
        "pixel_values": torch.rand(shape),
        "input_ids": torch.randint(0, 9, (batch, 3)),
        "attention_mask": torch.tensor([[1, 1, 0]] * batch),
        "noise": torch.randn(shape),
        "timestep": torch.rand(batch),
        "condition_dropout_mask": torch.zeros(batch, dtype=torch.bool),
    }


def flops_of(model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[float, int]:
    """What the meter says of a step, and what torch's counter says of the step itself."""
    meter = FlopMeter()
    meter.watch(model)
    with meter.listening(), FlopCounterMode(display=False) as counter:
        model(**batch).loss.backward()
    found = meter.read()
    meter.close()
    assert found is not None, meter.problem
    return found, counter.get_total_flops()


@pytest.mark.parametrize("fields", [{}, {"caption_conditioning": "cross_attention"}], ids=["joint", "cross"])
def test_counts_what_torch_counts_in_the_step_itself(fields: dict[str, object]) -> None:
    found, expected = flops_of(build_model(**fields), inputs())
    assert found == expected > 0


def test_a_model_trained_whole_is_about_three_forward_passes() -> None:
    model, batch = build_model(), inputs()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**batch)
    # The first layer's input needs no gradient.
    assert flops_of(model, batch)[0] == pytest.approx(3 * counter.get_total_flops(), rel=0.03)


def test_frozen_weights_and_checkpointed_blocks() -> None:
    whole = flops_of(build_model(), inputs())[0]
    frozen = build_model()
    frozen.transformer.layers[0].requires_grad_(False)
    found, expected = flops_of(frozen, inputs())
    assert found == expected < whole
    checkpointed = build_model()
    checkpointed.gradient_checkpointing_enable()
    found, with_recomputation = flops_of(checkpointed, inputs())
    assert found == whole < with_recomputation


def test_a_pass_without_gradient_is_a_forward_pass() -> None:
    model, batch = build_model(), inputs()
    meter = FlopMeter()
    meter.watch(model)
    with torch.no_grad(), meter.listening(), FlopCounterMode(display=False) as counter:
        model(**batch)
    model(**batch)  # nobody listens
    assert meter.read() == counter.get_total_flops()
    assert meter.read() is None


def test_each_shape_is_counted_and_a_batch_is_as_many_clips() -> None:
    model = build_model()
    meter = FlopMeter()
    meter.watch(model)
    single = []
    for batch in (inputs(1), inputs(2), inputs(2), inputs(2, size=16)):
        with meter.listening():
            model(**batch).loss.backward()
        single.append(meter.read())
    assert single[1] == single[2] == pytest.approx(2 * single[0], rel=1e-3)
    # Four times the video tokens, the same caption.
    assert 3 * single[2] < single[3] < 4 * single[2]


def test_neither_random_state_nor_gradients_nor_weights_move() -> None:
    model, batch = build_model(), inputs()
    model(**batch).loss.backward()
    before = [weight.grad.clone() for weight in model.parameters()]
    state = torch.get_rng_state()
    meter = FlopMeter()
    meter.watch(model)
    with meter.listening(), torch.no_grad():
        model(**batch)
    assert meter.read()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(old, weight.grad) for old, weight in zip(before, model.parameters(), strict=True))
    meter.close()
    assert not model._forward_pre_hooks


class _AsksForValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight * float(x.numpy().sum())


def test_a_model_that_cannot_be_counted_says_so() -> None:
    model = _AsksForValues()
    meter = FlopMeter()
    meter.watch(model)
    with meter.listening():
        model(torch.ones(3, 3))
    assert meter.read() is None
    assert "the FLOPs of _AsksForValues cannot be counted" in meter.problem


class _LooksAtValues(nn.Module):
    """Checks its input and leaves autocast, as losses do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x > 9).any()) or sum(x.flatten().tolist()) > 99:
            raise ValueError("too large")
        with torch.autocast(x.device.type, enabled=False):
            return self.linear(x)


def test_checks_of_values_and_autocast_are_no_hindrance() -> None:
    model = _LooksAtValues()
    meter = FlopMeter()
    meter.watch(model)
    autocast = torch.autocast
    with meter.listening():
        model(torch.ones(4, 3)).sum().backward()
    # Forward, and the weight's gradient: the input needs none.
    assert meter.read() == 2 * (2 * 4 * 3 * 2), meter.problem
    assert torch.autocast is autocast
    assert not torch.compiler.is_compiling()


def test_a_copy_of_a_watched_model_is_not_counted() -> None:
    model = build_model()
    meter = FlopMeter()
    meter.watch(model)
    with meter.listening():
        copy.deepcopy(model)(**inputs())
        model(**inputs()).loss.backward()
    assert meter.read() == flops_of(model, inputs())[0]


def test_weights_that_are_frozen_and_set_free_after_a_start() -> None:
    model, batch = build_model(), inputs()
    meter = FlopMeter()
    meter.watch(model)
    found, expected = [], []
    for frozen in (False, True, False):
        model.transformer.layers[0].requires_grad_(not frozen)
        with meter.listening(), FlopCounterMode(display=False) as counter:
            model(**batch).loss.backward()
        found.append(meter.read())
        expected.append(counter.get_total_flops())
    assert found == expected
    assert found[1] < found[0]


def test_a_model_that_is_compiled_whole_says_so() -> None:
    model = nn.Linear(3, 2)
    meter = FlopMeter()
    meter.watch(model)
    model.compile(backend="eager")
    for _ in range(2):
        with meter.listening():
            model(torch.ones(4, 3)).sum().backward()
    assert meter.read() is None
    assert "compiled as a whole" in meter.problem
