"""From a recipe to a folder that `from_pretrained` loads: data → model → trainer → export → figures → card."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from accelerate.utils import extract_model_from_parallel
from torch.utils.data import Subset
from transformers.trainer_utils import IntervalStrategy, set_seed

from heygen_hf.tasks.model_training.card import write_model_card
from heygen_hf.tasks.model_training.export import export_model
from heygen_hf.tasks.model_training.figures import figures_to_json, print_figures
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.repeated_rows import repeated
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.recipe_defaults import declared_defaults
from heygen_hf.tasks.resuming import check_same_recipe, find_checkpoint
from heygen_hf.tasks.run_facts import training_facts
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, read_json, write_json, write_text
from heygen_hf.training import JsonLinesLog, SupervisedTrainer, SupervisedTrainingArguments

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask


def run_model_task(
    task: "ModelTask", recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None
) -> TrainedRun:
    """Train what the recipe says.

    Args:
        resume: None, "auto" (the newest whole checkpoint, or a fresh start) or a checkpoint's path.
        overwrite: replace a run that the folder already holds.
        command: the command line, for the card.
    """
    folder = RunFolder(recipe.output_dir)
    if resume is not None:
        check_same_recipe(folder, recipe)
        if _is_finished(folder, recipe):
            print(f"the run in {folder.path} is finished; replace it with --overwrite, or raise training.max_steps.")
            return TrainedRun(folder.path, read_json(folder.metrics))
    arguments = build_arguments(recipe, folder)
    # From here on all processes are joined; the first one alone writes.
    with arguments.main_process_first(desc="preparing the run folder"):
        if arguments.should_save:
            folder.prepare(resume=resume is not None, overwrite=overwrite)
    checkpoint = find_checkpoint(folder, resume)

    # 1. Data.
    with arguments.main_process_first(desc="preparing the data"):
        parts = task.build(recipe, exported=None, is_main=arguments.should_save)
    arguments.dataloader_num_workers = parts.num_workers
    if parts.eval_dataset is None:
        arguments.eval_strategy = IntervalStrategy.NO

    # 2. Model. Seeded here: the trainer seeds only after the weights are drawn.
    set_seed(recipe.seed)
    model = build_model(parts, recipe)
    recipe = replace(recipe, training={**declared_defaults(SupervisedTrainingArguments), **recipe.training})
    if arguments.should_save:
        # Only now: a recipe that cannot work must not claim the folder.
        write_text(folder.recipe, resolved_yaml(recipe))

    # 3. Trainer.
    trainer = SupervisedTrainer(
        model,
        arguments,
        train_dataset=at_least_a_step(parts.train_dataset, arguments),
        eval_dataset=_evenly_spread(parts.eval_dataset, arguments.max_eval_samples),
        data_collator=parts.collate,
        eval_collator=parts.eval_collate,
        compute_metrics=parts.compute_metrics,
        preprocess_logits_for_metrics=parts.preprocess_logits_for_metrics,
        count_tokens=parts.count_tokens,
        callbacks=[JsonLinesLog(folder.log)],
    )
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    training_seconds = time.perf_counter() - started
    if not trainer.is_world_process_zero():
        return TrainedRun(folder.path, {})
    facts = training_facts(
        trainer,
        data_name=parts.data_name,
        reports=parts.reports,
        training_seconds=training_seconds,
        command=command,
    )

    # 4. Export, of the averaged weights where there is an average.
    # Figures of other weights must not stand beside these.
    folder.metrics.unlink(missing_ok=True)
    with trainer.ema_weights():
        # Accelerate's autocast around `forward` is training's: figures are those of the model as it will be loaded.
        model = extract_model_from_parallel(trainer.model, keep_fp32_wrapper=False)
        model = export_model(model, folder, processors=parts.processors, peft=recipe.peft)
        write_json(folder.facts, facts)

        # 5. Figures.
        figures = parts.measure(model.eval())
    metrics: dict[str, Any] = {"figures": figures_to_json(figures), "validation_loss": facts["validation_loss"]}
    write_json(folder.metrics, metrics)
    print_figures(figures)

    # 6. Card.
    write_model_card(folder, recipe, parts, pipeline_tag=task.pipeline_tag)
    print(f"the run is in {folder.path}; its README.md says how to use it")
    return TrainedRun(folder.path, metrics)


def build_arguments(recipe: Recipe, folder: RunFolder) -> SupervisedTrainingArguments:
    """The trainer's arguments, with the recipe's seed and the run's checkpoint folder."""
    return SupervisedTrainingArguments(
        output_dir=str(folder.checkpoints), seed=recipe.seed, data_seed=recipe.seed, **recipe.training
    )


def build_model(parts: TaskParts, recipe: Recipe) -> Any:
    """The model, with adapters where the recipe has them; seed before calling it."""
    model = parts.build_model()
    if recipe.peft is None:
        return model
    from heygen_hf.tasks.adapters import apply_adapters

    return apply_adapters(model, recipe.peft)


def _is_finished(folder: RunFolder, recipe: Recipe) -> bool:
    steps = read_json(folder.facts).get("steps", -1)
    done = folder.model_config is not None and folder.metrics.is_file()
    return done and steps >= recipe.training.get("max_steps", -1) > 0


def at_least_a_step(dataset: Any, arguments: SupervisedTrainingArguments) -> Any:
    """The data; fewer samples than one step are repeated to fill it, which is said aloud."""
    per_step = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    times = -(-per_step // len(dataset))
    if times == 1:
        return dataset
    print(f"{len(dataset)} samples are fewer than a step of {per_step}: each is drawn {times} times an epoch.")
    return repeated(dataset, times=times)


def _evenly_spread(dataset: Any, most: int | None) -> Any:
    if dataset is None or most is None or len(dataset) <= most:
        return dataset
    return Subset(dataset, [i * len(dataset) // most for i in range(most)])
