"""A video autoencoder, from clips to a folder that `from_pretrained` and `model.autoencoder` of a recipe load.

Data → autoencoder → trainer → statistics of the latents → export → figures → card.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from transformers.trainer_utils import set_seed

from heygen_hf.data import VideoTextCollator
from heygen_hf.evaluation import clip_psnr, clip_ssim
from heygen_hf.hub import write_model_reference
from heygen_hf.pipelines.latents import record_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData, prepare_data
from heygen_hf.tasks.model_training.arguments import build_arguments, float32_on_cpu, with_defaults
from heygen_hf.tasks.model_training.figures import write_figures
from heygen_hf.tasks.model_training.starting import finished_run, open_folder
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_facts import train_run
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, read_json, write_json, write_text
from heygen_hf.tasks.validation_split import train_without_validation
from heygen_hf.tasks.video_autoencoder.card import write_autoencoder_card
from heygen_hf.tasks.video_autoencoder.latent_statistics import measure_latents
from heygen_hf.tasks.video_autoencoder.measuring import clip_batches, measure
from heygen_hf.tasks.video_autoencoder.model import build_autoencoder, device_of, size_of_latents
from heygen_hf.tasks.video_autoencoder.recipe import check_options
from heygen_hf.tasks.video_autoencoder.samples import preview_writer, write_interpolation, write_strips
from heygen_hf.training import JsonLinesLog, VideoAutoencoderTrainer, VideoAutoencoderTrainingArguments
from heygen_hf.training.autoencoder.geometry import LatentSize
from heygen_hf.training.autoencoder.reconstruction import in_slices


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train what the recipe says.

    Args:
        resume: None, "auto" (the newest whole checkpoint, or a fresh start) or a checkpoint's path.
        overwrite: replace a run that the folder already holds.
        command: the command line, for the card.
    """
    recipe = float32_on_cpu(recipe)
    folder = RunFolder(recipe.output_dir)
    check_options(recipe)
    finished = None if resume is None else finished_run(folder, recipe)
    if finished is not None:
        return finished
    arguments = build_arguments(VideoAutoencoderTrainingArguments, recipe, folder)

    # 1. Autoencoder, before the data: its sizes are refused sooner. Seeded here: the trainer seeds only afterwards.
    set_seed(recipe.seed)
    autoencoder = build_autoencoder(recipe.model)
    size = size_of_latents(recipe, autoencoder)
    checkpoint = open_folder(folder, arguments, resume=resume, overwrite=overwrite)

    # 2. Data.
    processor = VideoProcessor(**asdict(recipe.processor))
    with arguments.main_process_first(desc="preparing the data"):
        data = prepare_clips_of(recipe, processor=processor, is_main=arguments.should_save)
    if arguments.should_save:
        # Only now: a recipe that cannot work must not claim the folder.
        write_text(folder.recipe, resolved_yaml(with_defaults(VideoAutoencoderTrainingArguments, recipe)))

    # 3. Trainer.
    shown = first_clips(data.test, processor=processor, recipe=recipe).to(arguments.device)
    trainer = build_trainer(
        autoencoder,
        arguments,
        data,
        processor=processor,
        write_samples=preview_writer(autoencoder, shown, folder=folder.samples, processor=processor),
        callbacks=[JsonLinesLog(folder.log)],
    )
    facts = train_run(trainer, checkpoint=checkpoint, data_name=data.source, reports=data.reports, command=command)
    if facts is None:
        return TrainedRun(folder.path, {})

    folder.drop_results()
    with trainer.ema_weights():
        # 4. Statistics of the latents and export, of the averaged weights where there is an average.
        statistics = normalize(autoencoder.eval(), data, processor=processor, recipe=recipe)
        autoencoder.save_pretrained(str(folder.path), safe_serialization=True)
        processor.save_pretrained(str(folder.path))
        write_model_reference(autoencoder, folder.path)
        write_json(folder.facts, facts | {"latent_statistics": statistics})

        # 5. Figures and samples.
        metrics = measure_run(folder, recipe, autoencoder, data, processor=processor, size=size)

    # 6. Card.
    write_autoencoder_card(folder, recipe, autoencoder=autoencoder, data=data)
    print(
        f"the run is in {folder.path}; text_to_video recipes train on its latents with model.autoencoder={folder.path}"
    )
    return TrainedRun(folder.path, metrics)


