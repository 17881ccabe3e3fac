"""The weight that gives an adversarial loss as much pull as the reconstruction (Esser et al. 2020)."""

import torch


def adaptive_weight(
    reconstruction_loss: torch.Tensor,
    adversarial_loss: torch.Tensor,
    last_layer: torch.Tensor,
    *,
    maximum: float = 1e4,
    epsilon: float = 1e-4,
) -> torch.Tensor:
    """`|d reconstruction / d last_layer| / (|d adversarial / d last_layer| + epsilon)`, as in VQGAN.

    Esser et al. 2020, arXiv:2012.09841, equation 7.

    Args:
        reconstruction_loss, adversarial_loss: scalars with a graph, which is kept.
        last_layer: the weight of the generator's last layer.
        maximum: the largest value returned.
        epsilon: keeps it finite where the adversarial gradient vanishes.

    Returns:
        scalar in [0, maximum], without a gradient.

    Raises:
        ValueError: one of the losses does not depend on `last_layer`.
    """
    norms = []
    for name, loss in (("reconstruction_loss", reconstruction_loss), ("adversarial_loss", adversarial_loss)):
        gradient = None
        if loss.requires_grad and last_layer.requires_grad:
            (gradient,) = torch.autograd.grad(loss, last_layer, retain_graph=True, allow_unused=True)
        if gradient is None:
            raise ValueError(f"{name} does not depend on last_layer: give the weight of the generator's last layer.")
        norms.append(gradient.detach().float().norm())
    return (norms[0] / (norms[1] + epsilon)).clamp(max=maximum)
