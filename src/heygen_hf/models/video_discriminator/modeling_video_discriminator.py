"""The 3-D patch discriminator: strided convolutions over a clip, one logit a patch, at one scale or several.

PatchGAN (Isola et al. 2016, arXiv:1611.07004) in three dimensions; several scales as in pix2pixHD (Wang et al.
2017, arXiv:1711.11585). Shape legend: B batch, T frames, C channels, H height, W width.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from heygen_hf.models.video_discriminator.configuration_video_discriminator import VideoDiscriminatorConfig


@dataclass
class VideoDiscriminatorOutput(ModelOutput):
    """
    Args:
        logits (`torch.FloatTensor` of shape `(batch, frames, height, width)` of patches): the first scale's, that of
            the clip as given; higher is more real.
        scale_logits (`tuple` of such): every scale's, the first included, each coarser than the one before.
        hidden_states (`tuple`, with `output_hidden_states=True`): each stage's output, scale after scale,
            `(batch, channels, frames, height, width)`, the layout of convolutions; for feature matching.
    """

    logits: torch.FloatTensor | None = None
    scale_logits: tuple[torch.FloatTensor, ...] | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class VideoDiscriminatorConv3d(nn.Conv3d):
    """A 3-D convolution, divided by its largest singular value where `spectral` (Miyato et al. 2018).

    The singular vector is a buffer, moved one power iteration at each training forward. (torch's own
    parametrization computes it in its constructor, which does not survive loading through the meta device.)
    """

    def __init__(self, *args, spectral: bool, **kwargs):
        super().__init__(*args, **kwargs)
        self.left_vector: torch.Tensor | None
        self.register_buffer("left_vector", F.normalize(torch.randn(self.out_channels), dim=0) if spectral else None)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if self.left_vector is None:
            return super().forward(hidden_states)
        matrix = self.weight.flatten(1)
        # No gradient flows through the vectors, and they are copies: a second forward moves the buffer in place.
        with torch.no_grad():
            left = self.left_vector.to(matrix.dtype, copy=True)
            if self._may_move():
                left = F.normalize(matrix @ F.normalize(left @ matrix, dim=0), dim=0)
                self.left_vector.copy_(left)
            right = F.normalize(left @ matrix, dim=0)
        sigma = left @ matrix @ right
        return self._conv_forward(hidden_states, self.weight / sigma, self.bias)

    def _may_move(self) -> bool:
        # Gradient checkpointing computes a stage again inside the backward pass (autograd's task id is set there,
        # -1 elsewhere): it must divide by what it divided by the first time.
        if not self.training:
            return False
        return torch.compiler.is_compiling() or torch._C._current_graph_task_id() == -1


class VideoDiscriminatorStage(GradientCheckpointingLayer):
    """Convolution, norm, leaky ReLU: `(batch, channels, frames, height, width)` in and out."""

    def __init__(self, config: VideoDiscriminatorConfig, stage_index: int):
        super().__init__()
        in_channels = config.hidden_sizes[stage_index - 1] if stage_index else config.num_channels
        out_channels = config.hidden_sizes[stage_index]
        time, space = config.kernel_size
        time_stride, space_stride = config.strides[stage_index]
        self.negative_slope = config.negative_slope
        self.convolution = VideoDiscriminatorConv3d(
            in_channels,
            out_channels,
            kernel_size=(time, space, space),
            stride=(time_stride, space_stride, space_stride),
            padding=((time - 1) // 2, (space - 1) // 2, (space - 1) // 2),
            spectral=config.norm_type == "spectral",
        )
        # Not after the first: the colours themselves tell real from generated.
        grouped = config.norm_type == "group" and stage_index > 0
        self.norm = nn.GroupNorm(config.num_groups, out_channels, eps=config.norm_eps) if grouped else nn.Identity()

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.norm(self.convolution(hidden_states)), self.negative_slope)


class VideoDiscriminatorScale(nn.Module):
    """One patch discriminator: its stages and the convolution that gives a patch its logit."""

    def __init__(self, config: VideoDiscriminatorConfig):
        super().__init__()
        self.stages = nn.ModuleList(VideoDiscriminatorStage(config, index) for index in range(len(config.hidden_sizes)))
        self.classifier = VideoDiscriminatorConv3d(
            config.hidden_size, 1, kernel_size=3, padding=1, spectral=config.norm_type == "spectral"
        )

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        for stage in self.stages:
            hidden_states = stage(hidden_states)
        return self.classifier(hidden_states).squeeze(1)  # B 1 T H W -> B T H W


class VideoDiscriminatorPreTrainedModel(PreTrainedModel):
    """Initialisation and what the family supports."""

    config: VideoDiscriminatorConfig
    base_model_prefix = "video_discriminator"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    _no_split_modules = ("VideoDiscriminatorStage",)
    _can_record_outputs = {
        # Stage outputs alone: the clip at each scale is no feature.
        "hidden_states": OutputRecorder(VideoDiscriminatorStage, capture_initial_hidden_state=False)
    }
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He initialisation for the leaky ReLU that follows; a random unit vector for the power iteration."""
        super()._init_weights(module)  # norms to one and zero
        if isinstance(module, VideoDiscriminatorConv3d):
            init.kaiming_normal_(module.weight, a=self.config.negative_slope, mode="fan_in", nonlinearity="leaky_relu")
            init.zeros_(module.bias)
            if module.left_vector is not None:
                # std: a vector of about length one; the first iteration makes it exactly that
                init.normal_(module.left_vector, mean=0.0, std=module.out_channels**-0.5)


