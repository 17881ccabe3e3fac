"""Losses and objectives, one a file, in plain torch."""

from heygen_hf.losses.ddpm import DDPMObjective
from heygen_hf.losses.dice import DiceLoss
from heygen_hf.losses.flow_matching import FlowMatchingObjective
from heygen_hf.losses.focal import FocalLoss
from heygen_hf.losses.linear_chain_crf import LinearChainCRF, bio_transitions
from heygen_hf.losses.loss import Loss, LossOutput
from heygen_hf.losses.objective import DenoisingObjective, ObjectiveOutput, PredictionType
from heygen_hf.losses.text_processing import TextProcessingLoss
from heygen_hf.losses.timesteps import shift_timesteps, stratified_uniform

__all__ = [
    "DDPMObjective",
    "DenoisingObjective",
    "DiceLoss",
    "FlowMatchingObjective",
    "FocalLoss",
    "LinearChainCRF",
    "Loss",
    "LossOutput",
    "ObjectiveOutput",
    "PredictionType",
    "TextProcessingLoss",
    "bio_transitions",
    "shift_timesteps",
    "stratified_uniform",
]
