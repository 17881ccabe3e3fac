"""The `data` section of tasks that join modalities, and what becomes of it: clips, sound, recordings, captions."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from heygen_hf.data import DataReport, StreamedClipDataset, VideoClipDataset
from heygen_hf.data.recordings import RecordingDataset, find_recordings, prepare_recordings, split_recordings
from heygen_hf.data.text import load_tokenizer
from heygen_hf.models.multimodal_fusion import check_no_empty_modality
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import DataSection, prepare_data
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.model import modalities_of, text_encoder_names
from heygen_hf.tasks.multimodal.samples import FusionSamples
from heygen_hf.tasks.recipe import Recipe

_NUM_PROBED = 64  # samples that are looked at for a modality that none has


@dataclass(kw_only=True)
class RecordingsSection:
    """Sound recordings beside the clips, or in their place.

    Args:
        folder: with sound files named `LABEL_SPEAKER_INDEX.wav`, or with a metadata file; see `find_recordings`.
        label_column: what they are labelled with. Beside clips, one of `data.label_columns`: a clip is given a
            recording of its own label, another one in every epoch.
        test_takes, test_share: what is held out, see `split_recordings`.
        max_seconds: longer recordings are cut there.
    """

    folder: str
    label_column: str = "label"
    test_takes: int = 5
    test_share: float = 0.1
    max_seconds: float = 4.0


@dataclass(kw_only=True)
class MultimodalDataSection(DataSection):
    """`DataSection`, and recordings. Without recordings a model that reads audio hears the clips' own sound.

    Args:
        train: may be left out where there are recordings, which are then all there is.
        recordings: sound from files of its own.
    """

    train: str | list[str] | None = None  # type: ignore[assignment]
    recordings: RecordingsSection | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train is None and self.recordings is None:
            raise ValueError("train is missing: name a folder of clips, or data.recordings")
        if self.streaming:
            raise ValueError("streaming is for text-to-video; set data.streaming=false")


@dataclass(frozen=True)
class FusionData:
    """What a model is trained, watched and judged on.

    Attributes:
        train, validation, test: samples; no validation where none could be set apart.
        captions: of the training samples.
        reports: split → the account of its files.
        source: the data's own name, without the path to it.
        num_workers: for the data loader.
        note: how the recordings were split, what was left out, which clips `test` are; None where nothing is to say.
        measured_split: "test", or what stands in its place.
    """

    train: FusionSamples
    validation: FusionSamples | None
    test: FusionSamples
    captions: list[str] = field(default_factory=list)
    reports: dict[str, DataReport] = field(default_factory=dict)
    source: str = ""
    num_workers: int = 0
    note: str | None = None
    measured_split: Literal["test", "validation", "training"] = "test"


def joined_notes(*notes: str | None) -> str | None:
    """Sentences for the card."""
    return " ".join(f"{note.rstrip('.')}." for note in notes if note) or None


def open_fusion_data(
    recipe: Recipe, *, processor: VideoProcessor, is_main: bool, needs_captions: bool = False
) -> FusionData:
    """Open and decode what the recipe's `data` section names, for the modalities that its model reads.

    Args:
        needs_captions: leave out clips without a caption.

    Raises:
        ValueError: a modality that the data cannot have, nothing usable, recordings that fit no clip.
    """
    section: MultimodalDataSection = recipe.data
    read = modalities_of(recipe.model)
    if section.train is None and set(read) - {"audio"}:
        raise ValueError(
            f"the model reads {', '.join(read)} and there are recordings only: set data.train to a folder of clips, or "
            "give model.audio_config alone"
        )
    if section.recordings is not None and "audio" not in read:
        raise ValueError("data.recordings is set and the model reads no audio: give model.audio_config, or drop it")
    sampling_rate = audio_sampling_rate(recipe) if "audio" in read else None
    sounds: tuple[RecordingDataset, RecordingDataset] | tuple[None, None] = (None, None)
    reports: dict[str, DataReport] = {}
    note = None
    if section.recordings is not None:
        assert sampling_rate is not None
        sounds, report, note = _open_recordings(section.recordings, sampling_rate=sampling_rate, seed=recipe.seed)
        if is_main:
            print(f"recordings: {report.summary()}\n  {note}: {len(sounds[1])} of them")
        what = "" if section.train is None else " recordings"
        reports[f"train{what}"] = replace(report, num_used=len(sounds[0]))
        reports[f"test{what}"] = DataReport(num_rows=len(sounds[1]), num_used=len(sounds[1]))
    if section.train is None:
        train, test = (FusionSamples(None, each, seed=recipe.seed) for each in sounds)
        source = Path(section.recordings.folder).name if section.recordings else ""
        return FusionData(train=train, validation=None, test=test, reports=reports, source=source, note=note)

    data = prepare_data(section, processor=processor, seed=recipe.seed, is_main=is_main, needs_captions=needs_captions)
    assert not isinstance(data.train, StreamedClipDataset)
    assert not isinstance(data.test, StreamedClipDataset)
    options: dict[str, Any] = {"seed": recipe.seed}
    if section.recordings is not None:
        options["pair_by"] = section.recordings.label_column
    elif sampling_rate is not None:
        options["audio_sampling_rate"] = sampling_rate

    def samples(clips: VideoClipDataset, recordings: RecordingDataset | None) -> FusionSamples:
        return FusionSamples(clips, recordings, **options)

    return FusionData(
        train=samples(data.train, sounds[0]),
        validation=None if data.validation is None else samples(data.validation, sounds[0]),
        test=samples(data.test, sounds[1]),
        captions=data.captions,
        reports=reports | data.reports,
        source=data.source,
        num_workers=_num_workers(section, data.num_workers, decodes_sound="audio_sampling_rate" in options),
        note=joined_notes(note, *data.notes, data.test_note),
        measured_split=data.measured_split,
    )


def validation_with_captions(data: FusionData) -> FusionSamples | None:
    """The validation samples; None where none of them has a caption, so that there is no loss to compute."""
    return data.validation if data.validation is not None and any(map(str.strip, data.validation.texts)) else None


def audio_sampling_rate(recipe: Recipe) -> int:
    """Of the sound that the model's audio encoder reads."""
    name = recipe.model.get("audio_encoder")
    if name is None:
        return int((recipe.model.get("audio_config") or {}).get("sampling_rate", 16_000))
    return int(getattr(AutoConfig.from_pretrained(name), "sampling_rate", 16_000))


