"""Forward + backward speed of `VideoTransformerModel` against diffusers' video transformers, in one run.

Every model has the same width, depth (blocks in all), heads and video tokens, random weights in bfloat16, and the same
batch of random latents and caption features. Models take turns, so that a machine whose speed drifts treats them alike.

    python benchmarks/train_step.py [--width 256 --layers 6 --heads 4 --batch-size 4]

Everything is measured twice in the run: eager, then with every model's repeated blocks compiled. The headline takes
each model in its own faster mode, so that no peer is held back by a mode it does not like.

The last line is JSON: `ours_tokens_per_s`, `ours_params`, `ours_mfu`, `peers` (name → tokens_per_s, params, mfu),
`ratio` (ours over the fastest peer), `matmul_peak_tflops`, and under `eager` and `compiled` the figures of each mode.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import (
    CogVideoXTransformer3DModel,
    LatteTransformer3DModel,
    LTXVideoTransformer3DModel,
    WanTransformer3DModel,
)
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel

# 8 latent frames of 16 × 16 in patches of 2 × 2: 8 × 8 × 8 = 512 video tokens.
FRAMES, SIZE, CHANNELS, TEXT_TOKENS = 8, 16, 16, 16
VIDEO_TOKENS = FRAMES * (SIZE // 2) ** 2


@dataclass
class Contender:
    """A model and a call of its forward pass that returns its prediction."""

    model: nn.Module
    predict: Callable[[], torch.Tensor]
    attention: str

    def step(self) -> None:
        """Forward and backward on a mean squared error, gradients dropped."""
        self.predict().float().square().mean().backward()
        self.model.zero_grad(set_to_none=True)


def build_contenders(options: argparse.Namespace) -> dict[str, Contender]:
    """Ours and the peers, at equal width, number of blocks, heads and tokens."""
    torch.manual_seed(0)
    batch, width, layers, heads = options.batch_size, options.width, options.layers, options.heads
    head_dim, kind = width // heads, {"device": options.device, "dtype": torch.bfloat16}
    clip = torch.randn(batch, FRAMES, CHANNELS, SIZE, SIZE, **kind)
    channels_first = clip.transpose(1, 2).contiguous()
    text = torch.randn(batch, TEXT_TOKENS, width, **kind)
    timestep = torch.rand(batch, device=options.device)
    thousandths = (timestep * 1000).long()

    def on_device(model: nn.Module) -> nn.Module:
        # Zero-initialised parts would let a model off parts of its backward pass.
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.02)
        return model.to(**kind).train()

    config = VideoTransformerConfig(
        num_channels=CHANNELS,
        patch_size=(1, 2, 2),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        caption_hidden_size=width,
    )
    ours = on_device(VideoTransformerModel(config))
    ours.set_attn_implementation(options.attention)
    latte = on_device(
        LatteTransformer3DModel(
            num_attention_heads=heads,
            attention_head_dim=head_dim,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            # Latte counts pairs of a spatial and a temporal block.
            num_layers=layers // 2,
            sample_size=SIZE,
            patch_size=2,
            caption_channels=width,
            video_length=FRAMES,
            cross_attention_dim=width,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            attention_bias=True,
            activation_fn="gelu-approximate",
        )
    )
    cogvideox = on_device(
        CogVideoXTransformer3DModel(
            num_attention_heads=heads,
            attention_head_dim=head_dim,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            time_embed_dim=width,
            text_embed_dim=width,
            num_layers=layers,
            sample_width=SIZE,
            sample_height=SIZE,
            sample_frames=(FRAMES - 1) * 4 + 1,
            max_text_seq_length=TEXT_TOKENS,
        )
    )
    ltx = on_device(
        LTXVideoTransformer3DModel(
            num_attention_heads=heads,
            attention_head_dim=head_dim,
            in_channels=CHANNELS * 4,
            out_channels=CHANNELS * 4,
            cross_attention_dim=width,
            num_layers=layers,
            caption_channels=width,
        )
    )
    wan = on_device(
        WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=heads,
            attention_head_dim=head_dim,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            text_dim=width,
            freq_dim=256,
            ffn_dim=4 * width,
            num_layers=layers,
        )
    )
    packed = torch.randn(batch, VIDEO_TOKENS, CHANNELS * 4, **kind)
    text_mask = torch.ones(batch, TEXT_TOKENS, device=options.device)
    side = SIZE // 2
    return {
        "heygen_hf": Contender(
            ours, lambda: ours(clip, timestep, encoder_hidden_states=text).sample, options.attention
        ),
        "latte": Contender(
            latte,
            lambda: latte(channels_first, timestep=thousandths, encoder_hidden_states=text, return_dict=False)[0],
            "sdpa",
        ),
        "cogvideox": Contender(
            cogvideox,
            lambda: cogvideox(clip, encoder_hidden_states=text, timestep=thousandths, return_dict=False)[0],
            "sdpa",
        ),
        "ltx": Contender(
            ltx,
            lambda: ltx(
                packed,
                encoder_hidden_states=text,
                timestep=thousandths[:, None],
                encoder_attention_mask=text_mask,
                num_frames=FRAMES,
                height=side,
                width=side,
                return_dict=False,
            )[0],
            "sdpa",
        ),
        "wan": Contender(
            wan,
            lambda: wan(channels_first, timestep=thousandths, encoder_hidden_states=text, return_dict=False)[0],
            "sdpa",
        ),
    }


def compile_repeated_blocks(model: nn.Module) -> None:
    """Regional compilation, the same for every contender: each block of each `ModuleList`."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.compile()


