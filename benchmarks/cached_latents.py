"""The share of a training step that waits for cached latents and text embeddings.

512 clips' latents of (5, 16, 32, 32) in bfloat16 (17 frames of 256 x 256 pixels through a 4 x 8 x 8 autoencoder) and
captions of 32 tokens of width 512 are written to a cache, read back through `EncodedClips`, and a tiny
`VideoTransformerForVideoGeneration` (the hardest case: a larger one waits a smaller share) trains on them with
`VideoGenerationTrainer`, with no worker and with one. The values are drawn, not encoded: what is measured is the way
from disk into the step. Before each run the shards are dropped from the page cache, and a run is longer than an epoch,
so that the start of the next is within.

    python benchmarks/cached_latents.py [--steps 80 --batch-size 8 --width 128 --layers 2]

The last line is JSON: by number of workers `data_wait_share` (the trainer's own figure, averaged over the run without
its first 8 steps, in which workers start), `data_wait_share_with_start`, `data_wait_share_largest` (of 8 steps) and
`seconds_per_step`; and `read_ms_per_batch`, `cache_mebibytes`, `bar`, `within_bar`.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips.encoded import EncodedClips
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments

NUM_CLIPS, LATENT_SHAPE, TEXT_SHAPE = 512, (5, 16, 32, 32), (32, 512)
LOGGING_STEPS = 8
BAR = 0.01


class NamedClips:
    """Clips that are known by their names alone: everything else of them is in the caches."""

    def __init__(self) -> None:
        self.file_names = self.paths = [f"{number}.mp4" for number in range(NUM_CLIPS)]
        self.texts = [f"clip number {number}" for number in range(NUM_CLIPS)]
        self.labels: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return NUM_CLIPS

    def fetch(self, indices: list[int], *, epoch: int) -> list[dict]:  # noqa: ARG002
        return [{"text": self.texts[index], "index": index} for index in indices]


def encode_latents(items: list[dict]) -> list[dict[str, torch.Tensor]]:
    """Standard normal latents by index."""
    generators = [torch.Generator().manual_seed(item["index"]) for item in items]
    return [{"latents": torch.randn(LATENT_SHAPE, generator=generator)} for generator in generators]


def encode_texts(texts: list[str]) -> list[dict[str, torch.Tensor]]:
    """Standard normal features."""
    return [{"text_embeddings": torch.randn(TEXT_SHAPE)} for _ in texts]


def collate(items: list[dict]) -> dict[str, torch.Tensor]:
    """What the model's forward takes."""
    return {
        "pixel_values": torch.stack([item["latents"] for item in items]).float(),
        "encoder_hidden_states": torch.stack([item["text_embeddings"] for item in items]).float(),
        "attention_mask": torch.stack([item["text_embeddings_mask"] for item in items]).long(),
    }


def open_caches(folder: Path) -> dict[str, EncodingCache]:
    return {
        kind: EncodingCache(folder, kind=kind, encoder_hash=b"drawn" * 3, settings={}, dtype=torch.bfloat16)
        for kind in ("latents", "text_embeddings")
    }


def forget_pages(caches: dict[str, EncodingCache]) -> None:
    """Drop the shards from the page cache, so that they come from the disk again."""
    for cache in caches.values():
        for path in cache.folder.glob("shard-*"):
            descriptor = os.open(path, os.O_RDONLY)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def train(dataset: EncodedClips, folder: str, options: argparse.Namespace, *, num_workers: int) -> dict[str, float]:
    """Train for the steps asked for, and average what the trainer logs."""
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        num_channels=LATENT_SHAPE[1],
        patch_size=(1, 2, 2),
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.width // 64,
        caption_hidden_size=TEXT_SHAPE[1],
    )
    arguments = VideoGenerationTrainingArguments(
        output_dir=folder,
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        logging_steps=LOGGING_STEPS,
        save_strategy="no",
        eval_strategy="no",
        dataloader_num_workers=num_workers,
        disable_tqdm=True,
        compile_blocks="never",
    )
    model = VideoTransformerForVideoGeneration(config)
    trainer = VideoGenerationTrainer(model, arguments, train_dataset=dataset, data_collator=collate)
    trainer.train()
    logs = [log for log in trainer.state.log_history if "data_wait_share" in log]
    rates = [log["samples_per_second"] for log in logs[1:]]
    return {
        "data_wait_share": round(statistics.mean(log["data_wait_share"] for log in logs[1:]), 5),
        "data_wait_share_with_start": round(statistics.mean(log["data_wait_share"] for log in logs), 5),
        "data_wait_share_largest": round(max(log["data_wait_share"] for log in logs[1:]), 5),
        "seconds_per_step": round(options.batch_size / statistics.mean(rates), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=128, help="of the model; a multiple of 64")
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        caches = open_caches(folder)
        clips, hashes = NamedClips(), [number.to_bytes(16, "big") for number in range(NUM_CLIPS)]
        encoders = {"encode_latents": encode_latents, "encode_texts": encode_texts}
        filling = EncodedClips(clips, **caches, **encoders, content_hashes=hashes)
        for report in filling.fill(batch_size=options.batch_size, progress=False):
            print(report.summary())
        dataset = EncodedClips(clips, **open_caches(folder), content_hashes=hashes)

        order = torch.randperm(NUM_CLIPS, generator=torch.Generator().manual_seed(0)).tolist()
        forget_pages(caches)
        started = time.perf_counter()
        batches = [order[start : start + options.batch_size] for start in range(0, NUM_CLIPS, options.batch_size)]
        for batch in batches:
            collate(dataset.__getitems__(batch))
        read_seconds = (time.perf_counter() - started) / len(batches)
        print(f"{read_seconds * 1e3:.2f} ms to read and collate a batch of {options.batch_size}, from the disk")

        figures = {}
        for num_workers in (0, 1):
            forget_pages(caches)
            figures[num_workers] = train(dataset, str(folder / "run"), options, num_workers=num_workers)
            print(f"{num_workers} workers: {figures[num_workers]}")
        print(
            json.dumps(
                {
                    **{key: {str(n): row[key] for n, row in figures.items()} for key in figures[0]},
                    "read_ms_per_batch": round(read_seconds * 1e3, 3),
                    "cache_mebibytes": round(sum(cache.num_bytes for cache in caches.values()) / 2**20, 1),
                    "num_clips": NUM_CLIPS,
                    "latent_shape": LATENT_SHAPE,
                    "batch_size": options.batch_size,
                    "bar": BAR,
                    "within_bar": figures[1]["data_wait_share"] <= BAR,
                    "threads": torch.get_num_threads(),
                    "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
                    "torch": torch.__version__,
                }
            )
        )


if __name__ == "__main__":
    main()
