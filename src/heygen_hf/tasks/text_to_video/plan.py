"""What a run would do, before it does it: every file's fate, the steps of an epoch, the cost of one step."""

import dataclasses
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PrinterCallback

from heygen_hf.data.plan import ClipPlan, plan_clips
from heygen_hf.data.text import check_captions
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.model_training.planned_steps import short_run
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.step_cost import StepCost, measure_steps
from heygen_hf.tasks.text_to_video.bare import build_trainer
from heygen_hf.tasks.text_to_video.encoded_data import training_data
from heygen_hf.tasks.text_to_video.parts import TextToVideo
from heygen_hf.training import VideoGenerationTrainer


def plan(recipe: Recipe, *, measure: bool = True, task: type[TextToVideo] = TextToVideo) -> dict[str, Any]:
    """The plan of a recipe, as JSON holds it.

    Args:
        measure: take a few real steps (of a model that is thrown away) for the time and the memory.
        task: what the video is generated from.

    Raises:
        ValueError: no file can be used, or the recipe cannot work.
    """
    # All reasons are wanted here, however many; what the run itself would refuse is said in the plan.
    patient = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, max_bad_share=1.0))
    parts = task(short_run(patient, sample_steps=0))
    parts.check()
    processor = VideoProcessor(**dataclasses.asdict(recipe.processor))
    data = parts.prepare(processor=processor, is_main=False)
    parts.check_data(data)
    tokenizer = parts.build_tokenizer(data)
    clips = _clip_plans(data, tokenizer)

    with tempfile.TemporaryDirectory() as scratch:
        arguments = parts.build_arguments(RunFolder(Path(scratch)))
        loader = None if measure else parts.loader_without_model(data, arguments, processor=processor)
        cost = None
        if loader is None:
            trainer = _trainer(parts, data, processor, tokenizer, scratch=Path(scratch))
            loader = trainer.get_train_dataloader()
            cost = measure_steps(trainer) if measure else None
    accumulation = arguments.gradient_accumulation_steps
    samples_per_step = loader.batches.largest_batch_size * accumulation * arguments.world_size
    steps_per_epoch = math.ceil(len(loader) / accumulation)
    max_steps = recipe.training.get("max_steps", -1)
    max_steps = max_steps if max_steps > 0 else None
    return {
        "recipe": recipe.name,
        "splits": {split: report.to_dict() for split, report in data.reports.items()},
        "clips": [clip.to_dict() for clip in clips],
        "totals": _totals(data, clips, recipe),
        "batches": {
            "batches_per_rank": len(loader),
            "steps_per_epoch": steps_per_epoch,
            "samples_per_step": samples_per_step,
            "max_steps": max_steps,
            "epochs": None if max_steps is None else round(max_steps / steps_per_epoch, 2),
        },
        "step": None if cost is None else _cost(cost, steps_per_epoch, max_steps),
    }


def _clip_plans(data: PreparedData, tokenizer: PreTrainedTokenizerBase | None) -> list[ClipPlan]:
    """Every file of every split that was looked at beforehand."""
    plans: list[ClipPlan] = []
    seen: dict[bytes, str] = {}
    for split, report in data.reports.items():
        clips = getattr(data, split)
        counts = {
            text: 0 if tokenizer is None else len(tokenizer(text, truncation=False)["input_ids"])
            for text in set(clips.texts)
        }
        plans += plan_clips(
            clips,
            report.skipped,
            split=split,
            caption_tokens=[counts[text] for text in clips.texts],
            max_caption_tokens=None if tokenizer is None else tokenizer.model_max_length,
            seen=seen,
        )
    return plans


def _trainer(
    parts: TextToVideo,
    data: PreparedData,
    processor: VideoProcessor,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    scratch: Path,
) -> VideoGenerationTrainer:
    """The run's trainer, writing nothing that stays, for a few steps."""
    recipe = parts.recipe
    arguments = parts.build_arguments(RunFolder(scratch))
    encoded = training_data(
        recipe,
        data,
        parts.load_encoders(),
        processor=processor,
        tokenizer=tokenizer,
        device=arguments.device,
    )
    model = parts.build_model(processor=processor, tokenizer=tokenizer)
    trainer = build_trainer(parts, model, arguments, encoded, processor=processor, tokenizer=tokenizer)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _totals(data: PreparedData, clips: list[ClipPlan], recipe: Recipe) -> dict[str, Any]:
    used = [clip for clip in clips if clip.problem is None and clip.split == "train"]
    report = data.reports.get("train")
    too_bad = report is not None and report.bad_share > recipe.data.max_bad_share
    captions = check_captions(data.captions)
    return {
        "streamed": recipe.data.streaming,
        "rows": len(data.train) if report is None else report.num_rows,
        "used": len(data.train),
        "set_apart": 0 if report is None else report.num_set_apart,
        "out": 0 if report is None else len(report.skipped),
        "refused_by_max_bad_share": too_bad,
        "per_bucket": dict(sorted(Counter(clip.bucket or "" for clip in used).items())),
        "padded": sum(clip.padded_frames > 0 for clip in used),
        "upscaled": sum(clip.upscaled for clip in used),
        "copies": sum(clip.copy_of is not None for clip in clips),
        "decoded_each_time": sum(not clip.held for clip in used),
        "captions": captions.to_dict(),
        "captions_empty": len(captions.empty) if recipe.data.caption_column is not None else 0,
        "captions_not_text": len(captions.not_text),
        "captions_cut": sum(clip.caption_tokens_lost > 0 for clip in used),
        "caption_tokens_lost": sum(clip.caption_tokens_lost for clip in used),
        "cache_mebibytes": _cache_mebibytes(data),
    }


def _cache_mebibytes(data: PreparedData) -> float:
    """Decoded clips of all splits."""
    stores = {report.store_path for report in data.reports.values() if report.store_path is not None}
    return round(sum(file.stat().st_size for store in stores for file in Path(store).iterdir()) / 2**20, 1)


def _cost(cost: StepCost, steps_per_epoch: int, max_steps: int | None) -> dict[str, Any]:
    return {
        **dataclasses.asdict(cost),
        "epoch_seconds": round(cost.step_seconds * steps_per_epoch, 1),
        "run_seconds": None if max_steps is None else round(cost.step_seconds * max_steps, 1),
        "compiled": False,
    }
