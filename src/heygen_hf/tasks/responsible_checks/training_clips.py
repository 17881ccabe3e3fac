"""The clips that a model was trained on, and real clips that are none of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation import VideoFiles
from heygen_hf.evaluation.clip_stream.batches import Clips
from heygen_hf.tasks.clip_data import prepare_data
from heygen_hf.tasks.responsible_checks.options import MAX_CLIPS, CheckOptions
from heygen_hf.tasks.responsible_checks.real_clips import ClipsOfRows, labelled_real_clips
from heygen_hf.tasks.responsible_checks.subject import CheckedVideos


@dataclass(frozen=True)
class TrainingClips:
    """Where copies would be from, and real clips that are none.

    Attributes:
        clips, names: of training.
        held_out: None where there are none.
        seen: what a reader must know of how training saw its clips.
    """

    clips: Clips
    names: Sequence[str]
    source: str
    held_out: Clips | None
    seen: str | None = None


def training_clips(videos: CheckedVideos, options: CheckOptions) -> TrainingClips:
    """Those of the folder, else of the run's recipe.

    Raises:
        ValueError: nothing says where they are, or they are streamed.
    """
    run, recipe = videos.run, videos.recipe
    if options.training_data is not None:
        processor = None if run is None else run.processor
        files = VideoFiles(options.training_data, processor=processor)
        names = [path.relative_to(Path(options.training_data)).as_posix() for path in files.paths]
        held_out: Clips | None = None
        if run is not None and run.real is not None:
            held_out = labelled_real_clips(run, min(len(run.real), MAX_CLIPS))
        elif run is None and options.reference is not None:
            held_out = VideoFiles(options.reference)
        return TrainingClips(files, names, Path(options.training_data).resolve().name, held_out)
    if run is None or recipe is None:
        raise ValueError(
            "memorization searches the training clips, and nothing says where they are: pass --training-data FOLDER, "
            "or leave memorization out"
        )
    section = replace(recipe.data, augmentation=None, label_columns=[])
    data = prepare_data(section, processor=run.processor, seed=recipe.seed, is_main=False)
    if not isinstance(data.train, VideoClipDataset):
        raise ValueError(
            "the run's training clips are streamed, so memorization cannot name them: pass --training-data FOLDER"
        )
    train = data.train.without_augmentation()
    clips = ClipsOfRows(train, range(len(train)))
    held_out = None
    if data.measured_split != "training" and run.real is not None:
        held_out = labelled_real_clips(run, min(len(run.real), MAX_CLIPS))
    return TrainingClips(clips, clips.names, data.source, held_out, _as_seen(run.processor))


def _as_seen(processor: Any) -> str | None:
    if processor.frame_position == "random" or processor.crop_position == "random":
        return (
            "Training drew frames or crops at random; each clip is searched in one such draw, so a copy of another "
            "part of it may be missed."
        )
    return None
