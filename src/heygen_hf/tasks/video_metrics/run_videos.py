"""From a run's folder to what is to be measured: the captions, or the sounds, and the real clips that it needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.evaluation import METRICS
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.generating import WantedVideo
from heygen_hf.tasks.video_metrics.given_clips import GivenClips, given_clips, needs_given_clips
from heygen_hf.tasks.video_metrics.heard_clips import HeardClips, heard_clips
from heygen_hf.tasks.video_metrics.references import RealClips, folder_clips, held_out_clips, warn_of_rates
from heygen_hf.tasks.video_metrics.run_to_measure import RunToMeasure, processor_of

NUM_VIDEOS = 256  # what FVD needs at least


def open_run(
    path: Path,
    metrics: Sequence[str],
    *,
    reference: str | Path | None,
    num_videos: int | None,
    seed: int | None,
    batch_size: int | None,
    device: str | None,
) -> RunToMeasure:
    """Load a run's model and find the captions and the real clips.

    Raises:
        ValueError: there are no captions or sounds for it, or no real clips for a metric that needs some.
    """
    folder = RunFolder(path)
    pipeline = load_pipeline(path, device=device)
    hears = pipeline.clip_config.audio_hidden_size is not None
    recipe = load_recipe(folder.recipe) if folder.recipe.is_file() else None
    kinds = [METRICS[name].metric for name in metrics]
    real = _real_clips(path, recipe, pipeline, kinds, reference=reference)
    heard: HeardClips | GivenClips | None = None
    if real is not None and hears:
        heard = heard_clips(real, recipe, pipeline)
    elif real is not None and needs_given_clips(pipeline):
        heard = given_clips(real, recipe, pipeline)
    real = heard or real
    captions, prompts_from = _captions(path, recipe, pipeline, real)
    if real is not None:
        warn_of_rates(real, processor_of(pipeline), frame_rate=pipeline.config.frame_rate)
    paired = heard is not None or (real is not None and bool(captions) and captions == real.captions)
    _check_kinds(kinds, path, pipeline, paired=paired)
    own_seed = getattr(getattr(recipe, "evaluation", None), "seed", 0)
    first_seed = own_seed if seed is None else seed
    other_clips = None if reference is None or real is None else real.short_hash
    set_name = [] if first_seed == own_seed else [f"seed_{first_seed}"]
    set_name += [f"of_{other_clips}"] if other_clips is not None and paired else []
    wanted = [
        WantedVideo(
            captions[i % len(captions)] if captions else None,
            first_seed + i,
            given=None if heard is None else heard.name_of(i),
        )
        for i in range(num_videos or NUM_VIDEOS)
    ]
    generation = getattr(recipe, "generation", None)
    return RunToMeasure(
        folder=folder,
        pipeline=pipeline,
        wanted=wanted,
        real=real,
        heard=heard,
        paired=paired,
        prompts_from=prompts_from,
        precision=(recipe.training.get("precision", "auto") if recipe is not None else "auto"),
        batch_size=batch_size or getattr(generation, "batch_size", None) or 16,
        reference=other_clips,
        set_name="_".join(set_name),
    )


def _check_kinds(kinds: Sequence[Any], path: Path, pipeline: VideoGenerationPipeline, *, paired: bool) -> None:
    """Refuse metrics that lack what they need."""
    for kind in kinds:
        if kind.needs_prompts and pipeline.tokenizer is None:
            raise ValueError(f"{kind.name} compares videos with their prompts, and {path} reads none; leave it out")
        if kind.needs_sounds and pipeline.clip_config.audio_hidden_size is None:
            raise ValueError(f"{kind.name} compares videos with their sound, and {path} hears none; leave it out")
        if kind.needs_pairs and not paired:
            why = (
                "reads no captions" if pipeline.tokenizer is None else "is asked for captions that the references lack"
            )
            raise ValueError(
                f"{kind.name} compares each video with the real clip of its caption, and {path} {why}; leave it out"
            )


def _real_clips(
    path: Path,
    recipe: Recipe | None,
    pipeline: VideoGenerationPipeline,
    kinds: Sequence[Any],
    *,
    reference: str | Path | None,
) -> RealClips | None:
    """Those of the folder, else the run's own, else, where no metric compares with any, None."""
    if reference is not None:
        column = recipe.data.caption_column if recipe is not None else "text"
        return folder_clips(reference, processor=processor_of(pipeline), caption_column=column)
    comparing = (f"{kind.name} compares with real clips" for kind in kinds if kind.needs_references)
    hears = pipeline.clip_config.audio_hidden_size is not None
    follows = "a model that follows sound makes videos of real clips" if hears else None
    if needs_given_clips(pipeline):
        follows = f"{pipeline.family.name} makes videos of real clips"  # type: ignore[attr-defined]
    needing = next(comparing, follows)
    if recipe is None:
        if needing is not None:
            raise ValueError(f"{needing}, and {path} has no recipe.yaml that names any: pass --reference FOLDER")
        return None
    try:
        return held_out_clips(recipe, processor=processor_of(pipeline))
    except ValueError as error:
        has_prompts = bool(recipe.generation.sample_prompts) or pipeline.tokenizer is None
        if needing is not None or not has_prompts:
            why = needing or "captions are needed"
            raise ValueError(f"{why}, and the run's own cannot be used ({error}): pass --reference FOLDER") from error
        print(f"warning: the run's own clips cannot be used ({error}), so nothing is said of real clips")
        return None


def _captions(
    path: Path, recipe: Recipe | None, pipeline: VideoGenerationPipeline, real: RealClips | None
) -> tuple[list[str], str]:
    """What the model is asked for, and where that is from."""
    if pipeline.tokenizer is None:
        return [], "none: the model reads no captions"
    if real is not None and real.captions:
        return real.captions, f"the captions of {real.name}"
    sample_prompts = getattr(getattr(recipe, "generation", None), "sample_prompts", None)
    if sample_prompts:
        return list(sample_prompts), "the recipe's sample prompts"
    if recipe is not None:
        held_out = held_out_clips(recipe, processor=processor_of(pipeline))
        if held_out.captions:
            return held_out.captions, f"the captions of {held_out.name}"
    raise ValueError(f"{path} makes videos of captions, and there are none: pass --reference, a folder with captions")
