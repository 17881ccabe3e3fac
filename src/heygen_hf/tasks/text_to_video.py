"""Text to video, from captioned clips to a folder that loads anywhere.

Data → model → trainer → export → evaluation → card.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedTokenizerBase
from transformers.trainer_utils import IntervalStrategy

from heygen_hf.data import VideoTextCollator, load_tokenizer
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import Recipe, load_recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json, write_text
from heygen_hf.tasks.text_to_video_card import run_facts, write_run_card
from heygen_hf.tasks.text_to_video_data import prepare_data
from heygen_hf.tasks.text_to_video_evaluation import evaluate, evaluate_run
from heygen_hf.tasks.text_to_video_export import export_run
from heygen_hf.tasks.text_to_video_recipe import SECTIONS
from heygen_hf.tasks.video_files import generate, sample_grid_writer
from heygen_hf.training import (
    JsonLinesLog,
    VideoGenerationTrainer,
    VideoGenerationTrainingArguments,
    newest_checkpoint,
)

__all__ = ["SECTIONS", "TrainedRun", "build_model", "evaluate", "generate", "run"]


@dataclass(frozen=True)
class TrainedRun:
    """What `run` leaves behind.

    Attributes:
        folder: the run's folder.
        metrics: the figures of `metrics.json`; empty when the recipe evaluates nothing.
    """

    folder: Path
    metrics: dict[str, Any]


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train what the recipe says.

    Args:
        resume: None, "auto" (the newest whole checkpoint, or a fresh start) or a checkpoint's path.
        overwrite: replace a run that the folder already holds.
        command: the command line, for the card.
    """
    folder = RunFolder(recipe.output_dir)
    if resume is not None:
        check_same_recipe(folder, recipe)
        if is_finished(folder, recipe):
            print(f"the run in {folder.path} is finished; replace it with --overwrite, or raise training.max_steps.")
            return TrainedRun(folder.path, read_json(folder.metrics))
    arguments = build_arguments(recipe, folder)
    # From here on all processes are joined; the first one alone writes.
    with arguments.main_process_first(desc="preparing the run folder"):
        if arguments.should_save:
            folder.prepare(resume=resume is not None, overwrite=overwrite)
            write_text(folder.recipe, resolved_yaml(recipe))
    checkpoint = find_checkpoint(folder, resume)

    # 1. Data.
    processor = VideoProcessor(**asdict(recipe.processor))
    data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=arguments.should_save)
    with arguments.main_process_first(desc="building the tokenizer"):
        tokenizer = load_tokenizer(recipe.data.tokenizer, data.captions)

    # 2. Model.
    model = build_model(recipe.model, processor=processor, tokenizer=tokenizer)
    generation = recipe.generation
    pipeline = VideoGenerationPipeline(
        model.transformer,
        build_scheduler(model.config),
        processor,
        tokenizer,
        num_inference_steps=generation.num_inference_steps,
        guidance_scale=generation.guidance_scale,
        frame_rate=generation.frame_rate,
    )

    # 3. Trainer.
    prompts = generation.sample_prompts or data.sample_prompts(generation.num_samples)
    arguments.dataloader_num_workers = data.num_workers
    if data.validation is None:
        arguments.eval_strategy = IntervalStrategy.NO
    trainer = VideoGenerationTrainer(
        model,
        arguments,
        train_dataset=data.training_set(at_least=samples_per_step(arguments)),
        eval_dataset=data.validation_subset(arguments.max_eval_clips),
        data_collator=VideoTextCollator(processor, tokenizer, max_length=recipe.data.max_caption_tokens),
        callbacks=[JsonLinesLog(folder.log)],
        write_samples=sample_grid_writer(pipeline, prompts, folder=folder.samples, seed=recipe.seed),
    )
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    training_seconds = time.perf_counter() - started
    if not trainer.is_world_process_zero():
        return TrainedRun(folder.path, {})
    facts = run_facts(
        recipe, data=data, trainer=trainer, training_seconds=training_seconds, command=command, prompts=prompts
    )

    # 4. Export of the averaged weights.
    with trainer.ema_weights():
        export_run(folder, pipeline, prompts=prompts, seed=recipe.seed, batch_size=generation.batch_size)
    write_json(folder.facts, facts)

    # 5. Evaluation.
    metrics: dict[str, Any] = read_json(folder.metrics)
    if recipe.evaluation.enabled and recipe.data.label_columns:
        metrics = evaluate_run(folder, recipe, data=data)

    # 6. Card.
    write_run_card(folder, recipe)
    print(f"the run is in {folder.path}; generate with: heygen-hf generate {folder.path} --prompt {prompts[0]!r}")
    return TrainedRun(folder.path, metrics)


