"""The convolutional video encoder: stages of 3-D convolutions and residual blocks, a pooler, and its classifier.

Shape legend: B batch, T frames, C channels, H height, W width.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndNoAttention
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.import_utils import is_tracing
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.models.conv_video_encoder.configuration_conv_video_encoder import ConvVideoEncoderConfig


@dataclass
class VideoClassifierOutput(ModelOutput):
    """
    Args:
        loss (`torch.FloatTensor`, a scalar, with `labels`): that of the problem type, averaged over the batch.
        logits (`torch.FloatTensor` of shape `(batch, num_labels)`): scores before the softmax or the sigmoid, or the
            predicted numbers of a regression.
        hidden_states (`tuple`, with `output_hidden_states=True`): the pixels, then each stage's output,
            `(batch, channels, frames, height, width)`, the layout of convolutions.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class ConvVideoEncoderBatchNorm(nn.BatchNorm3d):
    """Batch norm whose running statistics move once a step, with gradient checkpointing too.

    Checkpointing computes a stage a second time while gradients flow back. A plain batch norm would count the
    same batch twice then, and a checkpointed run would end with other statistics than a plain one.

    `starts_at_zero`: its weights are zeros at first, so that the residual block it ends is only its shortcut.
    """

    def __init__(self, num_features: int, config: ConvVideoEncoderConfig, *, starts_at_zero: bool = False):
        super().__init__(num_features, eps=config.norm_eps, momentum=config.norm_momentum)
        self.starts_at_zero = starts_at_zero

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        # Inside the backward pass autograd's task id is set; -1 everywhere else.
        if not self.training or torch.compiler.is_compiling() or torch._C._current_graph_task_id() == -1:
            return super().forward(hidden_states)
        # Copies, not None: what is saved for backward must have the same form as the first time.
        return F.batch_norm(
            hidden_states,
            self.running_mean.clone(),
            self.running_var.clone(),
            self.weight,
            self.bias,
            training=True,
            eps=self.eps,
        )


