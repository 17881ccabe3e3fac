"""Configuration of the video generation transformer."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from heygen_hf.layers.patches import patch_grid
from heygen_hf.layers.rotary import split_rotary_bands

CONDITION_NAMES = ("caption", "class", "audio")
"""The columns of a `condition_dropout_mask` of shape `(batch, 3)`."""


@strict
class VideoTransformerConfig(PreTrainedConfig):
    r"""Configuration of a [`VideoTransformerModel`].

    Args:
        num_channels (`int`, defaults to 3):
            Channels of the clip the model denoises: 3 for pixels, the autoencoder's latent channels for latents.
        patch_size (`tuple[int, int, int]`, defaults to `(1, 2, 2)`):
            Frames, height and width of a tubelet patch. The clip's sizes must be multiples of it.
        hidden_size, num_hidden_layers, num_attention_heads (`int`, default 768, 12, 12):
            Width, depth and heads. The head size (`hidden_size / num_attention_heads`) must be even and at least 6.
        intermediate_size (`int`, *optional*):
            Inner width of the feed-forward; by default 8/3 (gated) or 4 (plain) times `hidden_size`, rounded up to 32.
        feed_forward (`"gated"` or `"plain"`, defaults to `"gated"`), hidden_act (`str`, defaults to `"silu"`):
            The feed-forward layer and its activation.
        rms_norm_eps (`float`, defaults to 1e-6), rope_theta (`float`, defaults to 100.0):
            Norm epsilon; base of the rotary frequencies (axes are short, so less than a text model's 10,000).
        timestep_embedding_size (`int`, defaults to 256):
            Sinusoidal features per frame's timestep.
        vocab_size (`int`, *optional*):
            Give it to embed captions from `input_ids` inside the model.
        pad_token_id (`int`, *optional*):
            The tokenizer's padding token, used only to build an attention mask when none is passed.
        caption_hidden_size (`int`, *optional*):
            Give it to take captions as `encoder_hidden_states` of that width from an external text encoder.
        caption_conditioning (`"tokens"` or `"cross_attention"`, defaults to `"tokens"`):
            Caption tokens in the same stream as the video's, or read by cross-attention in every block.
        pool_caption (`bool`, defaults to `True`):
            Also add the caption tokens' mean to the timestep embedding, so that it modulates every block.
        attention_pattern (`"full"`, `"causal"`, `"block_causal"` or `"windowed"`, defaults to `"full"`):
            Which tokens a video token attends to, by the rows of the token grid's time axis: all; those of its own and
            earlier rows; those of its own and earlier blocks of `attention_block` rows; those at most
            `attention_window` rows away. Captions are always attended to, and except for `"full"` attend to captions
            only. A causal model can go on from cached rows, see `use_cache` of [`VideoTransformerModel`].
        attention_window (`int`, *optional*):
            For `"windowed"`, rows to either side. With a causal pattern: rows before the own row or block that are
            attended to; without it, all of them.
        attention_block (`int`, *optional*):
            Rows of a block, for `"block_causal"`.
        mixer (`"attention"` or `"mamba"`, defaults to `"attention"`):
            What mixes the tokens of the stream. `"mamba"` is transformers' Mamba-2 (Dao & Gu 2024, arXiv:2405.21060),
            whose cost is linear in the number of tokens: every other block scans the video backwards, and with
            `attention_pattern="causal"` none does.
        num_class_labels (`int`, defaults to 0):
            Number of classes for `class_ids`; 0 for none.
        audio_hidden_size (`int`, *optional*):
            Give it to take sound as `audio_features` of that width, one row for each input frame (also where the clip
            is latents): a token for each time row of the token grid, and a part of its modulation.
        hidden_dropout, attention_dropout (`float`, default 0.0):
            Dropout on each residual branch and on attention weights.
        condition_dropout (`float`, defaults to 0.1):
            Share of training samples whose conditions are all replaced by the learned null condition, which
            classifier-free guidance needs at sampling. A model with several also learns from samples that lack one of
            them: each is dropped alone with the same probability.
        objective (`"flow_matching"`, `"ddpm"` or `"mean_flow"`), prediction_type, loss_space (`"sample"`,
            `"velocity"` or `"noise"`):
            What the model is trained to do; see `heygen_hf.losses`. A mean flow samples in one step or more; it trains
            with `attn_implementation="matmul"` or `"eager"`.
        timestep_shift (`float`, defaults to 1.0):
            Above 1, training and sampling timesteps lean towards noise.
        min_timestep (`float`, defaults to 0.05):
            Smallest divisor in the velocity of a predicted sample.
        num_train_timesteps (`int`, defaults to 1000):
            Length of the DDPM schedule.
        temporal_compression, spatial_compression (`int`, default 1):
            Set by latent models: how many input frames and pixels one latent stands for, so that a pipeline knows the
            shape to draw.
        sample_frames, sample_height, sample_width (`int`):
            The default shape to generate, in pixels and frames; any other that the patch divides works too.
        given_frame_patterns (`list[str]`, *optional*):
            Set by the trainer: which given frames the model learned from ("first", "prefix", …; see
            `heygen_hf.training.noise.given_frames`), so that a pipeline can warn of what it never saw.
        initializer_range (`float`, defaults to 1.0):
            Scale of the width-aware initialisation (see `_init_weights`); 1.0 keeps unit-variance activations.

    Example:
        >>> config = VideoTransformerConfig(vocab_size=64, hidden_size=128, num_hidden_layers=4, num_attention_heads=2)
        >>> model = VideoTransformerModel(config)
    """

    model_type = "heygen_video_transformer"
    base_model_tp_plan = {
        "layers.*.attention.q_proj": "colwise",
        "layers.*.attention.k_proj": "colwise",
        "layers.*.attention.v_proj": "colwise",
        # Each rank's heads give these a part of their gradient.
        "layers.*.attention.q_norm": "replicated_with_grad_allreduce",
        "layers.*.attention.k_norm": "replicated_with_grad_allreduce",
        "layers.*.attention.o_proj": "rowwise",
        "layers.*.cross_attention.q_proj": "colwise",
        "layers.*.cross_attention.k_proj": "colwise",
        "layers.*.cross_attention.v_proj": "colwise",
        "layers.*.cross_attention.q_norm": "replicated_with_grad_allreduce",
        "layers.*.cross_attention.k_norm": "replicated_with_grad_allreduce",
        "layers.*.cross_attention.o_proj": "rowwise",
        "layers.*.feed_forward.gate_proj": "colwise",
        "layers.*.feed_forward.up_proj": "colwise",
        "layers.*.feed_forward.down_proj": "rowwise",
    }

    num_channels: int = 3
    patch_size: list[int] | tuple[int, ...] = (1, 2, 2)
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int | None = None
    feed_forward: Literal["gated", "plain"] = "gated"
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    rope_theta: float = 100.0
    timestep_embedding_size: int = 256
    vocab_size: int | None = None
    pad_token_id: int | None = None
    caption_hidden_size: int | None = None
    caption_conditioning: Literal["tokens", "cross_attention"] = "tokens"
    pool_caption: bool = True
    attention_pattern: Literal["full", "causal", "block_causal", "windowed"] = "full"
    attention_window: int | None = None
    attention_block: int | None = None
    mixer: Literal["attention", "mamba"] = "attention"
    num_class_labels: int = 0
    audio_hidden_size: int | None = None
    hidden_dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    condition_dropout: float | int = 0.1
    objective: Literal["flow_matching", "ddpm", "mean_flow"] = "flow_matching"
    prediction_type: Literal["sample", "velocity", "noise"] = "velocity"
    loss_space: Literal["sample", "velocity", "noise"] = "velocity"
    timestep_shift: float | int = 1.0
    min_timestep: float = 0.05
    num_train_timesteps: int = 1000
    temporal_compression: int = 1
    spatial_compression: int = 1
    sample_frames: int = 16
    sample_height: int = 64
    sample_width: int = 64
    given_frame_patterns: list[str] | None = None
    initializer_range: float | int = 1.0

    def __post_init__(self, **kwargs: object) -> None:
        self.patch_size = tuple(self.patch_size)
        if self.intermediate_size is None:
            wide = self.hidden_size * 8 / 3 if self.feed_forward == "gated" else self.hidden_size * 4
            self.intermediate_size = -(-int(wide) // 32) * 32
        super().__post_init__(**kwargs)

    def validate_architecture(self) -> None:
        """Checks across fields; part of `@strict`'s validation."""
        if len(self.patch_size) != 3 or any(size < 1 for size in self.patch_size):
            raise ValueError(f"patch_size={self.patch_size} must be three positive sizes: (frames, height, width).")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of num_attention_heads={self.num_attention_heads}."
            )
        split_rotary_bands(self.hidden_size // self.num_attention_heads)
        if self.vocab_size is not None and self.caption_hidden_size is not None:
            raise ValueError(
                "give vocab_size (captions as input_ids) or caption_hidden_size (encoder_hidden_states), not both."
            )
        if self.audio_hidden_size is not None and self.audio_hidden_size < 1:
            raise ValueError(f"audio_hidden_size={self.audio_hidden_size} must be at least 1, or None for no sound.")
        for name in ("hidden_dropout", "attention_dropout", "condition_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie in [0, 1).")

        if self.objective == "mean_flow" and self.loss_space != "velocity":
            raise ValueError(
                f'loss_space={self.loss_space!r} says nothing with objective="mean_flow", whose loss is of the mean '
                'velocity: leave it at "velocity".'
            )
        self._validate_pattern()

    def _validate_pattern(self) -> None:
        """Which of the attention's options go together."""
        pattern, window, block = self.attention_pattern, self.attention_window, self.attention_block
        if (block is None) == (pattern == "block_causal"):
            raise ValueError(
                f"attention_block={block} with attention_pattern={pattern!r}: the rows of a block are needed for "
                '"block_causal", and for nothing else.'
            )
        if pattern == "windowed" and window is None:
            raise ValueError('attention_pattern="windowed" needs attention_window, the rows seen on either side.')
        if pattern == "full" and window is not None:
            raise ValueError(
                f'attention_window={window} says nothing with attention_pattern="full"; choose "windowed", "causal" or '
                '"block_causal", or leave it out.'
            )
        for name, value in (("attention_window", window), ("attention_block", block)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value} must be at least 1 row of the token grid's time axis.")
        if self.mixer == "mamba":
            if pattern not in ("full", "causal") or window is not None:
                raise ValueError(
                    f"attention_pattern={pattern!r} with attention_window={window} is attention's, and "
                    'mixer="mamba" scans the whole stream: take attention_pattern="full" or "causal", no window.'
                )
            if self.attention_dropout:
                raise ValueError(
                    f'attention_dropout={self.attention_dropout} has no attention to act on with mixer="mamba"; use '
                    "hidden_dropout."
                )

    def count_tokens(self, frames: int, height: int, width: int) -> int:
        """Video tokens of a clip (in latents, for a latent model).

        Raises:
            ValueError: a size its patch does not divide.
        """
        grid = patch_grid(frames, height, width, self.patch_size)
        return grid[0] * grid[1] * grid[2]

    @property
    def is_causal_in_time(self) -> bool:
        """Whether no frame depends on later ones (of later blocks)."""
        return self.attention_pattern in ("causal", "block_causal")

    @property
    def can_cache_rows(self) -> bool:
        """Whether later rows can be made from the cached keys and values of earlier ones."""
        return self.is_causal_in_time and self.mixer == "attention"

    @property
    def takes_intervals(self) -> bool:
        """Whether the model is asked for the mean velocity down to an `end_timestep`."""
        return self.objective == "mean_flow"

    @property
    def takes_captions(self) -> bool:
        """Whether the model reads captions, as ids or as hidden states."""
        return self.vocab_size is not None or self.caption_hidden_size is not None

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those of `CONDITION_NAMES` that the model takes."""
        taken = (self.takes_captions, bool(self.num_class_labels), self.audio_hidden_size is not None)
        return tuple(name for name, is_taken in zip(CONDITION_NAMES, taken, strict=True) if is_taken)

    def input_frames(self, frames: int) -> int:
        """Input frames that so many frames of the model's clip stand for; an autoencoder keeps the first apart."""
        return (frames - 1) * self.temporal_compression + 1


__all__ = ["CONDITION_NAMES", "VideoTransformerConfig"]