def open_tokenizer(recipe: Recipe, captions: Sequence[str], *, exported: Path | None) -> PreTrainedTokenizerBase | None:
    """The run's own tokenizer, the one that is named, that of the text encoder, or one made from the captions.

    Returns:
        None where the model reads no text.

    Raises:
        ValueError: it cannot be loaded, or no caption has a word.
    """
    if "text" not in modalities_of(recipe.model):
        return None
    if exported is not None:
        return AutoTokenizer.from_pretrained(str(exported))
    if recipe.data.caption_column is None:
        raise ValueError("the model reads text and data.caption_column is empty: name the column with the captions")
    if not any(text and text.strip() for text in captions):
        raise ValueError(
            f"all of the {len(captions)} training captions are empty, and the model reads text: set "
            "data.caption_column to the column that has them, or leave model.text_config out"
        )
    names = [recipe.data.tokenizer, *text_encoder_names(recipe.model)]
    tokenizer = load_tokenizer(next(filter(None, names), None), captions)
    tokenizer.model_max_length = min(tokenizer.model_max_length, recipe.data.max_caption_tokens)
    return tokenizer


def check_modalities(recipe: Recipe, data: FusionData, collate: FusionCollator) -> None:
    """Look at some training samples for a modality that none of them has.

    Raises:
        ValueError: there is one.
    """
    probed = range(0, len(data.train), max(1, len(data.train) // _NUM_PROBED))
    check_no_empty_modality(
        collate(data.train.__getitems__(list(probed)[:_NUM_PROBED])), modalities=modalities_of(recipe.model)
    )


def _open_recordings(
    section: RecordingsSection, *, sampling_rate: int, seed: int
) -> tuple[tuple[RecordingDataset, RecordingDataset], DataReport, str]:
    rows = find_recordings(section.folder, label_columns=[section.label_column])
    recordings, report = prepare_recordings(rows, sampling_rate=sampling_rate, max_seconds=section.max_seconds)
    train, test, how = split_recordings(
        recordings, test_takes=section.test_takes, test_share=section.test_share, seed=seed
    )
    return (recordings.select(train), recordings.select(test)), report, how


def _num_workers(section: MultimodalDataSection, default: int, *, decodes_sound: bool) -> int:
    """Sound tracks are decoded whenever a clip is drawn, which other processes do beside the training."""
    return max(default, 2) if decodes_sound and section.num_workers is None else default
