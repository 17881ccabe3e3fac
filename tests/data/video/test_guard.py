"""Functions that really crash, hang and eat memory cost one call each, here and inside a DataLoader's worker."""

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from heygen_hf.data import BadVideoError, decode_frames, write_video
from heygen_hf.data.child_process import ForkedChild, can_fork
from heygen_hf.data.messages import RemoteTracebackError
from heygen_hf.data.video.errors import ShortVideoError
from heygen_hf.data.video.guard import GuardedCall, guarded
from heygen_hf.types import VideoClip

pytestmark = pytest.mark.skipif(not can_fork(), reason="forking is unsafe here")


def misbehave(how: str) -> str:
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        os._exit(3)
    elif how == "system exit":
        sys.exit("no more")
    elif how == "sleep":
        time.sleep(100)
    elif how == "busy":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        sum(1 for _ in iter(int, 1))
    elif how == "memory":
        np.ones(2**40, dtype=np.uint8)
    elif how == "tensor memory":
        torch.ones(2**40, dtype=torch.uint8)
    elif how == "short":
        raise ShortVideoError(num_frames=3, asked_for=7)
    elif how == "reason":
        raise BadVideoError("its frames are upside down")
    elif how == "key":
        raise KeyError("nothing here")
    elif how == "unpicklable":
        return lambda: None
    return how


REASONS = {
    "segfault": r"^its decoder crashed \(signal 11\)$",
    "abort": r"^its decoder crashed \(signal 6\)$",
    "exit": r"^its decoder crashed \(exit code 3\)$",
    "sleep": r"^its decoder did not finish within 0.2 seconds$",
    "busy": r"^its decoder did not finish within 0.2 seconds$",
    "memory": r"^its decoder wanted more than 0.5 GiB of memory$",
    "tensor memory": r"^its decoder wanted more than 0.5 GiB of memory$",
    "reason": r"^its frames are upside down$",
}


def own_children() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(os.getpid()):
                found.append(entry.name)
        except OSError:
            continue
    return found


def num_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("how", REASONS)
def test_a_broken_call_is_a_reason_and_the_next_call_works(how):
    call = GuardedCall(misbehave, time_limit_seconds=0.2, max_memory_gibibytes=0.5)
    assert call("fine") == "fine"
    with pytest.raises(BadVideoError, match=REASONS[how]):
        call(how)
    assert call("fine again") == "fine again"
    call.close()


def test_exceptions_come_back_as_themselves():
    with pytest.raises(ShortVideoError, match="it has 3 frames") as caught:
        guarded(misbehave, "short")
    assert caught.value.num_frames == 3
    with pytest.raises(KeyError, match="nothing here") as missing:
        guarded(misbehave, "key")
    assert isinstance(missing.value.__cause__, RemoteTracebackError)
    assert "in misbehave" in str(missing.value.__cause__)
    with pytest.raises(RuntimeError, match="SystemExit: no more"):
        guarded(misbehave, "system exit")
    with pytest.raises((pickle.PicklingError, AttributeError, RuntimeError), match="lambda"):
        guarded(misbehave, "unpicklable")
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        guarded(misbehave, lambda: None)
    assert guarded(misbehave, "fine") == "fine"


def test_values_of_every_kind_and_size_come_back_equal():
    values = {
        "bytes": torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8),
        "turned": torch.arange(24.0).reshape(4, 6).t(),
        "brain floats": torch.randn(3, 5).bfloat16(),
        "none": torch.empty(0, 3),
        "one": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "array": np.arange(10, dtype=np.float64)[::2],
        "text": "näme",
    }
    same = GuardedCall(lambda value: value)  # a closure: the child has it from the fork
    back = same(values)
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            assert back[name].dtype == value.dtype
            assert torch.equal(back[name], value)
        else:
            assert np.array_equal(back[name], value)
    back["bytes"].add_(1)  # memory of our own: writable, and untouched by the next call
    again = same(torch.zeros(256, dtype=torch.uint8))
    assert torch.equal(back["bytes"], values["bytes"] + 1)
    assert int(again.sum()) == 0
    large = torch.arange(20_000_000, dtype=torch.int64)  # larger than the shared mapping
    assert torch.equal(same(large), large)


