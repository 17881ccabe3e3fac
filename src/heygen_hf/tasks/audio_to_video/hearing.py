"""What a recipe's `audio` section makes the model hear: a front end, and an audio encoder where it names one."""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from heygen_hf.data.cache.encoding_key import hash_weights
from heygen_hf.data.clips import StreamedClipDataset, VideoClipDataset, prepare_sounds
from heygen_hf.pipelines.audio_inputs import encode_sound
from heygen_hf.processing import FrameAudioFeatureExtractor
from heygen_hf.tasks.audio_to_video.recipe import AudioSection
from heygen_hf.tasks.clip_data import PreparedData, default_cache_dir
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.encoders import options_of

_SAME_RATE = 0.01  # frame rates nearer than this are one


@dataclass(frozen=True)
class Hearing:
    """The front end, and the encoder with its own feature extractor where there is one."""

    extractor: FrameAudioFeatureExtractor
    encoder: Any = None
    encoder_extractor: Any = None

    def components(self) -> dict[str, Any]:
        """Of the pipeline."""
        return {
            "audio_feature_extractor": self.extractor,
            "audio_encoder": self.encoder,
            "audio_encoder_extractor": self.encoder_extractor,
        }


def load_hearing(section: AudioSection) -> Hearing:
    """What the section names.

    Raises:
        ValueError: no audio encoder is there, or only one in another format than safetensors.
    """
    if section.encoder is None:
        return Hearing(
            FrameAudioFeatureExtractor(
                section.mel_bands,
                section.sampling_rate,
                steps_per_frame=section.steps_per_frame,
                min_frequency=section.min_frequency,
                max_frequency=section.max_frequency,
                speech_level=section.speech_level,
            )
        )
    from transformers import AutoFeatureExtractor, AutoModel

    try:
        encoder_extractor = AutoFeatureExtractor.from_pretrained(section.encoder)
        encoder = AutoModel.from_pretrained(section.encoder, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"nothing loads from audio.encoder={section.encoder} ({first_line}); give the folder or Hub name of an "
            "audio encoder with its preprocessor_config.json and its weights as model.safetensors"
        ) from error
    if getattr(encoder.config, "is_encoder_decoder", False):
        encoder = encoder.get_encoder()
    encoder = encoder.eval().requires_grad_(False)
    # Whatever is named may load: what cannot hear a second is told apart here, and not in the midst of the clips.
    try:
        extractor = FrameAudioFeatureExtractor(
            int(encoder.config.hidden_size),
            int(encoder_extractor.sampling_rate),
            steps_per_frame=section.steps_per_frame,
            speech_level=section.speech_level,
            has_encoder=True,
        )
        states = encode_sound(torch.zeros(extractor.sampling_rate), encoder, encoder_extractor, extractor)
        if states.shape[-1] != encoder.config.hidden_size:
            raise ValueError(f"states of {states.shape[-1]} features")
    except Exception as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"audio.encoder={section.encoder} is a {type(encoder).__name__}, which encodes no sound ({first_line}); "
            "give an audio encoder such as wav2vec 2.0, HuBERT or Whisper"
        ) from error
    return Hearing(extractor, encoder, encoder_extractor)


def with_sound(data: PreparedData, recipe: Recipe, hearing: Hearing, *, is_main: bool) -> PreparedData:
    """The clips with what is heard in them, analysed once and cached; those without sound are left out, and counted.

    Raises:
        ValueError: streamed clips, frame rates that are not the pipeline's, or too many clips without sound.
    """
    done: dict[int, VideoClipDataset] = {}
    said: list[str] = []
    for split in ("train", "validation", "test"):
        clips = getattr(data, split)
        if clips is None or id(clips) in done:
            continue
        if isinstance(clips, StreamedClipDataset):
            raise ValueError(
                "data.streaming=true knows no clip beforehand, and the sound of clips is analysed once; set it to false"
            )
        check_frame_rates(clips, recipe)
        analyzed = {}
        if hearing.encoder is not None:
            analyzed = {
                "analyze": partial(
                    encode_sound,
                    encoder=hearing.encoder,
                    encoder_extractor=hearing.encoder_extractor,
                    extractor=hearing.extractor,
                ),
                "analyzed_by": describe_encoder(hearing),
            }
        clips.sounds = prepare_sounds(
            clips,
            hearing.extractor,
            cache_dir=recipe.data.cache_dir or default_cache_dir(),
            decode_time_limit_seconds=recipe.data.decode_time_limit_seconds,
            progress=is_main,
            **analyzed,
        )
        done[id(clips)], note = _leave_out_silent(clips, data, split=split, max_share=recipe.data.max_bad_share)
        said += [note] if note else []
    if is_main and said:
        print("\n".join(said))
    kept = {
        split: done[id(getattr(data, split))]
        for split in ("train", "validation", "test")
        if getattr(data, split) is not None
    }
    return replace(data, **kept, captions=list(kept["train"].texts), notes=(*data.notes, *said))


def describe_encoder(hearing: Hearing) -> str:
    """What decides an encoder's values: its weights, the options of its configuration, its feature extractor."""
    options = json.dumps(options_of(hearing.encoder), sort_keys=True)
    return f"{hash_weights(hearing.encoder).hex()} {options} {hearing.encoder_extractor.to_json_string()}"


def _leave_out_silent(
    clips: VideoClipDataset, data: PreparedData, *, split: str, max_share: float
) -> tuple[VideoClipDataset, str | None]:
    """The clips that have sound; what there is to say of the others."""
    assert clips.sounds is not None
    problems = clips.sounds.problems
    if not problems:
        return clips, None
    reasons = sorted({f"{clips.file_names[row]!r}: {reason}" for row, reason in problems.items()})
    share = len(problems) / len(clips)
    if share > max_share or len(problems) == len(clips):
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise ValueError(
            f"{len(problems)} of {len(clips)} {split} clips have no sound to learn from ({share:.0%}, allowed are "
            f"{max_share:.0%}): {'; '.join(reasons[:3])}{more}; remove them, or raise data.max_bad_share"
        )
    kept = [row for row in range(len(clips)) if row not in problems]
    report = data.reports.get(split)
    if report is not None:
        report.skipped += [(clips.file_names[row], reason) for row, reason in problems.items()]
        report.num_used = len(kept)
    note = f"{len(problems)} of {len(clips)} {split} clips have no sound and are left out"
    return clips.select(kept, augmentation=clips.options.augmentation), note


def check_frame_rates(clips: VideoClipDataset, recipe: Recipe) -> None:
    """Refuse clips whose frames are not as far apart as those of the videos to be generated.

    Raises:
        ValueError: several rates, or another than `generation.frame_rate`.
    """
    stride = 1 if recipe.processor.target_fps is not None else recipe.processor.temporal_stride
    rates = torch.tensor([clips.frame_rate(row) for row in range(len(clips))], dtype=torch.float64) / stride
    lowest, highest = float(rates.min()), float(rates.max())
    if highest > lowest * (1 + _SAME_RATE):
        raise ValueError(
            f"the clips have {lowest:.4g} to {highest:.4g} frames a second, and sound is heard frame by frame: set "
            "processor.target_fps"
        )
    wanted = recipe.generation.frame_rate
    if abs(wanted / highest - 1) > _SAME_RATE:
        raise ValueError(
            f"the clips have {highest:.4g} frames a second and generation.frame_rate is {wanted:.4g}, so the sound of "
            f"generated videos would be heard at other times: set generation.frame_rate={highest:.4g}"
        )