class ConvVideoEncoderFactorizedConv3d(nn.Module):
    """(2+1)-D: over space, then over time, with a norm and a ReLU between (Tran et al. 2018, arXiv:1711.11248)."""

    def __init__(self, config: ConvVideoEncoderConfig, in_channels: int, out_channels: int, stride: tuple[int, int]):
        super().__init__()
        edge, padding = config.kernel_size, config.kernel_size // 2
        # As many parameters as edge^3 * in * out of the full kernel: edge^2 * in * mid + edge * mid * out.
        # 3 -> 64 channels with edge 3: 27 * 3 * 64 = 5184; 9 * 3 + 3 * 64 = 219 a middle channel; so 23 of them.
        full_size = edge**3 * in_channels * out_channels
        mid_channels = max(1, full_size // (edge**2 * in_channels + edge * out_channels))
        self.spatial = nn.Conv3d(
            in_channels,
            mid_channels,
            kernel_size=(1, edge, edge),
            stride=(1, stride[1], stride[1]),
            padding=(0, padding, padding),
            bias=False,
        )
        self.norm = ConvVideoEncoderBatchNorm(mid_channels, config)
        self.temporal = nn.Conv3d(
            mid_channels,
            out_channels,
            kernel_size=(edge, 1, 1),
            stride=(stride[0], 1, 1),
            padding=(padding, 0, 0),
            bias=False,
        )

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.temporal(F.relu(self.norm(self.spatial(hidden_states))))


def _convolution(
    config: ConvVideoEncoderConfig, in_channels: int, out_channels: int, stride: tuple[int, int] = (1, 1)
) -> nn.Module:
    if config.convolution == "factorized":
        return ConvVideoEncoderFactorizedConv3d(config, in_channels, out_channels, stride)
    return nn.Conv3d(
        in_channels,
        out_channels,
        kernel_size=config.kernel_size,
        stride=(stride[0], stride[1], stride[1]),
        padding=config.kernel_size // 2,
        bias=False,  # the norm that follows has one
    )


class ConvVideoEncoderSqueezeExcitation(nn.Module):
    """Each channel times a number in (0, 1) that depends on the whole clip (Hu et al. 2018, arXiv:1709.01507)."""

    def __init__(self, config: ConvVideoEncoderConfig, channels: int):
        super().__init__()
        squeezed = max(4, channels // config.squeeze_reduction)
        self.reduce = nn.Linear(channels, squeezed)
        self.expand = nn.Linear(squeezed, channels)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        clip = hidden_states.mean(dim=(2, 3, 4))  # B C
        weights = self.expand(F.relu(self.reduce(clip))).sigmoid()
        return hidden_states * weights[:, :, None, None, None]


class ConvVideoEncoderBlock(nn.Module):
    """Two convolutions beside a shortcut: `(batch, channels, frames, height, width)` in and out, no size changes."""

    def __init__(self, config: ConvVideoEncoderConfig, channels: int):
        super().__init__()
        self.convolution_in = _convolution(config, channels, channels)
        self.norm_in = ConvVideoEncoderBatchNorm(channels, config)
        self.convolution_out = _convolution(config, channels, channels)
        self.norm_out = ConvVideoEncoderBatchNorm(channels, config, starts_at_zero=True)
        self.squeeze_excitation = (
            ConvVideoEncoderSqueezeExcitation(config, channels) if config.squeeze_excitation else nn.Identity()
        )

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        residual = F.relu(self.norm_in(self.convolution_in(hidden_states)))
        residual = self.norm_out(self.convolution_out(residual))
        return F.relu(hidden_states + self.squeeze_excitation(residual))


class ConvVideoEncoderStage(GradientCheckpointingLayer):
    """Strided convolution, batch norm, ReLU, residual blocks: `(batch, channels, frames, height, width)` in and out."""

    def __init__(self, config: ConvVideoEncoderConfig, stage_index: int):
        super().__init__()
        in_channels = config.hidden_sizes[stage_index - 1] if stage_index else config.num_channels
        out_channels = config.hidden_sizes[stage_index]
        self.convolution = _convolution(config, in_channels, out_channels, tuple(config.strides[stage_index]))
        self.norm = ConvVideoEncoderBatchNorm(out_channels, config)
        self.blocks = nn.ModuleList(
            ConvVideoEncoderBlock(config, out_channels) for _ in range(config.stage_depths[stage_index])
        )

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states = F.relu(self.norm(self.convolution(hidden_states)))
        for block in self.blocks:
            hidden_states = block(hidden_states)
        return hidden_states


class ConvVideoEncoderAttentionPooling(nn.Module):
    """A learned weighting of all places (Ilse et al. 2018, arXiv:1802.04712): `(B, C, T, H, W)` to `(B, C)`."""

    def __init__(self, config: ConvVideoEncoderConfig):
        super().__init__()
        # No bias: the softmax would cancel it.
        self.score = nn.Linear(config.hidden_size, 1, bias=False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        tokens = _tokens(hidden_states)
        weights = self.score(tokens).float().softmax(dim=1).to(tokens.dtype)  # B N 1
        return (weights * tokens).sum(dim=1)


def _tokens(hidden_states: torch.Tensor) -> torch.Tensor:
    """`(B, C, T, H, W)` to `(B, T * H * W, C)`: frame after frame, row after row."""
    return hidden_states.flatten(2).transpose(1, 2)


def _pooler(config: ConvVideoEncoderConfig) -> nn.Module:
    if config.pooling == "attention":
        return ConvVideoEncoderAttentionPooling(config)
    pooler_class = nn.AdaptiveMaxPool3d if config.pooling == "max" else nn.AdaptiveAvgPool3d
    return pooler_class(tuple(config.pool_grid))


class ConvVideoEncoderPreTrainedModel(PreTrainedModel):
    """Initialisation and what the family supports."""

    config: ConvVideoEncoderConfig
    base_model_prefix = "conv_video_encoder"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    _no_split_modules = ("ConvVideoEncoderStage",)
    _can_record_outputs = {"hidden_states": ConvVideoEncoderStage}
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """What every parameter and buffer starts from:

        | what | start | why |
        |---|---|---|
        | convolutions | normal, He et al. 2015 over fan-out | a ReLU follows, which halves the variance |
        | batch norms | one and zero, statistics 0 and 1 | the plain normalisation |
        | last norm of a residual block | zero and zero | the block starts as its shortcut (Goyal et al. 2017) |
        | linear layers | normal of 0.02, biases zero | see below |

        With 0.02 the classifier's first loss is that of guessing, whatever the grid's size, attention pooling starts
        near the mean, and squeeze-and-excitation near one half for every channel.
        """
        super()._init_weights(module)  # norms to one and zero, running statistics to their start
        if isinstance(module, nn.Conv3d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, ConvVideoEncoderBatchNorm) and module.starts_at_zero:
            init.zeros_(module.weight)


class ConvVideoEncoderModel(ConvVideoEncoderPreTrainedModel):
    """The encoder alone: pixels to a feature map (or tokens) and to one pooled vector a clip."""

    def __init__(self, config: ConvVideoEncoderConfig):
        super().__init__(config)
        self.stages = nn.ModuleList(ConvVideoEncoderStage(config, index) for index in range(config.num_hidden_layers))
        self.pooler = _pooler(config)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)  # hidden states stay maps, whatever output_format says
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        **kwargs: Unpack[TransformersKwargs],  # noqa: ARG002 (read by capture_outputs)
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """
        Args:
            pixel_values (`torch.FloatTensor`, `(batch, frames, channels, height, width)`): pixels in [-1, 1].

        Returns:
            `last_hidden_state`, `(batch, hidden_size, frames, height, width)`, or `(batch, tokens, hidden_size)` with
            `output_format="tokens"`, and `pooler_output`, `(batch, config.pooled_size)`.

        Raises:
            ValueError: another layout, integer pixels, or a clip smaller than `config.min_clip_size`.
        """
        self._check_pixels(pixel_values)
        hidden_states = pixel_values.to(self.dtype).transpose(1, 2)  # B T C H W -> B C T H W
        for stage in self.stages:
            hidden_states = stage(hidden_states)
        pooled = self.pooler(hidden_states).flatten(1)
        if self.config.output_format == "tokens":
            hidden_states = _tokens(hidden_states)
        return BaseModelOutputWithPoolingAndNoAttention(last_hidden_state=hidden_states, pooler_output=pooled)

    def _check_pixels(self, pixel_values: torch.Tensor) -> None:
        if pixel_values.ndim != 5 or pixel_values.shape[2] != self.config.num_channels:
            raise ValueError(
                f"pixel_values of shape {tuple(pixel_values.shape)} given, expected (batch, frames, "
                f"channels={self.config.num_channels}, height, width): "
                "add the batch dimension or move the channels."
            )
        if not pixel_values.is_floating_point():
            raise ValueError(
                f"pixel_values are {pixel_values.dtype}, expected floating point in [-1, 1]: pass the frames "
                "through the video processor first."
            )
        frames, _, height, width = pixel_values.shape[1:]
        smallest = self.config.min_clip_size
        if any(size < least for size, least in zip((frames, height, width), smallest, strict=True)):
            raise ValueError(
                f"clips of {frames} frames of {height}x{width} pixels are below min_clip_size={smallest} "
                "(frames, height, width): repeat frames, scale the clips up or lower min_clip_size."
            )


class ConvVideoEncoderForVideoClassification(ConvVideoEncoderPreTrainedModel):
    """The encoder with a linear classification layer on the pooled clip.

    One label a clip (`single_label_classification`), several, or a number (`regression`): `config.problem_type`.
    Unset, it is told from the labels, as transformers' classifiers do: whole numbers are classes, zeros and ones in
    floating point are several labels, and with `num_labels=1` it is a regression.
    """

    # The loss is a mean over clips: Trainer must divide it by the number of accumulation steps itself.
    accepts_loss_kwargs = False

    def __init__(self, config: ConvVideoEncoderConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.conv_video_encoder = ConvVideoEncoderModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.pooled_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoClassifierOutput:
        """
        Args:
            pixel_values (`torch.FloatTensor`, `(batch, frames, channels, height, width)`): pixels in [-1, 1].
            labels (`torch.Tensor`, *optional*): `(batch,)` integers in `[0, num_labels)`, -100 for a clip that the
                loss skips; `(batch, num_labels)` zeros and ones for several labels a clip; `(batch,)` or
                `(batch, num_labels)` numbers for a regression.

        Raises:
            ValueError: a label is outside `[0, num_labels)`, all are -100, or their shape is another.
        """
        outputs = self.conv_video_encoder(pixel_values, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output))
        loss = None if labels is None else self._loss(logits, labels)
        return VideoClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        problem_type = self.config.problem_type
        if not labels.is_floating_point():
            labels = labels.long()  # narrower integers would be read as several labels a clip
        if problem_type is None and self.num_labels > 1 and not labels.is_floating_point():
            problem_type = "single_label_classification"
        if problem_type == "single_label_classification":
            labels = labels.flatten()
            self._check_shape(labels, (logits.shape[0],))
            self._check_classes(labels)
        elif self.num_labels == 1:
            # (batch, 1) on both sides: squeezed, a batch of one would have no batch
            labels = labels.flatten().float()
            self._check_shape(labels, (logits.shape[0],))
            labels = labels[:, None]
        else:
            labels = labels.float()
            self._check_shape(labels, (logits.shape[0], self.num_labels))
        # fp32: half-precision exponentials cost accuracy and gain nothing on a (batch, num_labels) tensor
        return self.loss_function(labels=labels, pooled_logits=logits.float(), config=self.config)

    def _check_shape(self, labels: torch.Tensor, expected: tuple[int, ...]) -> None:
        # some losses would broadcast in silence
        if tuple(labels.shape) != expected:
            raise ValueError(
                f"labels have shape {tuple(labels.shape)}, expected {expected} with "
                f"problem_type={self.config.problem_type!r} and num_labels={self.num_labels}: give every clip its own."
            )

    def _check_classes(self, labels: torch.Tensor) -> None:
        if is_tracing(labels):  # a trace has no values to look at
            return
        counted = labels[labels != -100]
        if not counted.numel():
            raise ValueError(
                f"all {labels.numel()} labels of the batch are -100, so there is nothing to learn: "
                "check the column the labels come from."
            )
        wrong = counted[(counted < 0) | (counted >= self.num_labels)]
        if wrong.numel():
            raise ValueError(
                f"label {int(wrong[0])} is outside [0, {self.num_labels}): set num_labels (or id2label) in "
                "the configuration to cover every class, or -100 for a clip without a label."
            )


__all__ = [
    "ConvVideoEncoderForVideoClassification",
    "ConvVideoEncoderModel",
    "ConvVideoEncoderPreTrainedModel",
    "VideoClassifierOutput",
]
