"""SIGTERM and SIGUSR1: saved at the end of the step, and gone on from exactly."""

import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.checkpoints import preemption
from heygen_hf.training.checkpoints.preemption import Preempted, StopRequest, outlive_preemption, stopping_at_once

MakeTrainer = Callable[..., VideoGenerationTrainer]


class Signal(TrainerCallback):
    """Sends this process a signal in a step, or in the n-th batch of all evaluations."""

    def __init__(self, signum: int, *, step: int | None = None, prediction_step: int | None = None) -> None:
        self.signum, self.step, self.countdown = signum, step, prediction_step

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), self.signum)

    def on_prediction_step(self, args, state, control, **kwargs) -> None:
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown == 0:
                os.kill(os.getpid(), self.signum)


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)
    time.sleep(1)  # for the handler


def figures(trainer: VideoGenerationTrainer) -> list[tuple]:
    return [(entry["step"], entry.get("loss"), entry.get("eval_loss")) for entry in trainer.state.log_history]


@pytest.mark.parametrize(
    ("sent", "step"),
    [
        ({"signum": signal.SIGTERM, "step": 3}, 3),
        ({"signum": signal.SIGUSR1, "step": 4}, 4),  # where an evaluation is due
        ({"signum": signal.SIGTERM, "prediction_step": 3}, 4),  # in the middle of it
    ],
    ids=["in a step", "before an evaluation", "in an evaluation"],
)
def test_saves_leaves_and_goes_on_exactly(make_trainer: MakeTrainer, capfd, sent: dict, step: int) -> None:
    options = {"save_steps": 6, "logging_steps": 3, "eval_steps": 4}
    straight = make_trainer("straight", **options)
    straight.train()
    handler = signal.getsignal(sent["signum"])
    stopped = make_trainer("stopped", callbacks=[Signal(**sent)], **options)
    with pytest.raises(Preempted) as stop:
        stopped.train()
    assert stop.value.code == 128 + sent["signum"]
    assert stop.value.step == stopped.state.global_step == step
    assert capfd.readouterr().err.count(f"preempted by {stop.value.signal_name} at step {step}; continue with") == 1
    assert signal.getsignal(sent["signum"]) == handler
    assert [path.name for path in Path(stopped.args.output_dir).iterdir()] == [f"checkpoint-{step}"]
    resumed = make_trainer("stopped", **options)
    resumed.train(resume_from_checkpoint=True)
    assert figures(resumed) == figures(straight)
    for name, weight in straight.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name])


def test_a_second_signal_ends_at_once_and_a_repeated_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with StopRequest() as request:
        assert request.agreed() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # as a launcher passes it on
        assert request.agreed() == signal.SIGTERM
        monkeypatch.setattr(preemption, "_SAME_REQUEST_SECONDS", 0.0)
        time.sleep(0.001)
        with pytest.raises(Preempted):
            send(signal.SIGUSR1)


def test_a_handler_of_the_program_is_left_alone_and_outside_of_training_a_signal_ends_it() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGTERM)
            assert request.agreed() == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    with stopping_at_once(), pytest.raises(Preempted) as stop:
        send(signal.SIGUSR1)
    assert stop.value.code == 138
    assert stop.value.step is None


def test_a_data_worker_outlives_the_first_signal() -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()

    def work() -> None:
        outlive_preemption(0)
        ready.set()
        while True:
            time.sleep(0.01)

    worker = context.Process(target=work)
    worker.start()
    ready.wait()
    os.kill(worker.pid, signal.SIGUSR1)
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(0.3)
    assert worker.is_alive()
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(30)
    assert worker.exitcode == -signal.SIGTERM


@pytest.mark.parametrize("trainer_lives", [True, False])
def test_a_data_worker_waits_as_long_as_its_trainer_lives(trainer_lives: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preemption, "_LOOK_SECONDS", 0.02)
    from_worker, to_test = os.pipe()
    from_test, to_trainer = os.pipe()
    trainer = os.fork()
    if trainer == 0:
        os.close(to_trainer)
        if os.fork() == 0:
            outlive_preemption(0)
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(to_test, b"!")
            time.sleep(60)
        os.read(from_test, 1)  # until the test closes its end
        os._exit(0)
    os.close(to_test)
    assert os.read(from_worker, 1) == b"!"
    if not trainer_lives:
        os.close(to_trainer)
        os.waitpid(trainer, 0)
        assert os.read(from_worker, 1) == b""  # the worker has ended
        os.close(from_worker), os.close(from_test)
        return
    readable, _, _ = select.select([from_worker], [], [], 0.3)
    assert not readable
    os.close(to_trainer), os.waitpid(trainer, 0), os.close(from_test)
    os.read(from_worker, 1)
    os.close(from_worker)
