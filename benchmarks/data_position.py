"""Interrupt a loader at random positions, resume from its saved position, and compare all that follows, bit for bit.

Prepared clips (map-style) and streamed Parquet shards, 0 and 2 workers, epochs 1 to 3, random frames; the position goes
through JSON as in a checkpoint. Prints JSON last: `positions`, `identical`.

    python benchmarks/data_position.py --positions 50
"""

import argparse
import hashlib
import json
import random
import tempfile
from pathlib import Path

import torch

from heygen_hf.data import (
    ClipLoader,
    ClipOptions,
    EpochBatches,
    StreamedClipDataset,
    VideoTextCollator,
    export_to_parquet,
    load_video_dataset,
    open_video_shards,
    prepare_clips,
    write_video,
)
from heygen_hf.processing import VideoProcessor

EPOCHS = 3
PROCESSOR = {"num_frames": 4, "height": 16, "width": 16, "frame_position": "random", "crop_position": "random"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=50, help="interruptions of each kind and number of workers")
    parser.add_argument("--clips", type=int, default=37)
    options = parser.parse_args()
    torch.set_num_threads(1)

    with tempfile.TemporaryDirectory() as scratch:
        folder = render(Path(scratch), options.clips)
        export_to_parquet(load_video_dataset(folder), Path(scratch) / "shards", rows_per_shard=8)
        results = {}
        for kind in ("prepared", "streamed"):
            dataset = open_dataset(kind, folder, Path(scratch))
            straight = sequence(make_loader(dataset, 0))
            for workers in (0, 2):
                generator = random.Random(workers)
                chosen = [generator.randrange(len(straight)) for _ in range(options.positions)]
                same = sum(sequence(resumed(dataset, position, workers)) == straight[position:] for position in chosen)
                results[f"{kind}, {workers} workers"] = same
                print(f"{kind}, {workers} workers: {same} of {options.positions} identical")
    total = options.positions * len(results)
    print(json.dumps({"positions": total, "identical": sum(results.values()), "batches": len(straight)}))


def render(scratch: Path, num_clips: int) -> Path:
    folder = scratch / "clips"
    folder.mkdir()
    for number in range(num_clips):
        frames = torch.randint(
            0, 256, (9, 3, 20, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(number)
        )
        write_video(folder / f"{number}.mp4", frames)
    rows = [{"file_name": f"{number}.mp4", "text": f"clip {number}"} for number in range(num_clips)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def open_dataset(kind: str, folder: Path, scratch: Path):
    processor = VideoProcessor(**PROCESSOR)
    if kind == "prepared":
        table = load_video_dataset(folder)
        return prepare_clips(table, processor=processor, seed=0, cache_dir=scratch / "cache", progress=False)[0]
    shards = open_video_shards(f"{scratch}/shards/*.parquet")
    return StreamedClipDataset(shards, processor=processor, options=ClipOptions(seed=0))


def make_loader(dataset, num_workers: int) -> ClipLoader:
    sizes = getattr(dataset, "num_rows_per_shard", [len(dataset)])
    batches = EpochBatches(sizes, batch_size=3, seed=5, lanes=2)
    return ClipLoader(
        dataset, batches=batches, collate=VideoTextCollator(VideoProcessor(**PROCESSOR)), num_workers=num_workers
    )


def sequence(loader: ClipLoader) -> list[str]:
    """A hash of the pixels of each batch, to the end of the last epoch."""
    found = []
    while loader.batches.epoch < EPOCHS:
        found += [hashlib.blake2b(batch["pixel_values"].numpy().tobytes()).hexdigest() for batch in loader]
    return found


def resumed(dataset, position: int, num_workers: int) -> ClipLoader:
    """A loader at the saved position of one that was interrupted after `position` batches."""
    loader = make_loader(dataset, num_workers)
    while loader.batches.epoch * len(loader) + loader.state_dict()["batch"] < position:
        iterator = iter(loader)
        for _ in iterator:
            if loader.batches.epoch * len(loader) + loader.state_dict()["batch"] >= position:
                break
    state = json.loads(json.dumps(loader.state_dict()))
    fresh = make_loader(dataset, num_workers)
    fresh.load_state_dict(state)
    return fresh


if __name__ == "__main__":
    main()
