"""Frames per second, delivered as ready training tensors, against torchcodec and a torch resize written plainly.

Both sides get the same files, the same starts and the same frame numbers, one process pinned to one core, and keep
nothing between clips. A clip is 16 frames at stride 2 from a random start; ready means decoded, scaled to fill
128x128, cropped, put together in batches of 8 and normalised to [-1, 1]. Time is the processor's
(`time.process_time`): on an idle machine it is the time on the clock, on a shared one it leaves out what others take.

    python benchmarks/data.py [--clips 32 --rounds 5]

torchcodec is tried in every way its user might write it (both ways of seeking, scaling in whole numbers or in floating
point), and the fastest counts. Where it does not load, PyAV and torch written plainly stand in for it, and the output
says so.

The clip is rendered here: 640x360, 30 frames/s, 10 s, H.264 as x264 writes it by default (key frames up to 250 frames
apart), and once more with a key frame every 30. The last line is JSON: `ours_frames_per_s`, `torchcodec_frames_per_s`,
`ratio` (medians over all rounds, of the default file), the same for each file under `files`, and `baseline`.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F

from heygen_hf._optional import is_available
from heygen_hf.data import VideoTextCollator
from heygen_hf.data.video import decode_sample
from heygen_hf.data.video.frame_index import forget_frame_indexes
from heygen_hf.processing import VideoProcessor, fold_seed

FRAMES, STRIDE, SIZE, BATCH = 16, 2, 128, 8
TOTAL_FRAMES, FRAME_RATE, HEIGHT, WIDTH = 300, 30, 360, 640

PROCESSOR = VideoProcessor(
    num_frames=FRAMES, temporal_stride=STRIDE, frame_position="random", height=SIZE, width=SIZE, resize_mode="cover"
)
Ready = Callable[[Path, Sequence[int]], torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32, help="clips a round and contender, of each file")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.clips < 1 or options.rounds < 1:
        parser.error(f"--clips is {options.clips} and --rounds {options.rounds}; expected whole numbers from 1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    versions = f"torch {torch.__version__}, PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
    print(f"{platform.processor() or platform.machine()}, one core; {versions}")

    contenders: dict[str, Ready] = {"ours": ours}
    if is_available("torchcodec"):
        for seek_mode in ("exact", "approximate"):
            for resize in (resize_whole, resize_float):
                name = f"torchcodec, {seek_mode} seek, {resize.__name__.removeprefix('resize_')} resize"
                contenders[name] = partial(with_torchcodec, seek_mode=seek_mode, resize=resize)
    else:
        print("torchcodec does not load here: compared with PyAV and torch, decoding from the key frame before")
        contenders |= {
            f"PyAV, {resize.__name__.removeprefix('resize_')} resize": partial(with_pyav, resize=resize)
            for resize in (resize_whole, resize_float)
        }
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, group in (("x264 default", None), ("a key frame every 30", 30)):
            path = Path(folder) / f"{group}.mp4"
            render(path, group)
            print(f"\n{name}: {path.stat().st_size / 2**20:.2f} MiB")
            compare_pixels(path, contenders)
            files[name] = race(path, contenders, num_clips=options.clips, num_rounds=options.rounds)
    baseline = "torchcodec" if is_available("torchcodec") else "PyAV"
    print(json.dumps(files["x264 default"] | {"files": files, "baseline": baseline}))


def race(path: Path, contenders: dict[str, Ready], *, num_clips: int, num_rounds: int) -> dict[str, float]:
    """Frames per second of each, taking turns batch by batch."""
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(num_rounds):
        seconds = dict.fromkeys(contenders, 0.0)
        seeds = [fold_seed(round_number, clip) for clip in range(num_clips)]
        for first in range(0, num_clips, BATCH):
            batch = seeds[first : first + BATCH]
            for name, ready in contenders.items():
                started = time.process_time()
                result = ready(path, batch)
                seconds[name] += time.process_time() - started
                assert result.shape == (len(batch), FRAMES, 3, SIZE, SIZE)
        for name in contenders:
            speeds[name].append(num_clips * FRAMES / seconds[name])
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, median in medians.items():
        print(f"  {name:48s} {median:7.0f} frames/s  (rounds {min(speeds[name]):.0f} to {max(speeds[name]):.0f})")
    best = max((name for name in medians if name != "ours"), key=lambda name: medians[name])
    ratio = statistics.median(a / b for a, b in zip(speeds["ours"], speeds[best], strict=True))
    print(f"  ours / {best}: {ratio:.2f}")
    return {
        "ours_frames_per_s": round(medians["ours"], 1),
        "torchcodec_frames_per_s": round(medians[best], 1),
        "ratio": round(ratio, 3),
    }


def compare_pixels(path: Path, contenders: dict[str, Ready]) -> None:
    """Everyone must deliver the same frames: a wrong frame would differ by tens of levels."""
    values = {name: ready(path, [1, 2]) for name, ready in contenders.items()}
    for name, value in values.items():
        difference = (value - values["ours"]).abs() * 127.5
        print(
            f"  {name:48s} differs from ours by {difference.mean():.3f} levels of 255, at most {difference.max():.1f}"
        )
        assert difference.mean() < 1


def ours(path: Path, seeds: Sequence[int]) -> torch.Tensor:
    items = []
    for seed in seeds:
        forget_frame_indexes()  # nothing is kept from clip to clip
        frames = decode_sample(path, processor=PROCESSOR, total_frames=TOTAL_FRAMES, frame_rate=FRAME_RATE, seed=seed)
        items.append({"frames": PROCESSOR.crop(frames, seed=seed), "text": ""})
    return VideoTextCollator(PROCESSOR)(items)["pixel_values"]


def chosen(seed: int) -> list[int]:
    return list(PROCESSOR.select_frames(TOTAL_FRAMES, FRAME_RATE, seed=seed).indices)


def resize_whole(frames: torch.Tensor) -> torch.Tensor:
    return F.interpolate(frames, size=(SIZE, round(WIDTH * SIZE / HEIGHT)), mode="bilinear", antialias=True)


def resize_float(frames: torch.Tensor) -> torch.Tensor:
    return resize_whole(frames.float())  # type: ignore[arg-type]


def crop_and_stack(clips: list[torch.Tensor]) -> torch.Tensor:
    left = (clips[0].shape[-1] - SIZE) // 2
    return torch.stack([clip[..., left : left + SIZE] for clip in clips]).float().div_(127.5).sub_(1)


def with_torchcodec(
    path: Path, seeds: Sequence[int], *, seek_mode: str, resize: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    from torchcodec.decoders import VideoDecoder

    clips = []
    for seed in seeds:
        decoder = VideoDecoder(path, seek_mode=seek_mode, num_ffmpeg_threads=1)
        clips.append(resize(decoder.get_frames_at(chosen(seed)).data))
    return crop_and_stack(clips)


def with_pyav(path: Path, seeds: Sequence[int], *, resize: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    clips = []
    for seed in seeds:
        wanted = chosen(seed)
        frames = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            container.seek(round(wanted[0] / FRAME_RATE / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if round(frame.time * FRAME_RATE) in wanted:
                    frames.append(frame.reformat(format="rgb24", threads=1).to_ndarray())
                if len(frames) == len(wanted):
                    break
        clips.append(resize(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)))
    return crop_and_stack(clips)


def render(path: Path, group: int | None) -> None:
    """Something like a camera moving over a scene in which things move: texture at all scales, pans, grain."""
    generator = np.random.default_rng(0)
    scene = 128 + 45 * _texture(generator, 2 * HEIGHT, 2 * WIDTH)
    codec_options = {} if group is None else {"g": str(group)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options=codec_options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(TOTAL_FRAMES):
            top = int(HEIGHT / 2 * (1 + 0.9 * np.sin(number / 40)))
            left = int(WIDTH / 2 * (1 + 0.9 * np.cos(number / 55)))
            picture = scene[top : top + HEIGHT, left : left + WIDTH].copy()
            for thing in range(4):
                row = int(HEIGHT * (0.5 + 0.33 * np.sin(number / 17 + 1.7 * thing))) - 40
                column = int(WIDTH * (0.5 + 0.33 * np.cos(number / 23 + thing))) - 40
                window = picture[row : row + 80, column : column + 80]
                window += 0.7 * (np.array([200, 60 * thing, 120]) - window)
            picture += 3 * generator.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32)
            pixels = picture.clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def _texture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of all octaves, float32 `(height, width, 3)`."""
    octaves = [
        F.interpolate(
            torch.from_numpy(generator.standard_normal((1, 3, 2**n, 2 ** (n + 1)), dtype=np.float32)) / n,
            size=(height, width),
            mode="bilinear",
        )
        for n in range(2, 9)
    ]
    return torch.stack(octaves).sum(0)[0].permute(1, 2, 0).numpy()


if __name__ == "__main__":
    main()
