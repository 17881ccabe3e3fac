"""Distillation, from a finished run to one of the same layout that samples in few steps.

Teacher → data → student → trainer → export → evaluation beside the teacher → card.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers.trainer_utils import IntervalStrategy, set_seed

from heygen_hf.data import VideoTextCollator
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.tasks.clip_data import check_labels, prepare_data
from heygen_hf.tasks.distillation.measuring import measure, write_student_card
from heygen_hf.tasks.distillation.recipe import check_training, with_defaults
from heygen_hf.tasks.distillation.teacher import TeacherRun, load_teacher, student_recipe
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.resuming import check_same_recipe, find_checkpoint
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, read_json, write_json, write_text
from heygen_hf.tasks.text_to_video.card import run_facts
from heygen_hf.tasks.text_to_video.encoded_data import EncodedCaptions, training_data
from heygen_hf.tasks.text_to_video.encoders import load_encoders
from heygen_hf.tasks.text_to_video.export import export_run
from heygen_hf.tasks.text_to_video.model import build_model
from heygen_hf.tasks.text_to_video.recipe import evaluates
from heygen_hf.tasks.text_to_video.resume import is_finished
from heygen_hf.tasks.text_to_video.story import samples_per_step
from heygen_hf.tasks.video_files import sample_grid_writer
from heygen_hf.training import DistillationTrainer, DistillationTrainingArguments, JsonLinesLog


def distill(
    run: str | Path,
    overrides: Sequence[str] = (),
    *,
    to_steps: int,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
    command: Sequence[str] | None = None,
) -> TrainedRun:
    """Distill a finished run of text to video, or one distilled already, to `to_steps` steps.

    Args:
        run: the teacher's folder.
        overrides: `section.key=value` laid over the recipe derived from the teacher's.
        output_dir: by default beside the teacher, `RUN_4_steps`.
        overwrite: replace a run that it already holds.
        command: the command line, for the card.

    Raises:
        ValueError: the run cannot teach that, or the output folder cannot be used.
    """
    recipe = student_recipe(run, overrides, to_steps=to_steps, output_dir=output_dir)
    return _run(recipe, resume=None, overwrite=overwrite, command=command)


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train the student that a recipe describes; the arguments are those of `text_to_video.run`."""
    return _run(recipe, resume=resume, overwrite=overwrite, command=command)


def _run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    folder = RunFolder(recipe.output_dir)
    check_training(recipe)
    if folder.path.resolve() == Path(recipe.distillation.teacher).resolve():
        raise ValueError(f"output_dir {folder.path} is the teacher's own folder; give another.")
    if resume is not None:
        check_same_recipe(folder, recipe, with_defaults=with_defaults)
        if is_finished(folder, recipe):
            print(f"the run in {folder.path} is finished; replace it with --overwrite, or raise training.max_steps.")
            return TrainedRun(folder.path, read_json(folder.metrics))

    # 1. Teacher.
    teacher = load_teacher(recipe.distillation.teacher)
    arguments = build_arguments(recipe, folder, teacher)
    with arguments.main_process_first(desc="preparing the run folder"):
        if arguments.should_save:
            folder.prepare(resume=resume is not None, overwrite=overwrite)
    checkpoint = find_checkpoint(folder, resume)

    # 2. Data: captions and other conditions; of the clips only what is given of them.
    processor, tokenizer = teacher.pipeline.processor, teacher.pipeline.tokenizer
    data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=arguments.should_save)
    if evaluates(recipe):
        check_labels(data, recipe.data.label_columns)
    encoders = load_encoders(recipe.model)
    encoded = training_data(
        recipe,
        data,
        encoders,
        processor=processor,
        tokenizer=tokenizer,
        device=arguments.device,
        process_index=arguments.process_index,
        num_processes=arguments.world_size,
    )

    # 3. Student: it starts as its teacher.
    set_seed(recipe.seed)
    model = build_model(
        {**recipe.model, "pretrained": str(teacher.folder.path)}, processor=processor, tokenizer=tokenizer
    )
    if arguments.should_save:
        write_text(folder.recipe, resolved_yaml(with_defaults(recipe)))
    pipeline = VideoGenerationPipeline(
        model.transformer,
        build_scheduler(model.config),
        processor,
        tokenizer,
        text_encoder=encoders.text_encoder if arguments.should_save else None,
        vae=encoders.autoencoder if arguments.should_save else None,
        num_inference_steps=recipe.distillation.to_steps,
        guidance_scale=1.0,
        frame_rate=recipe.generation.frame_rate,
    )
    del encoders

    # 4. Trainer.
    prompts = recipe.generation.sample_prompts or data.sample_prompts(recipe.generation.num_samples)
    arguments.dataloader_num_workers = encoded.num_workers
    if data.validation is None:
        arguments.eval_strategy = IntervalStrategy.NO
    trainer = DistillationTrainer(
        model,
        arguments,
        train_dataset=encoded.training_set(at_least=samples_per_step(arguments)),
        eval_dataset=encoded.validation_subset(arguments.max_eval_clips),
        data_collator=EncodedCaptions(
            VideoTextCollator(processor, tokenizer, max_length=tokenizer.model_max_length),
        ),
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

    # 5. Export of the averaged weights.
    folder.metrics.unlink(missing_ok=True)
    with trainer.ema_weights():
        export_run(
            folder,
            pipeline,
            prompts=prompts,
            seed=recipe.seed,
            batch_size=recipe.generation.batch_size,
            precision=arguments.precision,
        )
    write_json(folder.facts, facts)

    # 6. Evaluation, beside the model of many steps.
    metrics: dict[str, Any] = measure(folder, recipe, data=data) if evaluates(recipe) else {}

    # 7. Card.
    write_student_card(folder, recipe)
    print(f"the run is in {folder.path}; generate with: heygen-hf generate {folder.path} --prompt {prompts[0]!r}")
    return TrainedRun(folder.path, metrics)


def build_arguments(recipe: Recipe, folder: RunFolder, teacher: TeacherRun) -> DistillationTrainingArguments:
    """The trainer's arguments, with the recipe's seed, the run's checkpoint folder and the teacher's own steps."""
    section = recipe.distillation
    guidance = section.teacher_guidance_scale
    return DistillationTrainingArguments(
        output_dir=str(folder.checkpoints),
        seed=recipe.seed,
        data_seed=recipe.seed,
        to_steps=section.to_steps,
        teacher_steps=teacher.steps_for(section.to_steps, section.teacher_steps),
        teacher_guidance_scale=teacher.pipeline.config.guidance_scale if guidance is None else guidance,
        **recipe.training,
    )
