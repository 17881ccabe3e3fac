"""The optimiser and the schedule that the arguments name, where `Trainer` has none."""

import torch
from torch import nn

from heygen_hf.training.optimization.arguments import OptimizationArguments
from heygen_hf.training.optimization.muon_with_adamw import MuonWithAdamW, split_for_muon
from heygen_hf.training.optimization.schedules import constant_then_linear_decay, step_schedule_with_warmup


def build_optimizer(model: nn.Module, args: OptimizationArguments) -> torch.optim.Optimizer | None:
    """Muon with AdamW; None where `Trainer` builds what `args.optim` names."""
    if args.optimizer != "muon":
        return None
    matrices, others = split_for_muon(model)
    if not matrices or not others:
        raise ValueError(
            "optimizer=muon is for whole transformers, and of this model only "
            f"{'matrices of blocks' if matrices else 'weights outside of blocks'} are trained: take optimizer=adamw"
        )
    return MuonWithAdamW(
        matrices,
        others,
        muon_lr=args.muon_learning_rate,
        adamw_lr=args.learning_rate,
        momentum=args.muon_momentum,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
        weight_decay=args.weight_decay,
    )


def build_schedule(
    optimizer: torch.optim.Optimizer, args: OptimizationArguments, *, num_training_steps: int
) -> torch.optim.lr_scheduler.LambdaLR | None:
    """A schedule in shares of the training; None where `Trainer` builds what `args.lr_scheduler_type` names."""
    warmup_steps = args.get_warmup_steps(num_training_steps)
    if args.linear_decay_share is not None:
        return constant_then_linear_decay(
            optimizer,
            num_warmup_steps=warmup_steps,
            num_training_steps=num_training_steps,
            decay_share=args.linear_decay_share,
        )
    if args.step_schedule_milestones:
        return step_schedule_with_warmup(
            optimizer,
            num_warmup_steps=warmup_steps,
            num_training_steps=num_training_steps,
            milestones=args.step_schedule_milestones,
            factor=args.step_schedule_factor,
        )
    return None
