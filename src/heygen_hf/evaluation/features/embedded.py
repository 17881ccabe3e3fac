"""The features that are always there: a small convolutional network with fixed random weights.

Random convolutions see colours, edges, their motion and how these vary from clip to clip, and know nothing of things.
They tell noise, blur, frozen and shuffled clips from real ones and rank checkpoints of one run; their figures are
comparable with nothing but themselves. For figures to publish, give trained features: the run's own judges, VideoMAE,
V-JEPA 2 or I3D.
"""

import math

import torch
from torch import nn

from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing
from heygen_hf.evaluation.features.video_features import VideoFeatures
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderModel

EMBEDDED_SIZE = 64
EMBEDDED_SEED = 20_240_607  # of the weights; another number is another metric
_NAME = "random ConvVideoEncoder"


def embedded_network() -> ConvVideoEncoderModel:
    """The same weights every time and on every machine."""
    config = ConvVideoEncoderConfig(
        hidden_sizes=(16, 32, 64, 128), strides=((1, 2), (1, 2), (2, 2), (1, 1)), pool_grid=(1, 1, 1)
    )
    # drawn by a generator of its own: what transformers' own initialisation draws may change with its version
    with torch.random.fork_rng(devices=[]):
        network = ConvVideoEncoderModel(config)
    generator = torch.Generator().manual_seed(EMBEDDED_SEED)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv3d):
                fan_in = module.weight[0].numel()
                # He's deviation, so that no stage fades; kernels that sum to anything, so that flat colours count
                weight = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
                module.weight.copy_(weight * math.sqrt(2 / fan_in))
                if module.bias is not None:
                    module.bias.zero_()
    return network.eval()


def embedded_video_features(
    *, num_frames: int | None = None, frame_stride: int = 1, device: str | torch.device | None = None
) -> VideoFeatures:
    """128 features of a clip; frames are resized to 64x64."""
    return VideoFeatures(
        embedded_network(),
        name=_NAME,
        preprocessing=FeaturePreprocessing(
            height=EMBEDDED_SIZE,
            width=EMBEDDED_SIZE,
            value_range=(-1.0, 1.0),
            num_frames=num_frames,
            frame_stride=frame_stride,
        ),
        device=device,
    )


def embedded_image_features(
    *, num_frames: int | None = None, frame_stride: int = 1, device: str | torch.device | None = None
) -> VideoFeatures:
    """128 features of each frame."""
    return VideoFeatures(
        embedded_network(),
        name=_NAME,
        preprocessing=FeaturePreprocessing(
            height=EMBEDDED_SIZE,
            width=EMBEDDED_SIZE,
            value_range=(-1.0, 1.0),
            num_frames=num_frames,
            frame_stride=frame_stride,
            frame_choice="even" if num_frames is not None else "first",
            layout="single_frame_clips",
        ),
        device=device,
    )