class VideoDiscriminatorModel(VideoDiscriminatorPreTrainedModel):
    """A clip to one logit a patch: higher is more real."""

    def __init__(self, config: VideoDiscriminatorConfig):
        super().__init__(config)
        self.scales = nn.ModuleList(VideoDiscriminatorScale(config) for _ in range(config.num_scales))
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        **kwargs: Unpack[TransformersKwargs],  # noqa: ARG002 (read by capture_outputs)
    ) -> VideoDiscriminatorOutput:
        """
        Args:
            pixel_values (`torch.FloatTensor`, `(batch, frames, channels, height, width)`): pixels in [-1, 1], of any
                size from `config.minimum_clip_size` up.

        Returns:
            `logits`, `(batch, frames, height, width)` of patches, and `scale_logits`, those of every scale.
        """
        self._check(pixel_values)
        hidden_states = pixel_values.to(self.dtype).transpose(1, 2)  # B T C H W -> B C T H W
        time, space = self.config.scale_factor
        scale_logits = []
        for index, scale in enumerate(self.scales):
            if index:
                # F.avg_pool3d of this, which has no bfloat16 on a CPU
                blocks = hidden_states.unfold(2, time, time).unfold(3, space, space).unfold(4, space, space)
                hidden_states = blocks.mean((-3, -2, -1))
            scale_logits.append(scale(hidden_states))
        return VideoDiscriminatorOutput(logits=scale_logits[0], scale_logits=tuple(scale_logits))

    def _check(self, pixel_values: torch.Tensor) -> None:
        if pixel_values.ndim != 5 or pixel_values.shape[2] != self.config.num_channels:
            raise ValueError(
                f"pixel_values of shape {tuple(pixel_values.shape)} given, expected (batch, frames, "
                f"channels={self.config.num_channels}, height, width): "
                "add the batch dimension or move the channels."
            )
        frames, _, height, width = pixel_values.shape[1:]
        smallest = self.config.minimum_clip_size
        if any(size < least for size, least in zip((frames, height, width), smallest, strict=True)):
            raise ValueError(
                f"clips of {frames} frames of {height} x {width} leave no patch: {len(self.scales)} scales of "
                f"{len(self.config.hidden_sizes)} stages need {smallest[0]} frames of {smallest[1]} x {smallest[2]}. "
                "Use fewer stages or scales, or larger clips."
            )


__all__ = ["VideoDiscriminatorModel", "VideoDiscriminatorOutput", "VideoDiscriminatorPreTrainedModel"]
