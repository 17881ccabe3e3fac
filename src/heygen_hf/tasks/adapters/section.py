"""The `peft` section of recipes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True)
class PeftSection:
    """How `model.pretrained` is adapted: by `peft`, with the names of its own options.

    Args:
        method: "lora": low-rank matrices beside the model's (Hu et al. 2021, arXiv:2106.09685). "qlora": the same
            beside a base of 4-bit NF4 weights that computes in bfloat16 (Dettmers et al. 2023, arXiv:2305.14314; extra
            `quantization`). "prefix_tuning": learned keys and values before every text (Li & Liang 2021,
            arXiv:2101.00190).
        r, lora_alpha, lora_dropout: rank; the update is scaled by `lora_alpha / r`; dropout before it.
        target_modules: names of the layers adapted, or "all-linear"; by default the projections of attention and
            feed-forward where they are called as in this package's text transformer, else all linear layers.
        modules_to_save: layers trained whole and saved with the adapter; the head of a classifier always is.
        num_virtual_tokens: learned places before the text, for prefix tuning.
        merge: export a plain model with the update added to its weights, instead of an adapter (LoRA only).
    """

    method: Literal["lora", "qlora", "prefix_tuning"]
    r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    num_virtual_tokens: int = 20
    merge: bool = False

    def __post_init__(self) -> None:
        for name in ("r", "lora_alpha", "num_virtual_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.lora_dropout < 1:
            raise ValueError(f"lora_dropout must lie in [0, 1), got {self.lora_dropout}")
        if self.target_modules is not None and not self.target_modules:
            raise ValueError("target_modules is empty; name a layer or leave the key out")
        if self.method == "prefix_tuning":
            for name in ("target_modules", "modules_to_save"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is for lora and qlora: prefix_tuning changes no layer; leave it out")
        if self.merge and self.method != "lora":
            why = "4-bit weights cannot take it" if self.method == "qlora" else "a prefix is no change of weights"
            raise ValueError(f"merge needs method=lora, and it is {self.method}: {why}; set merge=false")
