"""The convolutional video encoder: strided 3-D convolutions, pooled to a coarse grid, and its classifier.

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
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.models.conv_video_encoder.configuration_conv_video_encoder import ConvVideoEncoderConfig


@dataclass
class VideoClassifierOutput(ModelOutput):
    """
    Args:
        loss (`torch.FloatTensor`, a scalar, with `labels`): cross-entropy, averaged over the batch.
        logits (`torch.FloatTensor` of shape `(batch, num_labels)`): scores before the softmax.
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
    """

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


class ConvVideoEncoderStage(GradientCheckpointingLayer):
    """Convolution, batch norm, ReLU: `(batch, channels, frames, height, width)` in and out."""

    def __init__(self, config: ConvVideoEncoderConfig, stage_index: int):
        super().__init__()
        in_channels = config.hidden_sizes[stage_index - 1] if stage_index else config.num_channels
        out_channels = config.hidden_sizes[stage_index]
        time_stride, space_stride = config.strides[stage_index]
        self.convolution = nn.Conv3d(
            in_channels,
            out_channels,
            kernel_size=config.kernel_size,
            stride=(time_stride, space_stride, space_stride),
            padding=config.kernel_size // 2,
            bias=False,  # the norm that follows has one
        )
        self.norm = ConvVideoEncoderBatchNorm(out_channels, eps=config.norm_eps, momentum=config.norm_momentum)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.convolution(hidden_states)))


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
        """He initialisation for convolutions (ReLU follows), small numbers for the classifier."""
        super()._init_weights(module)  # norms to one and zero, running statistics to their start
        if isinstance(module, nn.Conv3d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            # 0.02: logits start near zero, so the first loss is that of guessing, whatever the grid's size
            init.normal_(module.weight, mean=0.0, std=0.02)
            init.zeros_(module.bias)


class ConvVideoEncoderModel(ConvVideoEncoderPreTrainedModel):
    """The encoder alone: pixels to a feature map and to one pooled vector a clip."""

    def __init__(self, config: ConvVideoEncoderConfig):
        super().__init__(config)
        self.stages = nn.ModuleList(ConvVideoEncoderStage(config, index) for index in range(config.num_hidden_layers))
        self.pooler = nn.AdaptiveAvgPool3d(tuple(config.pool_grid))
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        **kwargs: Unpack[TransformersKwargs],  # noqa: ARG002 (read by capture_outputs)
    ) -> BaseModelOutputWithPoolingAndNoAttention:
        """
        Args:
            pixel_values (`torch.FloatTensor`, `(batch, frames, channels, height, width)`): pixels in [-1, 1].

        Returns:
            `last_hidden_state`, `(batch, channels, frames, height, width)`, and `pooler_output`,
            `(batch, hidden_size * prod(pool_grid))`.
        """
        if pixel_values.ndim != 5 or pixel_values.shape[2] != self.config.num_channels:
            raise ValueError(
                f"pixel_values of shape {tuple(pixel_values.shape)} given, expected (batch, frames, "
                f"channels={self.config.num_channels}, height, width): "
                "add the batch dimension or move the channels."
            )
        hidden_states = pixel_values.to(self.dtype).transpose(1, 2)  # B T C H W -> B C T H W
        for stage in self.stages:
            hidden_states = stage(hidden_states)
        pooled = self.pooler(hidden_states).flatten(1)
        return BaseModelOutputWithPoolingAndNoAttention(last_hidden_state=hidden_states, pooler_output=pooled)


class ConvVideoEncoderForVideoClassification(ConvVideoEncoderPreTrainedModel):
    """The encoder with a linear classification layer on the pooled grid."""

    def __init__(self, config: ConvVideoEncoderConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.conv_video_encoder = ConvVideoEncoderModel(config)
        pooled_size = config.hidden_size * torch.Size(config.pool_grid).numel()
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(pooled_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor,
        labels: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoClassifierOutput:
        """
        Args:
            pixel_values (`torch.FloatTensor`, `(batch, frames, channels, height, width)`): pixels in [-1, 1].
            labels (`torch.LongTensor` of shape `(batch,)`, *optional*): class indices in `[0, num_labels)`,
                or -100 for a clip that the loss skips.

        Raises:
            ValueError: a label is outside `[0, num_labels)`.
        """
        outputs = self.conv_video_encoder(pixel_values, **kwargs)
        logits = self.classifier(self.dropout(outputs.pooler_output))

        loss = None
        if labels is not None:
            self._check_labels(labels)
            # fp32: half-precision exponentials cost accuracy and gain nothing on a (batch, num_labels) tensor
            loss = F.cross_entropy(logits.float(), labels.to(logits.device))
        return VideoClassifierOutput(loss=loss, logits=logits, hidden_states=outputs.hidden_states)

    def _check_labels(self, labels: torch.Tensor) -> None:
        if torch.compiler.is_compiling():  # a look at the values would break the graph
            return
        wrong = labels[(labels != -100) & ((labels < 0) | (labels >= self.num_labels))]
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
