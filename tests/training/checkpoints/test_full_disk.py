"""The disk fills up during a save: one line, and the checkpoint before it loads."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer, newest_checkpoint

OPTIONS = {"max_steps": 4, "eval_strategy": "no", "save_total_limit": None, "logging_strategy": "no"}


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk; the other case needs none")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def limited_files(*, size: int) -> Iterator[None]:
    """Files can grow no further than that, as on a disk with a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class LimitAfter(TrainerCallback):
    """From a step on, files can grow no further than `size`."""

    def __init__(self, *, step: int, size: int) -> None:
        self.step, self.size = step, size

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def check_the_last_one_loads(root: Path, make_trainer: Callable[..., VideoGenerationTrainer]) -> None:
    assert [path.name for path in root.iterdir()] == ["checkpoint-2"]
    newest, warnings = newest_checkpoint(root)
    assert newest == root / "checkpoint-2"
    assert warnings == []
    VideoTransformerForVideoGeneration.from_pretrained(newest)
    resumed = make_trainer("with room", **OPTIONS)
    resumed.train(resume_from_checkpoint=str(newest))
    assert resumed.state.global_step == 4


def test_a_small_disk(make_trainer: Callable[..., VideoGenerationTrainer], tmp_path: Path) -> None:
    make_trainer("measured", **{**OPTIONS, "max_steps": 2}).train()
    size = sum(path.stat().st_size for path in (tmp_path / "measured").rglob("*"))
    with small_disk(tmp_path / "small", size=int(1.6 * size)):
        with pytest.raises(ValueError, match=r"saving checkpoint-4 failed \(.*\); the previous checkpoint is") as error:
            make_trainer("small/run", **OPTIONS).train()
        assert "\n" not in str(error.value)
        check_the_last_one_loads(tmp_path / "small" / "run", make_trainer)


@pytest.mark.parametrize("kibibytes", [0.01, 1, 60])
def test_a_quota(make_trainer: Callable[..., VideoGenerationTrainer], tmp_path: Path, kibibytes: float) -> None:
    with limited_files(size=2**30):  # put back at the end
        limit = LimitAfter(step=3, size=int(kibibytes * 1024))
        with pytest.raises(ValueError, match=r"saving checkpoint-4 failed \(.*\); the previous checkpoint is"):
            make_trainer("run", callbacks=[limit], **OPTIONS).train()
    check_the_last_one_loads(tmp_path / "run", make_trainer)


def test_what_is_no_matter_of_the_disk_says_nothing_of_it(
    make_trainer: Callable[..., VideoGenerationTrainer],
) -> None:
    trainer = make_trainer("run", **OPTIONS)
    trainer.sums_since_logged = lambda: torch.ones(2) @ torch.ones(3)
    with pytest.raises(RuntimeError, match="inconsistent tensor size"):
        trainer.train()
    assert list((Path(trainer.args.output_dir)).iterdir()) == []
