"""Peak memory of long videos: `heygen-hf generate` on 1, 4, 16 … windows, each in a process of its own.

The model is small, random and of the sizes asked for, so that what grows with the number of frames would show: a float
video of the last row alone is `float_video_mib`.

    python benchmarks/long_video_memory.py [--windows 1 4 16 --frames 16 --size 256 --causal]

The last line is JSON: `peak_mib` (windows → peak resident memory), `growth` (that of the most windows over that of the
second number, which has a context already), `float_video_mib` (windows → what the whole video would take as float32).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PROMPT = "a red 7 moves left"


def export(folder: Path, options: argparse.Namespace) -> None:
    """A pipeline as a run exports it."""
    import torch

    from heygen_hf.data import build_tokenizer
    from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
    from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
    from heygen_hf.processing import VideoProcessor

    torch.manual_seed(0)
    tokenizer = build_tokenizer([PROMPT])
    patch = options.size // 8
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=(2, patch, patch),
        prediction_type="sample",
        sample_frames=options.frames,
        sample_height=options.size,
        sample_width=options.size,
        given_frame_patterns=["prefix"],
        attention_pattern="causal" if options.causal else "full",
    )
    VideoGenerationPipeline(
        VideoTransformerModel(config),
        build_scheduler(config),
        VideoProcessor(num_frames=options.frames, height=options.size, width=options.size),
        tokenizer,
        num_inference_steps=2,
    ).save_pretrained(folder)


def generate(run: Path, output: Path, num_frames: int) -> None:
    """One long video in this process; prints its peak memory in MiB."""
    from heygen_hf.tasks.text_to_video import generate as generate_videos

    generate_videos(run, [PROMPT], output_dir=output, num_frames=num_frames)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--frames", type=int, default=16, help="of a window")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--causal", action="store_true", help="a model that makes its windows block by block")
    parser.add_argument("--generate", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        run, output, num_frames = options.generate
        generate(Path(run), Path(output), int(num_frames))
        return
    peaks: dict[int, float] = {}
    videos: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        export(run, options)
        for windows in options.windows:
            num_frames = options.frames + (windows - 1) * (options.frames - options.frames // 2)
            arguments = ["--generate", str(run), str(Path(folder) / str(windows)), str(num_frames)]
            result = subprocess.run(
                [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True, timeout=3600
            )
            peaks[windows] = round(float(result.stdout.split()[-1]), 1)
            videos[windows] = round(num_frames * 3 * options.size**2 * 4 / 2**20, 1)
            print(
                f"{windows:4} windows, {num_frames:5} frames: {peaks[windows]:8.1f} MiB ({videos[windows]} as floats)"
            )
    most, second = max(options.windows), sorted(options.windows)[min(1, len(options.windows) - 1)]
    growth = round(peaks[most] / peaks[second], 3)
    print(json.dumps({"peak_mib": peaks, "growth": growth, "float_video_mib": videos, "causal": options.causal}))


if __name__ == "__main__":
    main()
