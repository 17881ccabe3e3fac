"""What may happen to a clip, how often and how far: the fields of `VideoAugmentation`, checked."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

from heygen_hf._optional import require
from heygen_hf.data.augmentation.direction_words import Change
from heygen_hf.data.augmentation.pixels import BY_KORNIA, OPERATIONS

CaptionPolicy = Literal["refuse", "swap", "ignore"]
WordPairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions:
    """The fields of `VideoAugmentation`, which documents them."""

    horizontal_flip_prob: float = 0.0
    vertical_flip_prob: float = 0.0
    rotation_prob: float = 0.0
    max_rotation_degrees: float = 10.0
    zoom_prob: float = 0.0
    max_zoom: float = 1.25
    affine_prob: float = 0.0
    max_affine_degrees: float = 10.0
    max_affine_scaling: float = 0.1
    max_affine_shear: float = 0.1
    max_affine_shift: float = 0.05
    brightness_prob: float = 0.0
    brightness: float = 0.2
    contrast_prob: float = 0.0
    contrast: float = 0.2
    saturation_prob: float = 0.0
    saturation: float = 0.2
    hue_prob: float = 0.0
    hue: float = 0.05
    grayscale_prob: float = 0.0
    gaussian_blur_prob: float = 0.0
    max_gaussian_blur_sigma: float = 1.0
    gaussian_noise_prob: float = 0.0
    max_gaussian_noise_std: float = 0.05
    random_erasing_prob: float = 0.0
    random_erasing_area: tuple[float, float] = (0.02, 0.2)
    reverse_prob: float = 0.0
    speed_prob: float = 0.0
    speed_range: tuple[float, float] = (0.5, 2.0)
    frame_drop_prob: float = 0.0
    temporal_jitter_prob: float = 0.0
    max_temporal_jitter_frames: int = 1
    per_frame: tuple[str, ...] = ()
    caption_policy: CaptionPolicy = "refuse"
    more_direction_words: Mapping[Change, WordPairs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("random_erasing_area", "speed_range"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
                raise ValueError(f"{name} is {value!r}; expected two numbers, the lowest and the highest")
            object.__setattr__(self, name, tuple(value))
        if isinstance(self.per_frame, str):
            raise ValueError(f"per_frame is {self.per_frame!r}; expected a list of names: [{self.per_frame!r}]")
        object.__setattr__(self, "per_frame", tuple(self.per_frame))
        object.__setattr__(self, "more_direction_words", _as_pairs(self.more_direction_words))
        self._check_numbers()
        self._check_choices()
        if any(self.probability_of(operation) > 0 for operation in BY_KORNIA):
            require("kornia")  # here rather than in a worker, an hour later

    def _check_numbers(self) -> None:
        for option in fields(self):
            if option.name.endswith("_prob"):
                self._check_range(option.name, 0, 1, "a probability from 0 to 1")
        for name in ("brightness", "contrast", "saturation"):
            self._check_range(name, 0, 1, "a share from 0 to 1, by which the factor leaves 1")
        self._check_range("hue", 0, 0.5, "a share of the colour circle from 0 to 0.5")
        self._check_range("max_rotation_degrees", 0, 180, "degrees from 0 to 180")
        self._check_range("max_zoom", 1, 100, "a factor from 1 to 100")
        self._check_range("max_affine_degrees", 0, 180, "degrees from 0 to 180")
        self._check_range("max_affine_scaling", 0, 0.9, "a share from 0 to 0.9, by which width and height leave theirs")
        self._check_range("max_affine_shear", 0, 1, "a slope from 0 to 1")
        self._check_range("max_affine_shift", 0, 1, "a share of the picture from 0 to 1")
        self._check_range("max_gaussian_blur_sigma", 0.1, 100, "pixels from 0.1 to 100")
        self._check_range("max_gaussian_noise_std", 0, 1, "a share of the range from black to white, 0 to 1")
        self._check_range("random_erasing_area", 0, 1, "two shares of the picture from 0 to 1, the lower first")
        self._check_range("speed_range", 0.01, 100, "two speeds from 0.01 to 100, the lower first")
        jitter = self.max_temporal_jitter_frames
        if isinstance(jitter, bool) or not isinstance(jitter, int) or jitter < 1:
            raise ValueError(f"max_temporal_jitter_frames is {jitter!r}; expected a whole number from 1")

    def _check_range(self, name: str, low: float, high: float, expected: str) -> None:
        value = getattr(self, name)
        numbers = value if isinstance(value, tuple) else (value,)
        fits = all(
            isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high
            for number in numbers
        )
        if not fits or any(math.isnan(number) for number in numbers) or list(numbers) != sorted(numbers):
            raise ValueError(f"{name} is {value!r}; expected {expected}")

    def _check_choices(self) -> None:
        if self.caption_policy not in get_args(CaptionPolicy):
            choices = ", ".join(get_args(CaptionPolicy))
            raise ValueError(f"caption_policy is {self.caption_policy!r}; expected one of {choices}")
        for name in self.per_frame:
            if name not in OPERATIONS:
                raise ValueError(
                    f"per_frame names {name!r}, which cannot be done frame by frame; expected some of "
                    f"{', '.join(OPERATIONS)}"
                )

    def probability_of(self, operation: str) -> float:
        """The chance of "rotation" is the field `rotation_prob`."""
        return getattr(self, f"{operation}_prob")

    @property
    def enabled(self) -> tuple[str, ...]:
        """The operations with a probability above 0."""
        names = [option.name.removesuffix("_prob") for option in fields(self) if option.name.endswith("_prob")]
        return tuple(name for name in names if self.probability_of(name) > 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON; `from_dict` takes them back."""
        plain = asdict(self)
        plain["more_direction_words"] = {
            change: [list(pair) for pair in pairs] for change, pairs in self.more_direction_words.items()
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> Self:
        """From the fields of a recipe; those not named keep their defaults.

        Raises:
            ValueError: a field is unknown, or its value cannot be.
        """
        known = [option.name for option in fields(cls)]
        for name in options:
            if name not in known:
                nearest = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"
                raise ValueError(f"the augmentation has no option {name!r}; {hint}")
        return cls(**options)

    def describe(self) -> str:
        """One line for a log or a model card: what is done to which share of the clips."""
        how_far = {
            "rotation": f" up to {self.max_rotation_degrees:g}°",
            "zoom": f" up to {self.max_zoom:g}x",
            "affine": (
                f" up to {self.max_affine_degrees:g}°, scaling ±{self.max_affine_scaling:.0%}, shear "
                f"±{self.max_affine_shear:g}, shift ±{self.max_affine_shift:.0%}"
            ),
            "brightness": f" ±{self.brightness:.0%}",
            "contrast": f" ±{self.contrast:.0%}",
            "saturation": f" ±{self.saturation:.0%}",
            "hue": f" ±{self.hue * 360:g}°",
            "gaussian_blur": f" up to {self.max_gaussian_blur_sigma:g} pixels",
            "gaussian_noise": f" up to {self.max_gaussian_noise_std:g}",
            "random_erasing": " of {:.0%} to {:.0%}".format(*self.random_erasing_area),
            "speed": " {:g}x to {:g}x".format(*self.speed_range),
            "temporal_jitter": f" up to {self.max_temporal_jitter_frames} frames",
        }
        parts = []
        for name in self.enabled:
            of = " of the frames" if name in self.per_frame or name == "frame_drop" else ""
            parts.append(f"{name.replace('_', ' ')}{how_far.get(name, '')} ({self.probability_of(name):.3g}{of})")
        if not parts:
            return "no augmentation"
        if {"horizontal_flip", "vertical_flip", "reverse"} & set(self.enabled):
            policy = {
                "refuse": "not where the caption names a direction",
                "swap": "direction words in captions swapped",
                "ignore": "captions left as they are",
            }
            parts.append(f"flips and reversal: {policy[self.caption_policy]}")
        return ", ".join(parts)


def _as_pairs(words: Mapping[Any, Any]) -> dict[Change, WordPairs]:
    expected = "expected {change: [[word, opposite], …]}, a change being one of " + ", ".join(get_args(Change))
    if not isinstance(words, Mapping) or set(words) - set(get_args(Change)):
        raise ValueError(f"more_direction_words is {words!r}; {expected}")
    for pairs in words.values():
        for pair in pairs:
            if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(word, str) and word for word in pair):
                raise ValueError(f"more_direction_words has the pair {pair!r}; {expected}")
    return {change: tuple((first, second) for first, second in pairs) for change, pairs in words.items()}