def build_trainer(
    autoencoder: Any,
    arguments: VideoAutoencoderTrainingArguments,
    data: PreparedData,
    *,
    processor: VideoProcessor,
    **options: Any,
) -> VideoAutoencoderTrainer:
    """The trainer of a run; the options are further arguments of it."""
    arguments.dataloader_num_workers = data.num_workers
    if data.validation is None:
        train_without_validation(arguments)
    samples_per_step = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    return VideoAutoencoderTrainer(
        autoencoder,
        arguments,
        train_dataset=data.training_set(at_least=samples_per_step),
        eval_dataset=data.validation_subset(arguments.max_eval_clips),
        data_collator=VideoTextCollator(processor),
        measures={"psnr": clip_psnr, "ssim": clip_ssim},
        **options,
    )


def prepare_clips_of(recipe: Recipe, *, processor: VideoProcessor, is_main: bool) -> PreparedData:
    """The recipe's clips; their captions are of no use here, and need not be there."""
    section = replace(recipe.data, label_columns=[], caption_column=None)
    return prepare_data(section, processor=processor, seed=recipe.seed, is_main=is_main)


def first_clips(clips: Any, *, processor: VideoProcessor, recipe: Recipe) -> Any:
    """The test clips that `samples/` shows, `(count, frames, channels, height, width)`."""
    count = min(recipe.evaluation.num_samples, len(clips))
    return VideoTextCollator(processor)([clips[row] for row in range(count)])["pixel_values"]


def normalize(autoencoder: Any, data: PreparedData, *, processor: VideoProcessor, recipe: Recipe) -> dict[str, Any]:
    """Measure the latents of training clips and make mean and spread the autoencoder's own."""
    evaluation = recipe.evaluation
    batches = clip_batches(
        data.train,
        processor=processor,
        most=evaluation.max_statistics_clips,
        batch_size=evaluation.batch_size,
        device=device_of(autoencoder),
    )
    mean, std, count = measure_latents(autoencoder, batches)
    record_normalization(autoencoder, mean, std)
    return {"mean": mean.tolist(), "std": std.tolist(), "clips": count}


def measure_run(
    folder: RunFolder,
    recipe: Recipe,
    autoencoder: Any,
    data: PreparedData,
    *,
    processor: VideoProcessor,
    size: LatentSize,
) -> dict[str, Any]:
    """Figures on test clips, printed and written, and the samples of the card."""
    evaluation, training = recipe.evaluation, recipe.training
    device = device_of(autoencoder)
    batches = clip_batches(
        data.test, processor=processor, most=evaluation.max_clips, batch_size=evaluation.batch_size, device=device
    )
    pieces = {name: training[f"eval_{name}"] for name in _PIECES if f"eval_{name}" in training}
    with in_slices(autoencoder.eval(), **pieces):
        figures = measure(autoencoder, batches, size=size)
        shown = first_clips(data.test, processor=processor, recipe=recipe).to(device)
        write_strips(folder.samples, autoencoder, shown, processor=processor)
        if evaluation.interpolation_steps:
            path = folder.samples / "interpolation.mp4"
            steps = evaluation.interpolation_steps
            write_interpolation(path, autoencoder, shown, steps=steps, processor=processor)
    facts = read_json(folder.facts)
    return write_figures(
        folder.metrics,
        figures,
        clip_size=list(size.clip),
        latent_size=list(size.latents),
        latent_statistics=facts.get("latent_statistics"),
        validation_loss=facts.get("validation_loss"),
    )


_PIECES = ("slicing", "tiling", "tile_size")
