"""What mixes a stream's tokens, and how its cost grows: full, causal and windowed attention, and Mamba-2, in one run.

The whole model, forward and backward, on clips of growing length; contenders take turns, and each figure is the median
of the rounds.

    python benchmarks/mixers.py [--tokens 256 1024 4096 --width 128 --layers 2 --rounds 5]

The last line is JSON: `milliseconds` and `ratio` (time over that of full attention by SDPA at the same length; below 1
is faster), both mixer → tokens → figure.
"""

import argparse
import json
import statistics
import time

import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel

ROWS_OF_TOKENS = 8  # a time row of the grid is 8 × 8 tokens
WINDOW = 2

CONTENDERS = {
    "full, sdpa": ({}, "sdpa"),
    "full, matmul": ({}, "matmul"),
    "causal, sdpa mask": ({"attention_pattern": "causal"}, "sdpa"),
    "causal, chunked": ({"attention_pattern": "causal"}, "chunked"),
    "windowed, sdpa mask": ({"attention_pattern": "windowed", "attention_window": WINDOW}, "sdpa"),
    "windowed, chunked": ({"attention_pattern": "windowed", "attention_window": WINDOW}, "chunked"),
    "mamba": ({"mixer": "mamba"}, "sdpa"),
}


def build(options: argparse.Namespace, name: str) -> VideoTransformerModel:
    """One contender, every zero-initialised part off zero."""
    fields, implementation = CONTENDERS[name]
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        num_channels=4,
        patch_size=(1, 2, 2),
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=max(1, options.width // 64),
        vocab_size=64,
        **fields,
    )
    model = VideoTransformerModel._from_config(config, attn_implementation=implementation)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.02)
    return model.to(device=options.device, dtype=getattr(torch, options.dtype)).train()


def step(model: VideoTransformerModel, inputs: dict[str, torch.Tensor]) -> float:
    """Seconds of a forward and a backward pass."""
    start = time.perf_counter()
    model(**inputs).sample.float().square().mean().backward()
    if inputs["sample"].is_cuda:
        torch.cuda.synchronize()
    model.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    models = {name: build(options, name) for name in CONTENDERS}
    milliseconds: dict[str, dict[int, float]] = {name: {} for name in CONTENDERS}
    for tokens in options.tokens:
        rows, size = tokens // ROWS_OF_TOKENS**2, 2 * ROWS_OF_TOKENS
        inputs = {
            "sample": torch.randn(1, rows, 4, size, size, device=options.device, dtype=getattr(torch, options.dtype)),
            "timestep": torch.rand(1, device=options.device),
            "input_ids": torch.randint(0, 64, (1, 8), device=options.device),
        }
        seen: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for turn in range(options.rounds + 1):
            for name, model in models.items():
                seconds = step(model, inputs)
                if turn:  # the first warms up
                    seen[name].append(seconds)
        for name, values in seen.items():
            milliseconds[name][tokens] = 1000 * statistics.median(values)
    base = milliseconds["full, sdpa"]
    ratio = {
        name: {tokens: round(value / base[tokens], 3) for tokens, value in values.items()}
        for name, values in milliseconds.items()
    }
    print(f"{'time over full SDPA, tokens:':32}" + "".join(f"{tokens:>10}" for tokens in options.tokens))
    for name, values in ratio.items():
        print(f"{name:32}" + "".join(f"{values[tokens]:>10.2f}" for tokens in options.tokens))
    rounded = {name: {t: round(v, 1) for t, v in values.items()} for name, values in milliseconds.items()}
    print(json.dumps({"milliseconds": rounded, "ratio": ratio, "settings": vars(options)}))


if __name__ == "__main__":
    main()
