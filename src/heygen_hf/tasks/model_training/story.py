"""From a recipe to a folder that `from_pretrained` loads: data → model → trainer → export → figures → card."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from accelerate.utils import extract_model_from_parallel
from torch.utils.data import Subset
from transformers.trainer_utils import set_seed

from heygen_hf.tasks.model_training.arguments import build_arguments, with_defaults
from heygen_hf.tasks.model_training.card import write_model_card
from heygen_hf.tasks.model_training.export import export_model
from heygen_hf.tasks.model_training.figures import write_figures
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.repeated_rows import repeated
from heygen_hf.tasks.model_training.starting import finished_run, open_folder
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_facts import train_run
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, write_json, write_text
from heygen_hf.tasks.validation_split import train_without_validation
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
    finished = None if resume is None else finished_run(folder, recipe)
    if finished is not None:
        return finished
    arguments = build_arguments(SupervisedTrainingArguments, recipe, folder)
    checkpoint = open_folder(folder, arguments, resume=resume, overwrite=overwrite)

    # 1. Data.
    with arguments.main_process_first(desc="preparing the data"):
        parts = task.build(recipe, exported=None, is_main=arguments.should_save)

    # 2. Model. Seeded here: the trainer seeds only after the weights are drawn.
    set_seed(recipe.seed)
    model = build_model(parts, recipe)
    recipe = with_defaults(SupervisedTrainingArguments, recipe)
    if arguments.should_save:
        # Only now: a recipe that cannot work must not claim the folder.
        write_text(folder.recipe, resolved_yaml(recipe))

    # 3. Trainer.
    trainer = build_trainer(parts, model, arguments, callbacks=[JsonLinesLog(folder.log)])
    facts = train_run(trainer, checkpoint=checkpoint, data_name=parts.data_name, reports=parts.reports, command=command)
    if facts is None:
        return TrainedRun(folder.path, {})

    # 4. Export, of the averaged weights where there is an average.
    folder.drop_results()
    with trainer.ema_weights():
        # Accelerate's autocast around `forward` is training's: figures are those of the model as it will be loaded.
        model = extract_model_from_parallel(trainer.model, keep_fp32_wrapper=False)
        model = export_model(model, folder, processors=parts.processors, peft=recipe.peft)
        write_json(folder.facts, facts)

        # 5. Figures.
        figures = parts.measure(model.eval())
    metrics = write_figures(folder.metrics, figures, validation_loss=facts["validation_loss"])

    # 6. Card.
    write_model_card(folder, recipe, parts, pipeline_tag=task.pipeline_tag)
    print(f"the run is in {folder.path}; its README.md says how to use it")
    return TrainedRun(folder.path, metrics)


def build_model(parts: TaskParts, recipe: Recipe) -> Any:
    """The model, with adapters where the recipe has them; seed before calling it."""
    model = parts.build_model()
    if recipe.peft is None:
        return model
    from heygen_hf.tasks.adapters import apply_adapters

    return apply_adapters(model, recipe.peft)


def build_trainer(
    parts: TaskParts, model: Any, arguments: SupervisedTrainingArguments, **options: Any
) -> SupervisedTrainer:
    """The trainer of a run; the options are further arguments of it."""
    arguments.dataloader_num_workers = parts.num_workers
    if parts.eval_dataset is None:
        train_without_validation(arguments)
    return SupervisedTrainer(
        model,
        arguments,
        train_dataset=at_least_a_step(parts.train_dataset, arguments),
        eval_dataset=_evenly_spread(parts.eval_dataset, arguments.max_eval_samples),
        data_collator=parts.collate,
        eval_collator=parts.eval_collate,
        compute_metrics=parts.compute_metrics,
        preprocess_logits_for_metrics=parts.preprocess_logits_for_metrics,
        count_tokens=parts.count_tokens,
        **options,
    )


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
