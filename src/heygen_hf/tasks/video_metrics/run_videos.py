"""A run that is to be measured: its model, what it is asked for, and the real clips beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.evaluation import METRICS, ReferenceClips
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.generating import WantedVideo, make_videos, sampling_facts
from heygen_hf.tasks.video_metrics.references import RealClips, folder_clips, held_out_clips, warn_of_rates

NUM_VIDEOS = 256  # what FVD needs at least
MAX_REFERENCES = 2048


@dataclass(frozen=True)
class RunToMeasure:
    """See the module.

    Attributes:
        real: the real clips; None where nothing is compared with any.
        paired: whether `real` has the clip of each video's caption, at its place.
        prompts_from: where the captions are from, in words.
    """

    folder: RunFolder
    pipeline: VideoGenerationPipeline
    wanted: list[WantedVideo]
    real: RealClips | None
    paired: bool
    prompts_from: str
    precision: str
    batch_size: int

    @property
    def processor(self) -> VideoProcessor:
        return processor_of(self.pipeline)

    @property
    def num_references(self) -> int:
        return 0 if self.real is None else min(len(self.real), max(MAX_REFERENCES, len(self.wanted)))

    def make_videos(self, folder: Path) -> list[Path]:
        """Those that are not there yet are made."""
        return make_videos(
            self.pipeline, self.wanted, folder=folder, facts=self._sampling(), batch_size=self.batch_size
        )

    def references(self) -> ReferenceClips | None:
        """For metrics of whole sets: as many real clips as there are, up to 2,048."""
        if self.real is None:
            return None
        return self.real.first(
            self.num_references, processor=self.processor, frame_rate=self.pipeline.config.frame_rate
        )

    def beside(self) -> ReferenceClips | None:
        """As many real clips as videos; where they are paired, the clip whose caption each video was made of."""
        return self._first(len(self.wanted))

    def prompts(self) -> list[str] | None:
        """Of the videos; None for a model without captions."""
        return None if self.pipeline.tokenizer is None else [video.prompt or "" for video in self.wanted]

    def facts(self) -> dict[str, Any]:
        """How the videos were made, for the record."""
        seeds = [video.seed for video in self.wanted]
        return {
            "source": self.folder.path.resolve().name,
            "count": len(self.wanted),
            "first_seed": seeds[0],
            "last_seed": seeds[-1],
            "prompts": self.prompts_from,
            "distinct_prompts": len({video.prompt for video in self.wanted}),
            **self._sampling(),
        }

    def reference_facts(self) -> dict[str, Any] | None:
        if self.real is None:
            return None
        return {
            "source": self.real.name,
            "count": self.num_references,
            "frame_rates": self.real.frame_rates(self.processor),
            "pairs": "the clip of each video's caption" if self.paired else None,
        }

    def _first(self, count: int) -> ReferenceClips | None:
        if self.real is None:
            return None
        return self.real.first(count, processor=self.processor, frame_rate=self.pipeline.config.frame_rate)

    def _sampling(self) -> dict[str, Any]:
        return sampling_facts(self.pipeline, precision=self.precision)


def processor_of(pipeline: VideoGenerationPipeline) -> VideoProcessor:
    """What brings clips to the model's size and length."""
    return pipeline.processor  # type: ignore[attr-defined]


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
        ValueError: it follows sound, there are no captions for it, or no real clips for a metric that needs some.
    """
    folder = RunFolder(path)
    pipeline = load_pipeline(path, device=device)
    if pipeline.transformer.config.audio_hidden_size is not None:
        raise ValueError(
            f"{path} follows sound, which captions do not say: make its videos with heygen-hf generate --audio, and "
            "measure their folder"
        )
    recipe = load_recipe(folder.recipe) if folder.recipe.is_file() else None
    kinds = [METRICS[name].metric for name in metrics]
    real = _real_clips(path, recipe, pipeline, kinds, reference=reference)
    captions, prompts_from = _captions(path, recipe, pipeline, real)
    if real is not None:
        warn_of_rates(real, processor_of(pipeline), frame_rate=pipeline.config.frame_rate)
    paired = real is not None and bool(captions) and captions == real.captions
    for kind in kinds:
        if kind.needs_prompts and pipeline.tokenizer is None:
            raise ValueError(f"{kind.name} compares videos with their prompts, and {path} reads none; leave it out")
        if kind.needs_pairs and not paired:
            why = (
                "reads no captions" if pipeline.tokenizer is None else "is asked for captions that the references lack"
            )
            raise ValueError(
                f"{kind.name} compares each video with the real clip of its caption, and {path} {why}; leave it out"
            )
    first_seed = seed if seed is not None else getattr(getattr(recipe, "evaluation", None), "seed", 0)
    wanted = [
        WantedVideo(captions[i % len(captions)] if captions else None, first_seed + i)
        for i in range(num_videos or NUM_VIDEOS)
    ]
    generation = getattr(recipe, "generation", None)
    return RunToMeasure(
        folder=folder,
        pipeline=pipeline,
        wanted=wanted,
        real=real,
        paired=paired,
        prompts_from=prompts_from,
        precision=(recipe.training.get("precision", "auto") if recipe is not None else "auto"),
        batch_size=batch_size or getattr(generation, "batch_size", None) or 16,
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
    needing = next((kind.name for kind in kinds if kind.needs_references), None)
    if recipe is None:
        if needing is not None:
            raise ValueError(
                f"{needing} compares with real clips, and {path} has no recipe.yaml that names any: pass --reference "
                f"FOLDER, or leave {needing} out"
            )
        return None
    try:
        return held_out_clips(recipe, processor=processor_of(pipeline))
    except ValueError as error:
        has_prompts = bool(recipe.generation.sample_prompts) or pipeline.tokenizer is None
        if needing is not None or not has_prompts:
            needs = f"{needing} compares with real clips" if needing is not None else "captions are needed"
            raise ValueError(f"{needs}, and the run's own cannot be used ({error}): pass --reference FOLDER") from error
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
