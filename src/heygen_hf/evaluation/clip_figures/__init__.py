"""One figure a clip: plain functions of tensors, that the metrics average over clips."""

from heygen_hf.evaluation.clip_figures.frame_features import (
    consecutive_similarity,
    identity_similarity_of_embeddings,
    subject_consistency_of_features,
)
from heygen_hf.evaluation.clip_figures.frame_fidelity import frame_psnr, frame_ssim
from heygen_hf.evaluation.clip_figures.motion import block_flow, dynamic_degree_of_clips, flow_magnitude
from heygen_hf.evaluation.clip_figures.perceptual import perceptual_distance_of_clips
from heygen_hf.evaluation.clip_figures.sync import SyncScore, signal_sync, sync_of_embeddings
from heygen_hf.evaluation.clip_figures.temporal import flicker_of_clips, motion_smoothness_of_clips

__all__ = [
    "SyncScore",
    "block_flow",
    "consecutive_similarity",
    "dynamic_degree_of_clips",
    "flicker_of_clips",
    "flow_magnitude",
    "frame_psnr",
    "frame_ssim",
    "identity_similarity_of_embeddings",
    "motion_smoothness_of_clips",
    "perceptual_distance_of_clips",
    "signal_sync",
    "subject_consistency_of_features",
    "sync_of_embeddings",
]
