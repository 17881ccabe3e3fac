"""Muon for the kernels of an autoencoder's convolutions, AdamW for everything else."""

import torch
from torch import nn

from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.optimization.muon import Muon
from heygen_hf.training.optimization.muon_with_adamw import MuonWithAdamW


class KernelMuon(Muon):
    """[`Muon`] for weights of any shape."""

    def __init__(
        self, params: list[nn.Parameter], *, lr: float, momentum: float, weight_decay: float, num_iterations: int = 5
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "num_iterations": num_iterations}
        torch.optim.Optimizer.__init__(self, params, defaults)


class KernelMuonWithAdamW(MuonWithAdamW):
    """[`MuonWithAdamW`] whose Muon takes kernels."""

    def __init__(self, kernels: list[nn.Parameter], others: list[nn.Parameter], args: BaseTrainingArguments) -> None:
        self.muon = KernelMuon(
            kernels, lr=args.muon_learning_rate, momentum=args.muon_momentum, weight_decay=args.weight_decay
        )
        self.adamw = torch.optim.AdamW(
            others,
            lr=args.learning_rate,
            betas=(args.adam_beta1, args.adam_beta2),
            eps=args.adam_epsilon,
            weight_decay=0.0,
        )
        torch.optim.Optimizer.__init__(self, self.muon.param_groups + self.adamw.param_groups, defaults={})
        self._share_groups()


def split_kernels(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters as (kernels and matrices between the first and the last layers, all others).

    The layers that see pixels or latents stay out, as embeddings and heads do with matrices.
    """
    kernels, others = [], []
    for name, weight in model.named_parameters():
        at_an_end = any(part in ("conv_in", "conv_out", "quant_conv", "post_quant_conv") for part in name.split("."))
        # norms' scales may have the shape of a kernel, with one value for each channel
        is_matrix = weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) > 1
        if weight.requires_grad:
            (kernels if is_matrix and not at_an_end else others).append(weight)
    return kernels, others


def build_kernel_optimizer(model: nn.Module, args: BaseTrainingArguments) -> torch.optim.Optimizer:
    """Muon and AdamW for an autoencoder.

    Raises:
        ValueError: it has no kernel that Muon could train.
    """
    kernels, others = split_kernels(model)
    if not kernels:
        raise ValueError("optimizer=muon finds no kernel between the first and the last layers; use optimizer=adamw.")
    return KernelMuonWithAdamW(kernels, others, args)
