"""Losses and objectives, one a file, in plain torch."""

from heygen_hf.losses.ddpm import DDPMObjective
from heygen_hf.losses.dice import DiceLoss
from heygen_hf.losses.flow_matching import FlowMatchingObjective
from heygen_hf.losses.focal import FocalLoss
from heygen_hf.losses.loss import Loss, LossOutput
from heygen_hf.losses.objective import DenoisingObjective, ObjectiveOutput, PredictionType
from heygen_hf.losses.timesteps import shift_timesteps, stratified_uniform

__all__ = [
    "DDPMObjective",
    "DenoisingObjective",
    "DiceLoss",
    "FlowMatchingObjective",
    "FocalLoss",
    "Loss",
    "LossOutput",
    "ObjectiveOutput",
    "PredictionType",
    "shift_timesteps",
    "stratified_uniform",
]