def test_a_decoded_clip_comes_back_whole(tmp_path, random_frames):
    path = write_video(tmp_path / "a.mp4", random_frames(6), lossless=True)
    clip = guarded(decode_frames, path, [1, 4])
    assert isinstance(clip, VideoClip)
    assert torch.equal(clip.frames, random_frames(6)[[1, 4]])
    with pytest.raises(BadVideoError, match="does not exist"):
        guarded(decode_frames, tmp_path / "gone.mp4")


def test_no_process_and_no_descriptor_stays_behind():
    guarded(misbehave, "fine")
    children, descriptors = own_children(), num_descriptors()
    call = GuardedCall(misbehave, time_limit_seconds=0.05)
    for how in ("segfault", "fine", "exit", "sleep", "fine") * 3:
        with contextlib.suppress(BadVideoError):
            call(how)
    del call
    gc.collect()
    assert own_children() == children
    assert num_descriptors() <= descriptors  # others of this process may be closed meanwhile


def test_the_child_has_one_thread_though_the_parent_used_several():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.randn(512, 512) @ torch.randn(512, 512)  # OpenMP's threads are running now
        call = GuardedCall(
            lambda size: (torch.get_num_threads(), (torch.randn(size, size) @ torch.ones(size, size)).shape)
        )
        assert call(512) == (1, (512, 512))
    finally:
        torch.set_num_threads(before)


def test_threads_share_a_child():
    results = {}
    threads = [
        threading.Thread(target=lambda number=number: results.update({number: guarded(np.square, np.arange(number))}))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(results[number], np.arange(number) ** 2) for number in range(8))


def test_a_pickled_guard_guards():
    call = pickle.loads(pickle.dumps(GuardedCall(misbehave, time_limit_seconds=0.1)))
    with pytest.raises(BadVideoError, match=r"within 0\.1 seconds"):
        call("sleep")


def test_limits_that_make_no_sense_are_named():
    with pytest.raises(ValueError, match="time_limit_seconds is 0; expected a number above 0"):
        GuardedCall(misbehave, time_limit_seconds=0)


class Misbehaving(Dataset):
    hows = ("fine", "segfault", "fine", "sleep", "memory", "fine", "abort", "fine")

    def __len__(self) -> int:
        return len(self.hows)

    def __getitem__(self, index: int) -> str:
        try:
            return f"{guarded(misbehave, self.hows[index], time_limit_seconds=0.2)} {os.getpid()}"
        except BadVideoError as error:
            return str(error)


def test_a_dataloaders_workers_survive_and_leave_nothing_behind():
    assert guarded(misbehave, "fine") == "fine"  # the workers must not talk to this child, which they inherit
    children = own_children()
    for _ in range(2):
        items = list(DataLoader(Misbehaving(), batch_size=None, num_workers=2))
        assert [item.split()[0] for item in items] == ["fine", "its", "fine", "its", "its", "fine", "its", "fine"]
        assert "signal 11" in items[1]
        assert "did not finish" in items[3]
        assert "memory" in items[4]
        assert {item.split()[1] for item in items if "fine" in item}.isdisjoint({str(os.getpid())})
    assert guarded(misbehave, "fine") == "fine"
    assert own_children() == children


def test_the_child_ends_with_its_parent(tmp_path):
    script = (
        "import os, time, signal\n"
        "from heygen_hf.data.child_process import ForkedChild\n"
        "child = ForkedChild(time.sleep)\n"
        "busy = ForkedChild(lambda: sum(1 for _ in iter(int, 1)))\n"
        "busy.send((), time_limit_seconds=0.5)\n"
        "print(child.pid, busy.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(_is_running(pid) for pid in pids):
        time.sleep(0.02)
    assert not any(_is_running(pid) for pid in pids)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_queue_of_calls_is_answered_in_order():
    child = ForkedChild(misbehave)
    for number in range(5):
        assert child.send((f"call {number}",))
    assert not child.send(("x" * 100_000,))  # would wait for the child to read, while it may wait for us
    assert [child.receive().result() for _ in range(5)] == [f"call {number}" for number in range(5)]
    assert child.num_waiting == 0
    child.close()
