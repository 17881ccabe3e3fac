"""The features that are always there: a small convolutional network with fixed random weights.

Random convolutions see colours, edges, their motion and how these vary within a clip, and know nothing of things. They
tell noise, blur, lost colours and frozen clips from real ones and rank checkpoints of one run; their figures are
comparable with nothing but themselves. For figures to publish, give trained features: the run's own judges, VideoMAE,
V-JEPA 2 or I3D.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing
from heygen_hf.evaluation.features.video_features import VideoFeatures

if TYPE_CHECKING:
    from heygen_hf.models.conv_video_encoder import ConvVideoEncoderModel

EMBEDDED_SIZE = 64
EMBEDDED_FEATURES = 128
EMBEDDED_SEED = 20_240_607  # of the weights; another number is another metric
EMBEDDED_NAME = "random ConvVideoEncoder"
SCALES_FILE = Path(__file__).with_name("embedded_scales.safetensors")


def embedded_network() -> "ConvVideoEncoderModel":
    """The convolutions: the same weights every time and on every machine."""
    from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderModel  # heavy

    config = ConvVideoEncoderConfig(
        hidden_sizes=(16, 32, 64, 128), strides=((1, 2), (1, 2), (2, 2), (1, 1)), pool_grid=(1, 1, 1)
    )
    with torch.random.fork_rng(devices=[]):  # the caller's numbers stay as they were
        network = ConvVideoEncoderModel(config)
    # drawn by a generator of its own: what transformers' initialisation draws may change with its version
    generator = torch.Generator().manual_seed(EMBEDDED_SEED)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv3d):
                fan_in = module.weight[0].numel()
                weight = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
                module.weight.copy_(weight * math.sqrt(2 / fan_in))  # He's deviation, so that no stage fades
    return network.eval()


class EmbeddedEncoder(nn.Module):
    """Pixels in [-1, 1] to 128 features: of each stage's channels the mean, the deviation and how much they change over
    time, each scaled by what it is on drawn clips (`embedded_scales.py`), and mixed by a random projection.

    Without the scales a few channels that are always on would be all that counts.

    Args:
        of_images: without the changes over time, for clips of one frame.
    """

    def __init__(self, *, of_images: bool = False, scales: dict[str, torch.Tensor] | None = None) -> None:
        super().__init__()
        if scales is None:
            from safetensors.torch import load_file

            scales = load_file(SCALES_FILE)
        self.of_images = of_images
        self.encoder = embedded_network()
        kind = "image" if of_images else "video"
        self.register_buffer("mean", scales[f"{kind}_mean"])
        self.register_buffer("deviation", scales[f"{kind}_deviation"])
        generator = torch.Generator().manual_seed(EMBEDDED_SEED + 1)
        size = scales[f"{kind}_mean"].numel()
        projection = torch.randn(size, EMBEDDED_FEATURES, generator=generator, dtype=torch.float64) / math.sqrt(size)
        self.register_buffer("projection", projection.float())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, channels, height, width)` to `(batch, 128)`."""
        scaled = (stage_statistics(self.encoder, pixels, of_images=self.of_images) - self.mean) / self.deviation
        return scaled.clamp(-10, 10) @ self.projection  # one channel far off what was ever drawn is not all there is


def stage_statistics(encoder: "ConvVideoEncoderModel", pixels: torch.Tensor, *, of_images: bool) -> torch.Tensor:
    """`(batch, statistics)` of every channel of every stage."""
    found = []
    for maps in encoder(pixels, output_hidden_states=True).hidden_states:  # B C T H W
        places = maps.flatten(2)
        found += [places.mean(2), places.var(2, correction=0).sqrt()]
        if not of_images:
            found.append(maps.var(2, correction=0).mean((2, 3)).sqrt())
    return torch.cat(found, dim=1)


def embedded_video_features(
    *, num_frames: int | None = None, frame_stride: int = 1, device: str | torch.device | None = None
) -> VideoFeatures:
    """128 features of a clip; frames are resized to 64x64."""
    return VideoFeatures(
        EmbeddedEncoder(),
        name=EMBEDDED_NAME,
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
        EmbeddedEncoder(of_images=True),
        name=EMBEDDED_NAME,
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
