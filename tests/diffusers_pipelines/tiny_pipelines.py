"""Pipelines of diffusers at tiny size, built from configurations and a seed; nothing is downloaded.

    build_tiny_pipeline(family: str, folder: Path) -> Path

`family` is a name in `TINY_CLIPS`, which says what clips each takes. `tiny_pipeline(family)` is the same in memory.
"""

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXFunControlPipeline,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
    LTXImageToVideoPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

_CHARACTERS = string.ascii_letters + string.digits + string.punctuation
_TEXT_WIDTH = 32
_SMALL = {"num_frames": 9, "height": 32, "width": 32}


def tiny_pipeline(family: str) -> DiffusionPipeline:
    """A new pipeline, in memory; the same weights every time, whatever the random state, which it leaves as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipeline = _BUILDERS[family]()
        # Published transformers end in layers that are far from the zeros some begin with.
        for name, weight in pipeline.transformer.named_parameters():
            if not weight.any():
                torch.nn.init.normal_(weight, std=0.02)
            assert weight.isfinite().all(), name
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def build_tiny_pipeline(family: str, folder: Path) -> Path:
    """Write the pipeline as `DiffusionPipeline.from_pretrained` reads it."""
    tiny_pipeline(family).save_pretrained(folder)
    return Path(folder)


# Text.


def _t5_vocabulary() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return special + [(character, -4.0) for character in _CHARACTERS]


def _t5_tokenizer(tokens: int) -> T5Tokenizer:
    return T5Tokenizer(vocab=_t5_vocabulary(), extra_ids=0, model_max_length=tokens)


def _t5_sizes() -> dict[str, Any]:
    return {
        "vocab_size": 128,
        "d_model": _TEXT_WIDTH,
        "d_kv": 8,
        "d_ff": 37,
        "num_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 8,
        "dropout_rate": 0.0,
        "feed_forward_proj": "gated-gelu",
    }


def _t5_encoder() -> T5EncoderModel:
    return T5EncoderModel(T5Config(**_t5_sizes())).eval()


def _umt5_encoder() -> UMT5EncoderModel:
    return UMT5EncoderModel(UMT5Config(**_t5_sizes())).eval()


def _llama_tokenizer() -> PreTrainedTokenizerFast:
    """Words of the pipeline's template are a token each, so that it has about the length that the pipeline cuts off."""
    words = pre_tokenizers.Metaspace().pre_tokenize_str(DEFAULT_PROMPT_TEMPLATE["template"])
    pieces = {"<pad>": 0.0, "<bos>": 0.0, "<eos>": 0.0, "<unk>": 0.0, "▁": -2.0}
    pieces |= {character: -4.0 for character in (*_CHARACTERS, "\n")}
    pieces |= {word.rstrip("{}<"): -1.0 for word, _ in words if word.rstrip("{}<")}
    tokenizer = Tokenizer(Unigram(list(pieces.items()), unk_id=3))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )


def _llama() -> LlamaModel:
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=16,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        max_position_embeddings=512,
    )
    return LlamaModel(config).eval()


def _clip_tokenizer() -> CLIPTokenizer:
    pieces = [*_CHARACTERS, *(character + "</w>" for character in _CHARACTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=77)


def _clip_text_model(end_of_text: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=256,
        hidden_size=8,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=8,
        max_position_embeddings=77,
        bos_token_id=end_of_text - 1,
        eos_token_id=end_of_text,
        pad_token_id=end_of_text,
    )
    return CLIPTextModel(config).eval()


# Families.


def _wan_autoencoder() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _wan_transformer(model_class: type = WanTransformer3DModel, **options: Any) -> Any:
    sizes = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": _TEXT_WIDTH,
        "freq_dim": 16,
        "ffn_dim": 32,
        "num_layers": 2,
        "cross_attn_norm": True,
        "rope_max_seq_len": 32,
    }
    return model_class(**(sizes | options))


def _unipc() -> UniPCMultistepScheduler:
    """As Wan is published: velocities, timesteps shifted by 3."""
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )


def _wan(*, expand_timesteps: bool = False) -> WanPipeline:
    return WanPipeline(
        tokenizer=_t5_tokenizer(512),
        text_encoder=_umt5_encoder(),
        vae=_wan_autoencoder(),
        scheduler=_unipc(),
        transformer=_wan_transformer(),
        expand_timesteps=expand_timesteps,
    )


def _wan_22() -> WanPipeline:
    return _wan(expand_timesteps=True)


def _wan_image_to_video(*, image_encoder: bool = True) -> WanImageToVideoPipeline:
    vision = CLIPVisionConfig(
        hidden_size=8,
        projection_dim=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=16,
    )
    return WanImageToVideoPipeline(
        tokenizer=_t5_tokenizer(512),
        text_encoder=_umt5_encoder(),
        vae=_wan_autoencoder(),
        scheduler=_unipc(),
        image_processor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32) if image_encoder else None,
        image_encoder=CLIPVisionModel(vision).eval() if image_encoder else None,
        transformer=_wan_transformer(
            in_channels=36,
            image_dim=8 if image_encoder else None,
            added_kv_proj_dim=24 if image_encoder else None,
        ),
    )


def _wan_image_to_video_plain() -> WanImageToVideoPipeline:
    return _wan_image_to_video(image_encoder=False)


