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
from heygen_hf.tasks.text_to_video_data import PreparedData, check_labels, prepare_data
from heygen_hf.tasks.text_to_video_evaluation import evaluate, evaluate_run
from heygen_hf.tasks.text_to_video_export import export_run
from heygen_hf.tasks.text_to_video_recipe import SECTIONS, with_defaults
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
    check_sizes(recipe)
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
    checkpoint = find_checkpoint(folder, resume)

    # 1. Data.
    processor = VideoProcessor(**asdict(recipe.processor))
    data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=arguments.should_save)
    if evaluates(recipe):
        check_labels(data, recipe.data.label_columns)
    with arguments.main_process_first(desc="building the tokenizer"):
        tokenizer = build_tokenizer_for(recipe, data)

    # 2. Model.
    model = build_model(recipe.model, processor=processor, tokenizer=tokenizer)
    if arguments.should_save:
        # Only now: a recipe that cannot work must not claim the folder.
        write_text(folder.recipe, resolved_yaml(with_defaults(recipe)))
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
        data_collator=VideoTextCollator(processor, tokenizer, max_length=tokenizer.model_max_length),
        callbacks=[JsonLinesLog(folder.log)],
        write_samples=sample_grid_writer(
            pipeline, prompts, folder=folder.samples, seed=recipe.seed, precision=arguments.precision
        ),
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
    # Figures of other weights must not stand beside these.
    folder.metrics.unlink(missing_ok=True)
    with trainer.ema_weights():
        export_run(
            folder,
            pipeline,
            prompts=prompts,
            seed=recipe.seed,
            batch_size=generation.batch_size,
            precision=arguments.precision,
        )
    write_json(folder.facts, facts)

    # 5. Evaluation.
    metrics: dict[str, Any] = {}
    if evaluates(recipe):
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


def evaluates(recipe: Recipe) -> bool:
    """Whether the run ends with an evaluation: it is asked for, and there are labels to judge by."""
    return recipe.evaluation.enabled and bool(recipe.data.label_columns)


def check_sizes(recipe: Recipe) -> None:
    """Refuse sizes that cannot work before anything is decoded.

    Raises:
        ValueError: a model field that cannot be, or a clip size that the patch does not divide.
    """
    if recipe.model.get("pretrained") is None:
        config = build_config(given_values(recipe.model))
        config.count_tokens(recipe.processor.num_frames, recipe.processor.height, recipe.processor.width)


def given_values(section: dict[str, Any]) -> dict[str, Any]:
    """The `model` section's fields of `VideoTransformerConfig` that are not left open."""
    return {
        name: value
        for name, value in section.items()
        if value is not None and name not in ("pretrained", "attn_implementation")
    }


def build_config(values: dict[str, Any]) -> VideoTransformerConfig:
    """`VideoTransformerConfig(**values)`, its errors in one line."""
    try:
        return VideoTransformerConfig(**values)
    except StrictDataclassError as error:
        raise ValueError(f"recipe section model: {error.__cause__ or error}") from error


def build_tokenizer_for(recipe: Recipe, data: PreparedData) -> PreTrainedTokenizerBase:
    """The recipe's tokenizer, the pretrained model's own, or a small one built from the training captions.

    It carries the longest caption it makes, so that training and generation cut alike.
    """
    name, pretrained = recipe.data.tokenizer, recipe.model.get("pretrained")
    if name is None and pretrained is not None:
        if not (Path(pretrained) / "tokenizer").is_dir():
            raise ValueError(
                f"model.pretrained={pretrained} has no tokenizer beside it; name the one it was trained with in "
                "data.tokenizer: a new one would give every word another meaning."
            )
        name = str(Path(pretrained) / "tokenizer")
    tokenizer = load_tokenizer(name, data.captions)
    tokenizer.model_max_length = min(tokenizer.model_max_length, recipe.data.max_caption_tokens)
    cut = sum(len(tokenizer(text)["input_ids"]) > tokenizer.model_max_length for text in set(data.captions))
    if cut:
        print(f"warning: {cut} captions have more than {tokenizer.model_max_length} tokens and are cut.")
    return tokenizer


def build_model(
    section: dict[str, Any], *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase
) -> VideoTransformerForVideoGeneration:
    """A fresh or pretrained generator for the recipe's `model` section.

    Raises:
        ValueError: the clip's sizes are no multiples of the patch, or a pretrained vocabulary is not the tokenizer's.
    """
    values = given_values(section)
    pretrained = section.get("pretrained")
    attention = section.get("attn_implementation", "auto")
    sizes = {
        "sample_frames": processor.num_frames,
        "sample_height": processor.height,
        "sample_width": processor.width,
    }
    if pretrained is not None:
        # A run's folder is a pipeline: its denoiser lies one folder down.
        inside = {"subfolder": "transformer"} if (Path(pretrained) / "transformer").is_dir() else {}
        model = VideoTransformerForVideoGeneration.from_pretrained(pretrained, **inside, **(sizes | values))
        if model.config.vocab_size is not None and len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f"model.pretrained={pretrained} knows {model.config.vocab_size} tokens, the tokenizer has "
                f"{len(tokenizer)}: set data.tokenizer to the pretrained model's own."
            )
        config = model.config
    else:
        vocabulary = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        config = build_config(vocabulary | sizes | values)
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
    exported = folder.model_index.is_file() and (folder.metrics.is_file() or not evaluates(recipe))
    return exported and steps >= recipe.training.get("max_steps", -1) > 0


def check_same_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Refuse to continue a run as another: what decides the trajectory must be as it was.

    Raises:
        ValueError: model, data, processor or seed differ; names the keys.
    """
    if not folder.recipe.is_file():
        return
    before, now = with_defaults(load_recipe(folder.recipe)).to_dict(), with_defaults(recipe).to_dict()
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
