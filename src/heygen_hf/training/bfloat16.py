"""Whether matrix products are made in bfloat16."""

import torch


def supports_bfloat16(device_type: str | None = None) -> bool:
    """Whether a device (by default the one this process would train on) multiplies bfloat16 natively."""
    if device_type == "cuda" or (device_type is None and torch.cuda.is_available()):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