def measure_matmul_peak(device: str, *, seconds: float = 2.0) -> float:
    """The best bfloat16 FLOP/s of a large square product on this machine."""
    size = 2048 if device == "cpu" else 8192
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        synchronize(device)
        start = time.perf_counter()
        torch.matmul(left, right)
        synchronize(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def count_flops(contender: Contender) -> int:
    """FLOPs of a forward and backward pass: matrix products, attention's included (hence the plain attention)."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        contender.step()
    return counter.get_total_flops()


def time_in_turns(contenders: dict[str, Contender], *, rounds: int, device: str) -> dict[str, float]:
    """Median seconds of a step; the models take turns."""
    for contender in contenders.values():
        for _ in range(2):
            contender.step()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            synchronize(device)
            start = time.perf_counter()
            contender.step()
            synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def synchronize(device: str) -> None:
    """Wait for a GPU; nothing to wait for on a CPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6, help="blocks in all; even")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--attention", default=None, help="of ours; matmul on a CPU, sdpa elsewhere")
    options = parser.parse_args()
    options.attention = options.attention or ("matmul" if options.device == "cpu" else "sdpa")

    contenders = build_contenders(options)
    flops = {name: count_flops(contender) for name, contender in contenders.items()}
    peak = measure_matmul_peak(options.device)
    seconds = {"eager": time_in_turns(contenders, rounds=options.rounds, device=options.device)}
    for contender in contenders.values():
        compile_repeated_blocks(contender.model)
    seconds["compiled"] = time_in_turns(contenders, rounds=options.rounds, device=options.device)

    def figures(name: str, mode: str) -> dict[str, float | str | int]:
        step = seconds[mode][name]
        return {
            "tokens_per_s": round(options.batch_size * VIDEO_TOKENS / step, 1),
            "params": sum(weight.numel() for weight in contenders[name].model.parameters()),
            "mfu": round(flops[name] / step / peak, 4),
            "gflops_per_step": round(flops[name] / 1e9, 2),
            "attention": contenders[name].attention,
            "mode": mode,
        }

    modes = {mode: {name: figures(name, mode) for name in contenders} for mode in seconds}
    best = {
        name: max((modes[mode][name] for mode in modes), key=lambda row: row["tokens_per_s"]) for name in contenders
    }
    for name in contenders:
        eager, compiled = (modes[mode][name]["tokens_per_s"] for mode in ("eager", "compiled"))
        print(f"{name:10s} eager {eager:>9} tokens/s  compiled {compiled:>9} tokens/s")
    ours = best.pop("heygen_hf")
    fastest = max(best, key=lambda name: best[name]["tokens_per_s"])

    def ratio_in(mode: str) -> float:
        rows = modes[mode]
        peer = max(row["tokens_per_s"] for name, row in rows.items() if name != "heygen_hf")
        return round(rows["heygen_hf"]["tokens_per_s"] / peer, 3)

    print(
        json.dumps(
            {
                "ours_tokens_per_s": ours["tokens_per_s"],
                "ours_params": ours["params"],
                "ours_mfu": ours["mfu"],
                "peers": best,
                "ratio": round(ours["tokens_per_s"] / best[fastest]["tokens_per_s"], 3),
                "fastest_peer": fastest,
                "ratio_eager": ratio_in("eager"),
                "ratio_compiled": ratio_in("compiled"),
                "ratio_compiled_to_eager_peers": round(
                    modes["compiled"]["heygen_hf"]["tokens_per_s"]
                    / max(row["tokens_per_s"] for name, row in modes["eager"].items() if name != "heygen_hf"),
                    3,
                ),
                **modes,
                "matmul_peak_tflops": round(peak / 1e12, 3),
                "threads": torch.get_num_threads(),
                "device": torch.cuda.get_device_name() if options.device != "cpu" else "cpu",
                "torch": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
