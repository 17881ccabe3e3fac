"""What a pipeline can be given and which sizes it makes, read from the model itself."""

from dataclasses import dataclass
from typing import Any

# A model that makes all frames at once knows little beyond the length and the size of its training clips.
_TIMES_TRAINED = 2


@dataclass(frozen=True)
class ModelInputs:
    """What a demo asks for.

    Attributes:
        caption, audio: whether the model reads captions, and follows sound.
        classes: their names, for a model with classes.
        image, last_image, video, mask: given frames that the model learned from.
        goes_on: whether it makes videos longer than its training clips, window by window.
        guided: conditions that are guided one by one; empty where one scale is for all.
        frames, height, width: of the training clips.
        frames_step, frames_least, size_step: counts that the patch divides are `frames_least + n * frames_step`, sizes
            multiples of `size_step` (height, width).
        frame_rate: frames a second.
    """

    caption: bool
    audio: bool
    classes: tuple[str, ...]
    image: bool
    last_image: bool
    video: bool
    mask: bool
    goes_on: bool
    guided: tuple[str, ...]
    frames: int
    height: int
    width: int
    frames_step: int
    frames_least: int
    size_step: tuple[int, int]
    frame_rate: float

    @classmethod
    def of(cls, pipeline: Any) -> "ModelInputs":
        """Of a `VideoGenerationPipeline`."""
        config = pipeline.transformer.config
        learned = set(config.given_frame_patterns or ())
        anywhere = bool(learned & {"random", "each"})
        # latents that stand for several frames can be given from the start on, and nowhere else
        compresses = config.temporal_compression > 1
        frames_step = config.temporal_compression * config.patch_size[0]
        scale = pipeline.config.guidance_scale
        return cls(
            caption=pipeline.tokenizer is not None,
            audio=pipeline.audio_feature_extractor is not None,
            classes=_class_names(config),
            image=anywhere or bool(learned & {"first", "prefix"}),
            last_image=not compresses and (anywhere or "first_and_last" in learned),
            video=anywhere or "prefix" in learned or "region" in learned,
            mask=not compresses and "region" in learned,
            goes_on=anywhere or "prefix" in learned,
            guided=tuple(scale) if isinstance(scale, dict) else (),
            frames=config.sample_frames,
            height=config.sample_height,
            width=config.sample_width,
            frames_step=frames_step,
            frames_least=frames_step - (config.temporal_compression - 1),
            size_step=tuple(config.spatial_compression * size for size in config.patch_size[1:]),
            frame_rate=float(pipeline.config.frame_rate),
        )

    def most_frames(self, max_seconds: float) -> int:
        """The longest video that a page makes: no longer than `max_seconds`, never shorter than a training clip."""
        longest = int(max_seconds * self.frame_rate)
        longest = longest if self.goes_on else min(longest, _TIMES_TRAINED * self.frames)
        steps = (longest - self.frames_least) // self.frames_step
        return max(self.frames, self.frames_least + steps * self.frames_step)

    @property
    def most_height(self) -> int:
        """Pixels."""
        return _TIMES_TRAINED * self.height

    @property
    def most_width(self) -> int:
        """Pixels."""
        return _TIMES_TRAINED * self.width

    def kind(self) -> str:
        """What goes in and comes out, as in "text to video"."""
        named = {"text": self.caption, "class": bool(self.classes), "speech": self.audio}
        given = [name for name, taken in named.items() if taken]
        given = (["image"] if self.image else []) + given
        words = " and ".join(given) or "noise"
        return f"{words[0].upper()}{words[1:]} to video"


def _class_names(config: Any) -> tuple[str, ...]:
    count = getattr(config, "num_class_labels", 0) or 0
    names = getattr(config, "id2label", None) or {}
    named = len(names) == count
    return tuple(str(names.get(i, i)) if named else str(i) for i in range(count))