def build_arguments(recipe: Recipe, folder: RunFolder) -> VideoGenerationTrainingArguments:
    """The trainer's arguments, with the recipe's seed and the run's checkpoint folder."""
    return VideoGenerationTrainingArguments(
        output_dir=str(folder.checkpoints), seed=recipe.seed, data_seed=recipe.seed, **recipe.training
    )


def build_model(
    section: dict[str, Any], *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase
) -> VideoTransformerForVideoGeneration:
    """A fresh or pretrained generator for the recipe's `model` section.

    Raises:
        ValueError: the clip's sizes are no multiples of the patch, or a pretrained vocabulary is not the tokenizer's.
    """
    values = dict(section)
    pretrained = values.pop("pretrained", None)
    attention = values.pop("attn_implementation", "auto")
    if pretrained is not None:
        model = VideoTransformerForVideoGeneration.from_pretrained(pretrained, **values)
        if model.config.vocab_size is not None and len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f"model.pretrained={pretrained} knows {model.config.vocab_size} tokens, the tokenizer has "
                f"{len(tokenizer)}: set data.tokenizer to the pretrained model's own."
            )
        config = model.config
    else:
        values.setdefault("vocab_size", len(tokenizer))
        values.setdefault("pad_token_id", tokenizer.pad_token_id)
        values.setdefault("sample_frames", processor.num_frames)
        values.setdefault("sample_height", processor.height)
        values.setdefault("sample_width", processor.width)
        try:
            config = VideoTransformerConfig(**values)
        except StrictDataclassError as error:
            raise ValueError(f"recipe section model: {error.__cause__ or error}") from error
        model = VideoTransformerForVideoGeneration(config)
    tokens = config.count_tokens(processor.num_frames, processor.height, processor.width)
    model.set_attn_implementation(choose_attention(tokens) if attention == "auto" else attention)
    return model


def choose_attention(tokens: int) -> str:
    """The fastest attention measured for a sequence length on this device (benchmarks/RESULTS.md)."""
    return "matmul" if not torch.cuda.is_available() and tokens <= 1024 else "sdpa"


def samples_per_step(arguments: VideoGenerationTrainingArguments) -> int:
    """Samples of one optimiser step over all processes."""
    return arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size


def is_finished(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether the run has its last step, its export and, where the recipe evaluates, its figures."""
    steps = read_json(folder.facts).get("steps", -1)
    evaluates = recipe.evaluation.enabled and recipe.data.label_columns
    exported = folder.model_index.is_file() and (folder.metrics.is_file() or not evaluates)
    return exported and steps >= recipe.training.get("max_steps", -1) > 0


def check_same_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Refuse to continue a run as another: what decides the trajectory must be as it was.

    Raises:
        ValueError: model, data, processor or seed differ; names the keys.
    """
    if not folder.recipe.is_file():
        return
    before, now = load_recipe(folder.recipe).to_dict(), recipe.to_dict()
    changed = [
        f"{section}.{key}"
        for section in ("model", "data", "processor")
        for key in sorted(before[section].keys() | now[section].keys())
        if before[section].get(key) != now[section].get(key)
    ]
    changed += ["seed"] if before["seed"] != now["seed"] else []
    if changed:
        raise ValueError(
            f"{folder.path} is the run of another recipe ({', '.join(changed)} differ): continue it with its own "
            "recipe.yaml, replace it with --overwrite, or give another output_dir."
        )


def find_checkpoint(folder: RunFolder, resume: str | None) -> Path | None:
    """Where to resume from; torn checkpoints that are newer are named and passed over."""
    if resume is None:
        return None
    if resume != "auto":
        return Path(resume)
    checkpoint, warnings = newest_checkpoint(folder.checkpoints)
    for warning in warnings:
        print(f"warning: {warning}")
    return checkpoint
