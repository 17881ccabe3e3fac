"""What training takes from the wall, as far as the GPU counts it; processors count too, but nobody may ask them."""

import ctypes
from typing import Any

import torch


class GpuEnergy:
    """The energy of this process's GPU since the meter was made, whatever else ran on it.

    NVIDIA's driver counts it in GPUs since Volta. Anywhere else it is unknown.
    """

    def __init__(self) -> None:
        self._first = _millijoules()

    def joules(self) -> float | None:
        """So far; None where nothing counts."""
        now = _millijoules()
        return None if self._first is None or now is None or now < self._first else (now - self._first) / 1000


def energy_facts(joules: list[float]) -> dict[str, Any] | None:
    """For `run.json`, from what each process's GPU took; None where one of them does not know."""
    if not joules or any(value < 0 for value in joules):
        return None
    of = "the GPU" if len(joules) == 1 else f"{len(joules)} GPUs"
    return {"kilowatt_hours": sum(joules) / 3.6e6, "of": f"{of} alone, by the driver's count"}


def _millijoules() -> int | None:
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return None
    uuid = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return None if uuid is None else millijoules_of(f"GPU-{uuid}".replace("GPU-GPU-", "GPU-"))


def millijoules_of(uuid: str) -> int | None:
    """The driver's counter of a GPU, such as "GPU-6b5a…"; None where it has none."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    handle, counted = ctypes.c_void_p(), ctypes.c_ulonglong()
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        if nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)) != 0:
            return None
        if nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(counted)) != 0:
            return None
    finally:
        nvml.nvmlShutdown()
    return counted.value
