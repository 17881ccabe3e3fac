"""Finding out why a training does not work."""

from heygen_hf.training.debugging.gradient_check import Fixed, GradientCheck, check_gradients

__all__ = ["Fixed", "GradientCheck", "check_gradients"]
