"""Processor, threads, compiler, accelerator, disk, and whether the Hub knows this user."""

import os
import platform
import shutil
from pathlib import Path

from heygen_hf.doctor.finding import Finding

GIGABYTE = 10**9
LITTLE_DISK_BYTES = 5 * GIGABYTE  # a run with its checkpoints and clip store fits, with some room
NO_DISK_BYTES = GIGABYTE // 2


def examine_machine() -> list[Finding]:
    """Findings about the machine."""
    return [processor(), threads(), compiler(), accelerator(), disk(Path.cwd()), hub_token()]


def usable_cores() -> int:
    """Logical cores that this process may run on, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> Finding:
    """How many cores, and is bf16 fast? (Without these instructions bf16 works, slower than fp32.)"""
    flags, model = _cpu_info()
    fast = [name for name, flag in (("AVX512-BF16", "avx512_bf16"), ("AMX", "amx_bf16")) if flag in flags]
    fast += ["Arm BF16"] if "bf16" in flags else []
    bf16 = f"fast bf16 ({', '.join(fast)})" if fast else "no fast bf16: fp32 is faster"
    return Finding(subject="CPU", state="ok", found=f"{model}, {usable_cores()} cores, {bf16}")


def threads() -> Finding:
    """One thread on a machine with more is half the speed or worse, and nothing says so."""
    import torch

    count, cores = torch.get_num_threads(), usable_cores()
    set_to = os.environ.get("OMP_NUM_THREADS")
    found = f"torch uses {count}" + (f" (OMP_NUM_THREADS={set_to})" if set_to else "")
    if count > 1 or cores == 1:
        return Finding(subject="Threads", state="ok", found=found)
    remedy = "unset OMP_NUM_THREADS (accelerate launch sets it to 1 unless given a --config_file)"
    return Finding(subject="Threads", state="note", found=f"{found} of {cores} cores", remedy=remedy)


def compiler() -> Finding:
    """torch.compile on a CPU writes C++ and compiles it."""
    name = os.environ.get("CXX") or "g++"
    path = shutil.which(name) or shutil.which("clang++")
    if path is not None:
        return Finding(subject="C++ compiler", state="ok", found=path)
    return Finding(
        subject="C++ compiler",
        state="note",
        found=f"no {name}: torch.compile does not work on the CPU, training runs uncompiled",
        remedy="apt-get install g++",
    )


def accelerator() -> Finding:
    """Which GPU torch sees, and whether the machine has one that it does not."""
    import torch

    if torch.cuda.is_available():
        names = []
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            names.append(f"{properties.name} ({properties.total_memory / GIGABYTE:.0f} GB)")
        version = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return Finding(subject="GPU", state="ok", found=f"{', '.join(names)}, {version}")
    if torch.backends.mps.is_available():
        return Finding(subject="GPU", state="ok", found="Apple MPS")
    if shutil.which("nvidia-smi") is None:
        return Finding(subject="GPU", state="ok", found="none, the CPU is used")
    return Finding(
        subject="GPU",
        state="note",
        found=f"the machine has an NVIDIA driver, and torch {torch.__version__} cannot use it",
        remedy="install a CUDA build of torch that the driver supports: https://pytorch.org/get-started/locally",
    )


def disk(folder: Path) -> Finding:
    """Is there room for a run under `folder`?"""
    free = shutil.disk_usage(folder).free
    found = f"{free / GIGABYTE:.1f} GB free under {folder}"
    remedy = "free some, or set output_dir to a folder on another disk"
    if free < NO_DISK_BYTES:
        return Finding(subject="Disk", state="broken", found=found, remedy=remedy)
    if free < LITTLE_DISK_BYTES:
        return Finding(subject="Disk", state="note", found=found, remedy=remedy)
    return Finding(subject="Disk", state="ok", found=found)


def hub_token() -> Finding:
    """Whether there is a token, never what it is."""
    from huggingface_hub import get_token

    if get_token() is not None:
        return Finding(subject="Hub token", state="ok", found="present")
    return Finding(subject="Hub token", state="ok", found="none, needed to publish alone: hf auth login")


def _cpu_info() -> tuple[set[str], str]:
    """The CPU's flags and model name; Linux writes them to a file, elsewhere no flags are known."""
    info = Path("/proc/cpuinfo")
    flags: set[str] = set()
    model = platform.processor() or platform.machine()
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                flags = set(value.split())
            elif key.strip() == "model name":
                model = value.strip()
    return flags, model
