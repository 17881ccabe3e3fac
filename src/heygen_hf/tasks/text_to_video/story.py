"""Text to video, from captioned clips to a folder that loads anywhere.

Data → model → trainer → export → evaluation → card. With `model.autoencoder` the trainer is given latents in place of
frames, with `model.text_encoder` embeddings beside captions (`encoded_data.py`); everything else stays in pixels. What
another task does differently is in `parts.py`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from transformers.trainer_utils import set_seed

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation import sample_grid_writer
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.resuming import check_same_recipe, find_checkpoint
from heygen_hf.tasks.run_facts import RunMeter
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, read_json, write_json, write_text
from heygen_hf.tasks.text_to_video.bare import build_trainer
from heygen_hf.tasks.text_to_video.card import run_facts
from heygen_hf.tasks.text_to_video.encoded_data import training_data
from heygen_hf.tasks.text_to_video.parts import TextToVideo
from heygen_hf.tasks.text_to_video.resume import is_finished
from heygen_hf.training import JsonLinesLog


def run(
    recipe: Recipe,
    *,
    resume: str | None,
    overwrite: bool,
    command: Sequence[str] | None,
    task: type[TextToVideo] = TextToVideo,
) -> TrainedRun:
    """Train what the recipe says.

    Args:
        resume: None, "auto" (the newest whole checkpoint, or a fresh start) or a checkpoint's path.
        overwrite: replace a run that the folder already holds.
        command: the command line, for the card.
        task: what the video is generated from.
    """
    parts = task(recipe)
    folder = RunFolder(recipe.output_dir)
    parts.check()
    if resume is not None:
        check_same_recipe(folder, recipe, with_defaults=parts.with_defaults)
        if is_finished(folder, recipe, has_figures=parts.evaluates()):
            print(f"the run in {folder.path} is finished; replace it with --overwrite, or raise training.max_steps.")
            return TrainedRun(folder.path, read_json(folder.metrics))
    arguments = parts.build_arguments(folder)
    # From here on all processes are joined; the first one alone writes.
    with arguments.main_process_first(desc="preparing the run folder"):
        if arguments.should_save:
            folder.prepare(resume=resume is not None, overwrite=overwrite)
    checkpoint = find_checkpoint(folder, resume)

    # 1. Data.
    processor = VideoProcessor(**asdict(recipe.processor))
    data = parts.prepare(processor=processor, is_main=arguments.should_save)
    parts.check_data(data)
    with arguments.main_process_first(desc="building the tokenizer"):
        tokenizer = parts.build_tokenizer(data)
    encoders = parts.load_encoders()
    encoded = training_data(
        recipe,
        data,
        encoders,
        processor=processor,
        tokenizer=tokenizer,
        device=arguments.device,
        process_index=arguments.process_index,
        num_processes=arguments.world_size,
        fill_first=parts.fills_cache_first,
    )

    # 2. Model. Seeded here: the trainer seeds only after the weights are drawn.
    set_seed(recipe.seed)
    model = parts.build_model(processor=processor, tokenizer=tokenizer)
    if arguments.should_save:
        # Only now: a recipe that cannot work must not claim the folder.
        write_text(folder.recipe, resolved_yaml(parts.with_defaults(recipe)))
    pipeline = parts.build_pipeline(
        model, processor=processor, tokenizer=tokenizer, encoders=encoders, is_main=arguments.should_save
    )
    del encoders

    # 3. Trainer.
    samples = parts.samples(data, processor=processor)
    trainer = build_trainer(
        parts,
        model,
        arguments,
        encoded,
        processor=processor,
        tokenizer=tokenizer,
        callbacks=[JsonLinesLog(folder.log)],
        write_samples=sample_grid_writer(
            pipeline,
            samples.prompts,
            folder=folder.samples,
            seed=recipe.seed,
            precision=arguments.precision,
            given=samples.given,
        ),
    )
    if arguments.should_save and checkpoint is None:
        parts.before_training(pipeline, samples=samples, folder=folder, device=arguments.device)
    meter = RunMeter()
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    spent = meter.stop()
    trainer.end_sharding()
    if not trainer.is_world_process_zero():
        return TrainedRun(folder.path, {})
    facts = run_facts(recipe, data=data, trainer=trainer, spent=spent, command=command, prompts=samples.texts)

    # 4. Export of the averaged weights.
    folder.drop_results()
    with trainer.ema_weights():
        parts.export(folder, pipeline, samples=samples, precision=arguments.precision)
    write_json(folder.facts, facts)

    # 5. Evaluation.
    metrics: dict[str, Any] = {}
    if parts.evaluates():
        metrics = parts.evaluate(folder, data=data)

    # 6. Card.
    parts.write_card(folder)
    print(f"the run is in {folder.path}; generate with: heygen-hf generate {folder.path} {samples.usage}")
    return TrainedRun(folder.path, metrics)
