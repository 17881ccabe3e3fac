"""The trainer on clips of several sizes and on streamed ones: exact resume, broken clips named."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data import (
    Bucket,
    BucketSet,
    ClipOptions,
    StreamedClipDataset,
    VideoTextCollator,
    build_tokenizer,
    load_video_dataset,
    open_video_shards,
    prepare_clips,
    write_video,
)
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = []
    for number in range(9):
        generator = torch.Generator().manual_seed(number)
        shape = (6, 3, 8, 16) if number % 3 == 0 else (6, 3, 8, 8)
        write_video(clips / f"{number}.mp4", torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))
        rows.append({"file_name": f"{number}.mp4", "text": "a clip " * (1 + number % 2)})
    (clips / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return clips


def make_trainer(folder: Path, kind: str, *, name: str = "run", num_workers: int = 0, **options):
    processor = VideoProcessor(num_frames=4, height=8, width=8, frame_position="random")
    tokenizer = build_tokenizer(["a clip"])
    if kind == "streamed":
        clips = StreamedClipDataset(open_video_shards(str(folder)), processor=processor, options=ClipOptions(seed=0))
    else:
        clips, _ = prepare_clips(
            load_video_dataset(folder),
            processor=processor,
            buckets=BucketSet(processor, [Bucket(4, 8, 8), Bucket(4, 8, 16)]),
            seed=0,
            cache_dir=folder.parent / "cache",
            progress=False,
        )
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=(2, 4, 4),
        timestep_embedding_size=16,
    )
    values = {
        "max_steps": 7,
        "per_device_train_batch_size": 2,
        "tokens_per_batch": 24 if kind == "buckets" else None,
        "logging_steps": 1,
        "save_steps": 5,
        "eval_strategy": "no",
        "precision": "fp32",
        "optimizer": "adamw",
        "disable_tqdm": True,
        "compile_blocks": "never",
        "dataloader_num_workers": num_workers,
        "per_device_eval_batch_size": 4,
    }
    return VideoGenerationTrainer(
        VideoTransformerForVideoGeneration(config),
        VideoGenerationTrainingArguments(output_dir=str(folder.parent / name), **(values | options)),
        train_dataset=clips,
        eval_dataset=clips,
        data_collator=VideoTextCollator(processor, tokenizer),
    )


def losses(trainer: VideoGenerationTrainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("kind", ["buckets", "streamed"])
def test_resuming_is_exact(folder: Path, kind: str, num_workers: int) -> None:
    straight = make_trainer(folder, kind)
    straight.train()
    resumed = make_trainer(folder, kind, num_workers=num_workers)
    resumed.train(resume_from_checkpoint=str(folder.parent / "run" / "checkpoint-5"))
    assert losses(resumed) == losses(straight)
    assert len(losses(straight)) == 7
    for one, other in zip(straight.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_batches_follow_the_token_budget_and_padding_is_logged(folder: Path) -> None:
    trainer = make_trainer(folder, "buckets")
    shapes = sorted({tuple(batch["pixel_values"].shape) for batch in trainer.get_train_dataloader()})
    assert shapes == [(3, 4, 3, 8, 8), (1, 4, 3, 8, 16)] or shapes == [(1, 4, 3, 8, 16), (3, 4, 3, 8, 8)]
    assert trainer.global_batch_size == 3
    trainer.train()
    shares = [entry["padding_share"] for entry in trainer.state.log_history if "padding_share" in entry]
    assert max(shares) > 0
    assert min(shares) >= 0


def test_validation_batches_clips_of_one_size(folder: Path) -> None:
    trainer = make_trainer(folder, "buckets")
    figures = trainer.evaluate()
    assert figures["eval_loss"] == trainer.evaluate()["eval_loss"]


def test_a_clip_that_breaks_in_mid_training_is_named_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "4.mp4").write_bytes(b"broken")
    trainer = make_trainer(folder, "streamed", num_workers=1, max_steps=12, save_strategy="no")
    trainer.train()
    assert list(trainer.replaced_clips) == ["4.mp4"]
    assert capsys.readouterr().out.count("warning: '4.mp4' cannot be read") == 1


def test_a_data_set_without_positions_is_refused(folder: Path) -> None:
    trainer = make_trainer(folder, "streamed")
    trainer.train_dataset = load_video_dataset(folder, streaming=True)
    with pytest.raises(ValueError, match="open the same source with open_video_shards"):
        trainer.train()
