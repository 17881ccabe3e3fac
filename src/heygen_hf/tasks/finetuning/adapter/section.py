"""The `peft` section of fine-tuning recipes."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(kw_only=True)
class AdapterSection:
    """Low-rank matrices that learn beside a transformer that stays as it is; without the section all of it is trained.

    Args:
        method: "lora" (Hu et al. 2021, arXiv:2106.09685), or "dora": direction and magnitude of weights apart (Liu et
            al. 2024, arXiv:2402.09353). On a transformer of few bits see `model.quantization`.
        r, lora_alpha, lora_dropout: rank; the update is scaled by `lora_alpha / r`; dropout before it.
        target_modules: endings of the names of the layers that are adapted; by default the family's.
        merge: export the whole pipeline with the update added to its weights, instead of an adapter; in the data type
            that they were held in, see `model.dtype`.
        comfyui: also write `comfyui_lora.safetensors`, the adapter under the names that ComfyUI reads.
        pretrained: folder or Hub name of an adapter to go on from, in diffusers' format.
        previous: folders or Hub names of adapters that were trained before, and stay as they are while a new one learns
            beside them; the export is one adapter that does what all of them do.
        orthogonal: the new one reads of its inputs only what those in `previous` do not, so that it leaves alone what
            they learned (O-LoRA, Wang et al. 2023, arXiv:2310.14152).
    """

    method: Literal["lora", "dora"] = "lora"
    r: int = 32
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: list[str] | None = None
    merge: bool = False
    comfyui: bool = False
    pretrained: str | None = None
    previous: list[str] = field(default_factory=list)
    orthogonal: bool = True

    def __post_init__(self) -> None:
        for name in ("r", "lora_alpha"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.lora_dropout < 1:
            raise ValueError(f"lora_dropout must lie in [0, 1), got {self.lora_dropout}")
        if self.comfyui and self.merge:
            raise ValueError("comfyui=true writes an adapter, and merge=true writes none; set one of them")
        if self.previous and self.method == "dora":
            raise ValueError("method=dora has magnitudes of one adapter alone: with previous, set it to lora")
        if self.target_modules is not None and not self.target_modules:
            raise ValueError("target_modules is empty; name a layer or leave the key out")