def _wan_vace() -> WanVACEPipeline:
    return WanVACEPipeline(
        tokenizer=_t5_tokenizer(512),
        text_encoder=_umt5_encoder(),
        vae=_wan_autoencoder(),
        scheduler=_unipc(),
        transformer=_wan_transformer(WanVACETransformer3DModel, vace_layers=[0], vace_in_channels=96),
    )


def _ltx(pipeline_class: type = LTXPipeline) -> Any:
    autoencoder = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=1,
    )
    autoencoder.use_framewise_encoding = False
    autoencoder.use_framewise_decoding = False
    autoencoder.latents_mean.copy_(torch.randn(8))
    autoencoder.latents_std.copy_(torch.rand(8) + 0.5)
    return pipeline_class(
        tokenizer=_t5_tokenizer(128),
        text_encoder=_t5_encoder(),
        vae=autoencoder,
        # As published: the shift depends on how many tokens there are.
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, shift_terminal=0.1
        ),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=2,
            caption_channels=_TEXT_WIDTH,
        ),
    )


def _ltx_image_to_video() -> LTXImageToVideoPipeline:
    return _ltx(LTXImageToVideoPipeline)


def _cogvideox(
    *, pipeline_class: type = CogVideoXPipeline, autoencoder: dict[str, Any] | None = None, **options: Any
) -> Any:
    sizes = {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 4,
        "out_channels": 4,
        "time_embed_dim": 8,
        "text_embed_dim": _TEXT_WIDTH,
        "num_layers": 2,
        "sample_width": 4,
        "sample_height": 4,
        "sample_frames": 9,
        "max_text_seq_length": 16,
    }
    autoencoder_sizes = {
        "block_out_channels": (8, 8, 8, 8),
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "sample_height": 32,
        "sample_width": 32,
    }
    return pipeline_class(
        tokenizer=_t5_tokenizer(226),
        text_encoder=_t5_encoder(),
        vae=AutoencoderKLCogVideoX(**(autoencoder_sizes | (autoencoder or {}))),
        transformer=CogVideoXTransformer3DModel(**(sizes | options)),
        # As published: velocities, trailing timesteps, and nothing left of the clip at the last of them.
        scheduler=CogVideoXDDIMScheduler(
            prediction_type="v_prediction",
            timestep_spacing="trailing",
            rescale_betas_zero_snr=True,
            snr_shift_scale=3.0,
            set_alpha_to_one=True,
            clip_sample=False,
        ),
    )


def _cogvideox_control() -> CogVideoXFunControlPipeline:
    return _cogvideox(pipeline_class=CogVideoXFunControlPipeline, in_channels=8, use_rotary_positional_embeddings=True)


def _cogvideox_rotary() -> CogVideoXPipeline:
    return _cogvideox(use_rotary_positional_embeddings=True, autoencoder={"scaling_factor": 0.7})


def _cogvideox_15(**options: Any) -> Any:
    return _cogvideox(
        use_rotary_positional_embeddings=True,
        patch_size_t=2,
        patch_bias=False,
        autoencoder={"scaling_factor": 0.7, "invert_scale_latents": True},
        **options,
    )


def _cogvideox_image_to_video() -> CogVideoXImageToVideoPipeline:
    return _cogvideox(
        pipeline_class=CogVideoXImageToVideoPipeline,
        in_channels=8,
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
    )


def _cogvideox_15_image_to_video() -> CogVideoXImageToVideoPipeline:
    return _cogvideox_15(pipeline_class=CogVideoXImageToVideoPipeline, in_channels=8, ofs_embed_dim=8)


def _hunyuan_video() -> HunyuanVideoPipeline:
    tokenizer = _clip_tokenizer()
    return HunyuanVideoPipeline(
        text_encoder=_llama(),
        tokenizer=_llama_tokenizer(),
        text_encoder_2=_clip_text_model(tokenizer.eos_token_id),
        tokenizer_2=tokenizer,
        vae=AutoencoderKLHunyuanVideo(
            latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            text_embed_dim=16,
            pooled_projection_dim=8,
            rope_axes_dim=(2, 4, 4),
        ),
    )


def _mochi() -> MochiPipeline:
    return MochiPipeline(
        tokenizer=_t5_tokenizer(256),
        text_encoder=_t5_encoder(),
        vae=AutoencoderKLMochi(
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
            add_attention_block=(False, False, False, False, True),
            scaling_factor=1.25,  # as no published one has it, to see that it is used
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
        transformer=MochiTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            text_embed_dim=_TEXT_WIDTH,
            time_embed_dim=4,
            max_sequence_length=256,
        ),
        force_zeros_for_empty_prompt=True,
    )


_BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "wan": _wan,
    "wan_22": _wan_22,
    "wan_image_to_video": _wan_image_to_video,
    "wan_image_to_video_plain": _wan_image_to_video_plain,
    "wan_vace": _wan_vace,
    "ltx": _ltx,
    "ltx_image_to_video": _ltx_image_to_video,
    "cogvideox": _cogvideox,
    "cogvideox_rotary": _cogvideox_rotary,
    "cogvideox_15": _cogvideox_15,
    "cogvideox_control": _cogvideox_control,
    "cogvideox_image_to_video": _cogvideox_image_to_video,
    "cogvideox_15_image_to_video": _cogvideox_15_image_to_video,
    "hunyuan_video": _hunyuan_video,
    "mochi": _mochi,
}

# A small clip that each takes, in pixels.
TINY_CLIPS: dict[str, dict[str, int]] = {family: dict(_SMALL) for family in _BUILDERS}
TINY_CLIPS["mochi"]["num_frames"] = 7  # six to a latent
