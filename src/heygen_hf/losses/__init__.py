"""Losses and objectives, one a file, in plain torch."""

from heygen_hf.losses.adaptive_weight import adaptive_weight
from heygen_hf.losses.adversarial import AdversarialLoss
from heygen_hf.losses.alignment import AlignmentLoss
from heygen_hf.losses.combined import CombinedLoss, WeightedLoss
from heygen_hf.losses.consistency import ConsistencyLoss
from heygen_hf.losses.contrastive import ContrastiveLoss
from heygen_hf.losses.ddpm import DDPMObjective
from heygen_hf.losses.dice import DiceLoss
from heygen_hf.losses.flow_matching import FlowMatchingObjective
from heygen_hf.losses.focal import FocalLoss
from heygen_hf.losses.gradient_penalty import GradientPenalty
from heygen_hf.losses.linear_chain_crf import LinearChainCRF, bio_transitions
from heygen_hf.losses.loss import Loss, LossOutput
from heygen_hf.losses.mean_flow import MeanFlowObjective
from heygen_hf.losses.multimodal import MultimodalLoss
from heygen_hf.losses.objective import DenoisingObjective, ObjectiveOutput, PredictionType
from heygen_hf.losses.perceptual import PerceptualLoss
from heygen_hf.losses.rank_gathering import gather_from_ranks
from heygen_hf.losses.temporal_consistency import TemporalConsistencyLoss, warp_backward
from heygen_hf.losses.text_processing import TextProcessingLoss
from heygen_hf.losses.timesteps import shift_timesteps, stratified_uniform
from heygen_hf.losses.vgg_features import VGG16Features, load_vgg16_features
from heygen_hf.losses.video_generation import VideoGenerationLoss

__all__ = [
    "AdversarialLoss",
    "AlignmentLoss",
    "CombinedLoss",
    "ConsistencyLoss",
    "ContrastiveLoss",
    "DDPMObjective",
    "DenoisingObjective",
    "DiceLoss",
    "FlowMatchingObjective",
    "FocalLoss",
    "GradientPenalty",
    "LinearChainCRF",
    "Loss",
    "LossOutput",
    "MeanFlowObjective",
    "MultimodalLoss",
    "ObjectiveOutput",
    "PerceptualLoss",
    "PredictionType",
    "TemporalConsistencyLoss",
    "TextProcessingLoss",
    "VGG16Features",
    "VideoGenerationLoss",
    "WeightedLoss",
    "adaptive_weight",
    "bio_transitions",
    "gather_from_ranks",
    "load_vgg16_features",
    "shift_timesteps",
    "stratified_uniform",
    "warp_backward",
]
