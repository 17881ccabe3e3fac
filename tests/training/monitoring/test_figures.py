import pytest
import torch
from accelerate import Accelerator

from heygen_hf.training.monitoring.figures import all_processes_figures
from heygen_hf.training.monitoring.loss_parts import LossParts
from heygen_hf.training.monitoring.matmul_peak import matmul_peak_flops
from heygen_hf.training.monitoring.peak_memory import peak_memory_bytes
from heygen_hf.training.monitoring.throughput import Throughput
from heygen_hf.training.monitoring.timestep_bands import BAND_NAMES, bands_of_timesteps


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


def test_rates_and_shares(accelerator: Accelerator) -> None:
    done = Throughput(seconds=2.0, waiting_seconds=0.5, samples=8, tokens=80, padding_tokens=20)
    figures = all_processes_figures(accelerator, done, flops=4e9, peak_flops=8e9, peak_memory_bytes=2**30)
    assert figures == {
        "samples_per_second": 4.0,
        "tokens_per_second": 40.0,
        "padding_share": 0.25,
        "flops_per_second": 2e9,
        "mfu": 0.25,
        "data_wait_share": 0.25,
        "peak_memory_gib": 1.0,
    }


def test_what_is_not_known_is_left_out(accelerator: Accelerator) -> None:
    done = Throughput(seconds=1.0, waiting_seconds=0.0, samples=8, tokens=0, padding_tokens=0)
    figures = all_processes_figures(accelerator, done, flops=None, peak_flops=1e9, peak_memory_bytes=0)
    assert figures == {"samples_per_second": 8.0, "data_wait_share": 0.0}
    figures = all_processes_figures(accelerator, done, flops=1e9, peak_flops=None, peak_memory_bytes=0)
    assert figures["flops_per_second"] == 1e9
    assert "mfu" not in figures


def test_the_peak_is_measured_once_and_leaves_random_states_alone() -> None:
    state = torch.get_rng_state()
    peak = matmul_peak_flops(torch.device("cpu"), torch.float32, seconds=0.01)
    assert peak > 1e6
    assert matmul_peak_flops(torch.device("cpu"), torch.float32, seconds=0.01) == peak
    assert torch.equal(state, torch.get_rng_state())


def test_peak_memory_never_falls() -> None:
    before = peak_memory_bytes(torch.device("cpu"))
    kept = torch.ones(8_000_000)
    assert peak_memory_bytes(torch.device("cpu")) >= before > 0
    del kept


def test_bands_of_timesteps() -> None:
    assert BAND_NAMES[0] == "loss_at_0_to_0.2"
    assert BAND_NAMES[-1] == "loss_at_0.8_to_1"
    bands = bands_of_timesteps(torch.tensor([0.0, 0.1, 0.25, 0.5, 1.0]))
    assert [BAND_NAMES.index(band) for band in bands] == [0, 0, 1, 2, 4]


def test_parts_are_means_since_they_were_read(accelerator: Accelerator) -> None:
    parts = LossParts()
    assert parts.read(accelerator) == {}
    parts.add({"loss_a": torch.tensor(1.0), "loss_b": torch.tensor(4.0)})
    parts.add({"loss_a": torch.tensor(3.0), "loss_b": torch.tensor(4.0)})
    names = ["loss_x", "loss_y", "loss_z"]
    parts.add_samples(torch.tensor([1.0, 2.0]), ["loss_x", "loss_x"], ["loss_z", "loss_a"], names=names)
    parts.add_samples(torch.tensor([1.0]), ["loss_x"], names=names)
    # A group that nothing fell in is left out, not called 0.
    assert parts.read(accelerator) == {"loss_a": 2.0, "loss_b": 4.0, "loss_x": 4 / 3, "loss_z": 1.0}
    parts.add({"loss_a": torch.tensor(5.0)})
    assert parts.read(accelerator) == {"loss_a": 5.0}


def test_parts_go_on_from_a_checkpoint(accelerator: Accelerator) -> None:
    def add(parts: LossParts, *losses: float) -> None:
        for loss in losses:
            parts.add({"loss_a": torch.tensor(loss)})
            parts.add_samples(torch.tensor([loss]), ["loss_x" if loss > 1 else "loss_y"], names=["loss_x", "loss_y"])

    straight, stopped, resumed = LossParts(), LossParts(), LossParts()
    add(straight, 0.1, 1.7, 2.3)
    add(stopped, 0.1, 1.7)
    resumed.load_state_dict(stopped.state_dict())
    add(resumed, 2.3)
    assert resumed.read(accelerator) == straight.read(accelerator)
