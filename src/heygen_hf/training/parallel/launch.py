"""What a launcher asked for: refused in one line where it cannot be done, and FSDP2 on a CPU where it can."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType

_SECONDS_TO_SPEAK = 20


def asks_for(engine: str) -> bool:
    """Whether the launcher's configuration names an engine: "FSDP" or "DEEPSPEED"."""
    return os.environ.get(f"ACCELERATE_USE_{engine}", "").lower() == "true"


def num_processes() -> int:
    """As the launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_launch() -> None:
    """`_refuse_what_cannot_be`; on each machine its first process alone says it."""
    try:
        _refuse_what_cannot_be()
    except (ValueError, ImportError):
        if os.environ.get("LOCAL_RANK", "0") != "0":
            # The launcher ends all when one has ended: not before the first one has spoken.
            time.sleep(_SECONDS_TO_SPEAK)
            raise SystemExit(2) from None
        raise


def _refuse_what_cannot_be() -> None:
    """Refuse what `accelerate launch` would silently do otherwise.

    Raises:
        ValueError: a configuration for GPUs on a machine without one, or for sharding in one process.
        ImportError: DeepSpeed is asked for and not installed.
    """
    if "ACCELERATE_MIXED_PRECISION" not in os.environ:  # not started by accelerate
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = visible is not None and not any(
        name.strip().lstrip("-") == name.strip() != "" for name in visible.split(",")
    )
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"
    wants_gpu = not hidden and not on_cpu and (num_processes() > 1 or visible is not None)
    if wants_gpu and torch.accelerator.current_accelerator(check_available=True) is None:
        raise ValueError(
            "accelerate's configuration is for GPUs and torch finds none here: use recipes/accelerate/cpu.yaml, "
            "cpu_2_processes.yaml or cpu_2_processes_fsdp2.yaml, or install torch for this machine's GPU."
        )
    if asks_for("FSDP") and num_processes() == 1:
        raise ValueError(
            "accelerate's configuration shards the weights (FSDP) and starts one process, which has nobody to share "
            "with: give --num_processes 2 or more, or use recipes/accelerate/one_gpu.yaml."
        )
    if asks_for("FSDP") and os.environ.get("FSDP_VERSION", "1") != "2":
        raise ValueError(
            f"fsdp_version={os.environ.get('FSDP_VERSION', '1')} is not supported: set fsdp_version: 2 in "
            "accelerate's configuration, as recipes/accelerate/fsdp2.yaml has it."
        )
    if asks_for("DEEPSPEED") and find_spec("deepspeed") is None:
        raise ImportError("accelerate's configuration is for DeepSpeed: pip install 'heygen_hf[deepspeed]'.")


def check_deepspeed(args: Any, *, stage: int) -> None:
    """Refuse what DeepSpeed would do wrong.

    Args:
        args: of the trainer.
        stage: of ZeRO.

    Raises:
        ValueError: weights that are flat or in parts where whole ones are wanted.
    """
    if stage >= 3:
        raise ValueError(
            f"ZeRO stage {stage} leaves no process a whole model to sample, average and export: shard the weights with "
            "recipes/accelerate/fsdp2.yaml, or the optimiser alone with recipes/accelerate/deepspeed_zero2.yaml."
        )
    if args.optimizer == "muon":
        raise ValueError(
            "optimizer=muon wants whole matrices and DeepSpeed gives optimisers flat parts of them: set "
            "training.optimizer=adamw, or use recipes/accelerate/fsdp2.yaml."
        )


def forget_launcher_precision() -> None:
    """The recipe decides the precision; without this a launcher's `mixed_precision: bf16` would make fp32 bf16."""
    if "ACCELERATE_MIXED_PRECISION" in os.environ:
        os.environ["ACCELERATE_MIXED_PRECISION"] = "no"


@contextmanager
def sharding_on_cpu() -> Iterator[None]:
    """Within the context an `Accelerator` for FSDP2 made on a CPU shards.

    Accelerate makes FSDP of several processes on GPUs only; of several on a CPU it makes DDP, without a word. FSDP2
    itself works through gloo.
    """
    state = PartialState()
    is_ours = asks_for("FSDP") and state.distributed_type == DistributedType.MULTI_CPU
    if is_ours:
        state.distributed_type = DistributedType.MULTI_GPU
    try:
        yield
    finally:
        if is_ours and state.distributed_type == DistributedType.MULTI_GPU:
            state.distributed_type = DistributedType.MULTI_CPU
