"""A text transformer, causal or bidirectional: rotary positions, grouped queries, gated feed-forward, RMS norms.

Shape legend: batch B, tokens L (new ones, beside a cache), width D.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import (
    create_causal_mask,
    find_packed_sequence_indices,
    packed_sequence_mask_function,
)
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    CausalLMOutputWithPast,
    SequenceClassifierOutputWithPast,
    TokenClassifierOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, is_flash_attention_requested, merge_with_config_defaults
from transformers.utils.import_utils import is_torchdynamo_exporting
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.layers import (
    MATMUL_ATTENTION,
    GatedFeedForward,
    RMSNorm,
    apply_rotary,
    eager_attention,
    masked_mean,
    register_attention_functions,
)
from heygen_hf.models.text_transformer.checks_text_transformer import check_labels, check_shape, check_token_ids
from heygen_hf.models.text_transformer.configuration_text_transformer import TextTransformerConfig

register_attention_functions()


class TextTransformerAttention(nn.Module):
    """Self-attention with rotary positions, RMS-normed queries and keys, and a cache of past keys and values."""

    def __init__(self, config: TextTransformerConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.num_key_value_groups = config.num_attention_heads // config.num_key_value_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        self.is_causal = config.is_causal
        self.q_proj = nn.Linear(config.hidden_size, config.num_attention_heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.num_key_value_heads * self.head_dim, bias=False)
        self.o_proj = nn.Linear(config.num_attention_heads * self.head_dim, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        # (B, L, D) → (B, heads, L, head_dim); under tensor parallelism the number of heads is this rank's share.
        split = (*hidden_states.shape[:-1], -1, self.head_dim)
        query = self.q_norm(self.q_proj(hidden_states).view(split)).transpose(1, 2)
        key = self.k_norm(self.k_proj(hidden_states).view(split)).transpose(1, 2)
        value = self.v_proj(hidden_states).view(split).transpose(1, 2)
        query, key = apply_rotary(query, *rotary), apply_rotary(key, *rotary)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.attention_dropout if self.training else 0.0
        mixed, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(mixed.reshape(*mixed.shape[:2], -1)), weights


class TextTransformerBlock(GradientCheckpointingLayer):
    """Attention and feed-forward, each read from a normed stream and added to it."""

    def __init__(self, config: TextTransformerConfig, layer_idx: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = TextTransformerAttention(config, layer_idx)
        self.feed_forward_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.feed_forward = GatedFeedForward(config.hidden_size, config.intermediate_size, activation=config.hidden_act)
        self.dropout = nn.Dropout(config.hidden_dropout)
        _start_at_zero(self.attention.o_proj, self.feed_forward.down_proj)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        attended, _ = self.attention(
            self.attention_norm(hidden_states), attention_mask, rotary, past_key_values=past_key_values, **kwargs
        )
        hidden_states = hidden_states + self.dropout(attended)
        return hidden_states + self.dropout(self.feed_forward(self.feed_forward_norm(hidden_states)))


class TextTransformerPreTrainedModel(PreTrainedModel):
    """Initialisation and what the family supports."""

    config: TextTransformerConfig
    config_class = TextTransformerConfig
    base_model_prefix = "transformer"
    main_input_name = "input_ids"
    input_modalities = ("text",)
    supports_gradient_checkpointing = True
    _no_split_modules = ("TextTransformerBlock",)
    _skip_keys_device_placement = ("past_key_values",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": TextTransformerBlock, "attentions": TextTransformerAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """All initialisation, with the reason for each number (`scale` is `config.initializer_range`)."""
        super()._init_weights(module)
        scale = self.config.initializer_range
        if isinstance(module, nn.Linear):
            if getattr(module, "starts_at_zero", False):
                # The last projection of each residual branch: every block is the identity at the start. Output layers
                # do not start at zero: a language model's learned more slowly so.
                init.zeros_(module.weight)
            else:
                # A third of the variance that keeps activations at unit scale; independent of the width, so that one
                # learning rate serves every size.
                init.normal_(module.weight, std=scale * (3 * module.in_features) ** -0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # As the output layer that it may be tied to. Much larger, and a tied model begins by repeating its input
            # with confidence; much smaller, and it learns to look at other tokens late.
            init.normal_(module.weight, std=scale * (3 * module.embedding_dim) ** -0.5)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)


def _start_at_zero(*projections: nn.Linear) -> None:
    """Mark layers for `_init_weights`, which sees them one by one and may see only those a checkpoint lacks."""
    for projection in projections:
        projection.starts_at_zero = True


class TextTransformerModel(TextTransformerPreTrainedModel):
    """Token ids in, a hidden state for each token out; with `is_causal=False` an encoder of whole texts.

    `last_hidden_state` is what a video generator takes as `encoder_hidden_states` (its `caption_hidden_size` is this
    model's `hidden_size`).
    """

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList([TextTransformerBlock(config, index) for index in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        sequence_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, tokens)`):
                Token ids in `[0, vocab_size)`.
            attention_mask (`torch.Tensor` of shape `(batch, past + tokens)`, *optional*):
                1 for tokens, 0 for padding, on either side.
            position_ids (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                Place of each token in its text. Only distances matter. Without masks, sequence ids and cache,
                positions that start again mark packed documents, as everywhere in transformers.
            sequence_ids (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                Number of each token's document in a row of several packed ones, a document's tokens side by side:
                attention stays within a document.
            past_key_values (`Cache`, *optional*):
                Keys and values of the tokens before these.
            inputs_embeds (`torch.FloatTensor` of shape `(batch, tokens, hidden_size)`, *optional*):
                Embeddings instead of `input_ids`.
            use_cache (`bool`, *optional*):
                Whether to make a cache where none is passed; by default `config.use_cache`, and none in training.

        Raises:
            ValueError: both or neither of ids and embeddings; an id outside the vocabulary; `sequence_ids` of another
                shape than the tokens, or beside a cache with tokens in it.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("pass input_ids or inputs_embeds, and not both.")
        if inputs_embeds is None:
            if input_ids.shape[-1] > 1:  # a single token is the model's own, generated
                check_token_ids(input_ids, vocab_size=self.config.vocab_size)
            inputs_embeds = self.embed_tokens(input_ids)
        past_tokens = past_key_values.get_seq_length() if past_key_values is not None else 0

        # 1. Packed documents, told by their ids or by positions that start again; they make no cache, which would
        # not know them.
        if sequence_ids is not None:
            _check_sequence_ids(sequence_ids, inputs_embeds, past_tokens)
        elif position_ids is not None and attention_mask is None and past_key_values is None:
            sequence_ids = find_packed_sequence_indices(position_ids.expand(inputs_embeds.shape[0], -1))
        if use_cache and past_key_values is None and sequence_ids is None and self._may_make_cache():
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            position_ids = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)[None] + past_tokens

        # 2. Which token reads which.
        documents = None
        if sequence_ids is not None:
            # Padding becomes a document of its own: rows that may read nothing at all are undefined in some kernels.
            if attention_mask is not None:
                sequence_ids = sequence_ids.masked_fill(attention_mask == 0, -1)
                attention_mask = None
            if is_flash_attention_requested(self.config):
                kwargs = {**kwargs, **_flash_documents(sequence_ids)}
            else:
                documents = packed_sequence_mask_function(sequence_ids)
        mask = create_causal_mask(  # bidirectional for `is_causal=False`
            self.config,
            inputs_embeds,
            attention_mask,
            past_key_values,
            and_mask_function=documents,
            # The matmul attention knows no causality but the mask's.
            allow_is_causal_skip=self.config._attn_implementation != MATMUL_ATTENTION,
        )

        # 3. The blocks.
        hidden_states = self.dropout(inputs_embeds)
        rotary = _text_rotary(
            position_ids, self.config.hidden_size // self.config.num_attention_heads, theta=self.config.rope_theta
        )
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, rotary, past_key_values=past_key_values, **kwargs)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values)

    def _may_make_cache(self) -> bool:
        """Only for what follows a causal model's text; an exported graph returns tensors only."""
        return self.config.is_causal and not self.training and not is_torchdynamo_exporting()


def _text_rotary(position_ids: torch.Tensor, head_dim: int, *, theta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of `(B, L)` positions, each `(B, 1, L, head_dim // 2)` in float32 (arXiv:2104.09864)."""
    planes = head_dim // 2
    exponents = torch.arange(planes, device=position_ids.device, dtype=torch.float32) / planes
    angle = position_ids[:, None, :, None].float() * theta**-exponents
    return angle.cos(), angle.sin()


def _flash_documents(sequence_ids: torch.Tensor) -> dict[str, object]:
    """The documents as flash attention wants them: where each begins in the flattened batch, and where the last ends.

    `[[1, 1, 2], [1, 1, 1]]` gives `[0, 2, 3, 6]`. The longest may be said to be longer than it is.
    """
    batch, length = sequence_ids.shape
    begins = torch.ones_like(sequence_ids, dtype=torch.bool)
    begins[:, 1:] = sequence_ids[:, 1:] != sequence_ids[:, :-1]
    bounds = nn.functional.pad(begins.flatten().nonzero().flatten(), (0, 1), value=batch * length).to(torch.int32)
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": length, "max_length_k": length}


def _check_sequence_ids(sequence_ids: torch.Tensor, inputs_embeds: torch.Tensor, past_tokens: int) -> None:
    if sequence_ids.shape != inputs_embeds.shape[:2]:
        raise ValueError(
            f"sequence_ids have shape {tuple(sequence_ids.shape)}; expected (batch, tokens)="
            f"{tuple(inputs_embeds.shape[:2])}, one for each token. They are for packed rows, not for `generate`."
        )
    if past_tokens:
        raise ValueError(
            f"sequence_ids were passed beside a cache of {past_tokens} tokens, whose documents are unknown: pass "
            "packed rows without a cache (and without prefix tuning), or texts one by one."
        )


class TextTransformerForCausalLM(TextTransformerPreTrainedModel, GenerationMixin):
    """The language model: predicts each next token, and continues texts with `generate`."""

    _tied_weights_keys = {"lm_head.weight": "transformer.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}
    _fsdp_plan = {"lm_head": "keep_full_weight"}

    def __init__(self, config: TextTransformerConfig) -> None:
        if not config.is_causal:
            raise ValueError(
                "a language model predicts the next token, which is_causal=False would let it read: set is_causal=True."
            )
        super().__init__(config)
        self.transformer = TextTransformerModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        sequence_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CausalLMOutputWithPast:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                The tokens themselves (they are shifted here), -100 where the loss looks away.
            logits_to_keep (`int` or `torch.Tensor`, defaults to 0):
                Logits of the last so many tokens, or of these places; 0 for all.

            The other arguments are those of [`TextTransformerModel`].

        Raises:
            ValueError: labels outside the vocabulary, or none but -100.
        """
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            sequence_ids=sequence_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            check_shape(labels, logits.shape[:-1], meaning="one label a token")
            check_labels(
                labels[:, 1:],
                num_classes=self.config.vocab_size,
                classes="vocab_size",
                num_items=kwargs.get("num_items_in_batch"),
            )
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


class TextTransformerForSequenceClassification(TextTransformerPreTrainedModel):
    """One label a text (`single_label_classification`), several, or a number (`regression`): `config.problem_type`.

    Where the problem type is not set, it follows from the first labels: a number for `num_labels=1`, one label for
    integers, several for floats.
    """

    # The loss is a mean over texts: Trainer must divide it by the number of accumulation steps itself.
    accepts_loss_kwargs = False

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.transformer = TextTransformerModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.score = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutputWithPast:
        r"""
        Args:
            attention_mask (`torch.Tensor` of shape `(batch, tokens)`, *optional*):
                1 for tokens, 0 for padding. Without it, tokens other than `config.pad_token_id` count.
            labels (`torch.Tensor`, *optional*):
                `(batch,)` integers in `[0, num_labels)`, -100 for a text the loss skips; `(batch, num_labels)` zeros
                and ones for several labels a text; `(batch,)` or `(batch, num_labels)` numbers for regression.

            The other arguments are those of [`TextTransformerModel`].

        Raises:
            ValueError: labels out of range or of another shape, or none but -100.
        """
        if attention_mask is None and input_ids is not None and self.config.pad_token_id is not None:
            attention_mask = (input_ids != self.config.pad_token_id).long()
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=bool(use_cache),  # nothing is generated, so a cache only where it is asked for
            **kwargs,
        )
        logits = self.score(self.dropout(self._pool(outputs.last_hidden_state, attention_mask)))
        return SequenceClassifierOutputWithPast(
            loss=None if labels is None else self._loss(logits, labels),
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _pool(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """`(B, L, D)` → `(B, D)`, from tokens that are not padding."""
        if attention_mask is not None:
            # With a prefix or a cache the mask covers more than these tokens.
            attention_mask = attention_mask[:, -hidden_states.shape[1] :]
        if self.config.classifier_pooling == "mean":
            return masked_mean(hidden_states, attention_mask)
        if attention_mask is None:
            return hidden_states[:, -1 if self.config.classifier_pooling == "last" else 0]
        places = torch.arange(1, hidden_states.shape[1] + 1, device=hidden_states.device)
        if self.config.classifier_pooling == "first":
            places = places.flip(0)
        token = (places * (attention_mask != 0)).argmax(-1)  # the largest place that is no padding
        return hidden_states[torch.arange(hidden_states.shape[0], device=hidden_states.device), token]

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        problem_type = self.config.problem_type
        if problem_type is None:
            whole = not (labels.is_floating_point() or self.num_labels == 1)
            problem_type = "single_label_classification" if whole else None
        batch = logits.shape[0]
        if problem_type == "single_label_classification":
            check_shape(labels.flatten(), (batch,), meaning="one label a text")
            check_labels(labels, num_classes=self.num_labels, classes="num_labels")
        else:
            each = labels.flatten() if self.num_labels == 1 else labels
            expected = (batch,) if self.num_labels == 1 else (batch, self.num_labels)
            check_shape(each, expected, meaning="num_labels a text")
            labels = labels.float()
        # float32: half-precision exponentials cost accuracy and gain nothing on so few numbers.
        return self.loss_function(labels=labels, pooled_logits=logits.float(), config=self.config)


class TextTransformerForTokenClassification(TextTransformerPreTrainedModel):
    """One label a token."""

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.transformer = TextTransformerModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.score = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        sequence_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> TokenClassifierOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                In `[0, num_labels)`, -100 for a token the loss skips.

            The other arguments are those of [`TextTransformerModel`].

        Raises:
            ValueError: labels out of range or of another shape, or none but -100.
        """
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            sequence_ids=sequence_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=bool(use_cache),
            **kwargs,
        )
        logits = self.score(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            check_shape(labels, logits.shape[:-1], meaning="one label a token")
            check_labels(
                labels,
                num_classes=self.num_labels,
                classes="num_labels",
                num_items=kwargs.get("num_items_in_batch"),
            )
            loss = self.loss_function(logits, labels, self.config, **kwargs)
        return TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


__all__ = [
    "TextTransformerForCausalLM",
    "TextTransformerForSequenceClassification",
    "TextTransformerForTokenClassification",
    "TextTransformerModel",
    "TextTransformerPreTrainedModel",
]
