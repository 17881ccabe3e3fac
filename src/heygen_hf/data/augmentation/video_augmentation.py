"""`VideoAugmentation`: a clip and its caption changed together, as a function of a seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, overload

import torch

from heygen_hf.data.augmentation.direction_words import Change, DirectionWords
from heygen_hf.data.augmentation.draws import Draws
from heygen_hf.data.augmentation.options import AugmentationOptions
from heygen_hf.data.augmentation.pixel_changes import change_pixels
from heygen_hf.data.augmentation.temporal import TimeChange, as_indices

_CHANGES: tuple[Change, ...] = ("horizontal_flip", "vertical_flip", "reverse")
_Text = TypeVar("_Text", str, None)


class VideoAugmentation(AugmentationOptions):
    """Changes clips at random: the same for all frames, and decided by the seed alone.

    Nothing global is read or moved, so the result is the same in any worker, process and order. An operation
    happens to a share of clips given by its `…_prob`; how far it goes is drawn evenly from its range. They run in
    this order: time, flips, rotation and zoom, affine, colours, blur, noise, erasing. Colours and blur are kornia's
    (extra `augmentation`), everything else is plain torch.

    Args:
        horizontal_flip_prob, vertical_flip_prob: mirror left and right, or top and bottom.
        rotation_prob, max_rotation_degrees: turn, enlarged as far as it takes to leave no empty corners.
        zoom_prob, max_zoom: cut out a part somewhere, `1 / max_zoom` of the width and height at the least.
        affine_prob: turn by up to `max_affine_degrees`, change width and height each by up to `max_affine_scaling`,
            shear by up to `max_affine_shear` and move by up to `max_affine_shift` of the picture, all at once; the
            border's pixels fill what comes into view, so that nothing is cut off for it. What a classifier of
            shapes wants.
        brightness_prob, brightness: multiply by 1 - `brightness` to 1 + `brightness`; `contrast` and `saturation`
            likewise.
        hue_prob, hue: turn the colour circle by at most this share of it, either way.
        grayscale_prob: leave the colours out.
        gaussian_blur_prob, max_gaussian_blur_sigma: in pixels, drawn from 0.1.
        gaussian_noise_prob, max_gaussian_noise_std: as a share of the range from black to white; the same noise
            on all frames, or new in each with "gaussian_noise" in `per_frame`.
        random_erasing_prob, random_erasing_area: black out a rectangle of this share of the picture.
        reverse_prob: from the last frame to the first.
        speed_prob, speed_range: faster (above 1) or slower; see `frame_positions`.
        frame_drop_prob: chance of each frame but the first to be lost; the one before is shown again.
        temporal_jitter_prob, max_temporal_jitter_frames: move every frame by a few, in order still.
        per_frame: operations on pixels that are drawn anew for every frame, their probability too: "brightness",
            "gaussian_noise" …
        caption_policy: where a flip or the reversal makes a word of the caption or of a label false
            (`DirectionWords`): "refuse" leaves that clip as it is; "swap" puts the opposite word in, and refuses
            where a word has no sure opposite; "ignore" changes the clip and not the words.
        more_direction_words: further opposites by change: `{"horizontal_flip": [["links", "rechts"]]}`.

    Raises:
        ValueError: an option has a value that cannot be.
        ImportError: an operation of kornia is asked for and kornia is not installed.

    Example::

        augmentation = VideoAugmentation(horizontal_flip_prob=0.5, brightness_prob=0.3, caption_policy="swap")
        frames, text = augmentation(frames, "a red 7 moves left", seed=fold_seed(seed, epoch, index))

    A clip with sound keeps it as it was: leave the operations on time off where the sound matters.
    """

    @overload
    def __call__(
        self, frames: torch.Tensor, text: _Text = ..., *, seed: int, positioned: bool = ...
    ) -> tuple[torch.Tensor, _Text]: ...
    @overload
    def __call__(
        self, frames: torch.Tensor, text: _Text = ..., *, seed: int, labels: Mapping[str, Any], positioned: bool = ...
    ) -> tuple[torch.Tensor, _Text, dict[str, Any]]: ...
    def __call__(
        self,
        frames: torch.Tensor,
        text: str | None = "",
        *,
        seed: int,
        labels: Mapping[str, Any] | None = None,
        positioned: bool = False,
    ) -> Any:
        """Change a clip.

        Args:
            frames: uint8 `(frames, channels, height, width)`.
            text: its caption; None or "" for none.
            seed: of this clip in this epoch, `fold_seed(seed, epoch, index)`.
            labels: columns whose values name a direction perhaps: they count as the caption does.
            positioned: the frames are those that `frame_positions` named, so the operations on time are done.

        Returns:
            frames of the same shape and type (the same tensor where nothing happens) and the caption; and the
            labels where they were given.

        Raises:
            ValueError: the frames are of another kind.
        """
        if frames.dtype != torch.uint8 or frames.ndim != 4:
            raise ValueError(
                f"frames is {frames.dtype} of shape {tuple(frames.shape)}; expected uint8 (frames, channels, "
                "height, width), before they are normalised"
            )
        draws = Draws(seed)
        decision = self._decide(draws, text, labels or {})

        # 1. time, and mirrors: exact
        if not positioned:
            indices = as_indices(self._time_change(draws, decision).positions(len(frames), draws), len(frames))
            if indices != list(range(len(frames))):
                frames = frames[indices]
        axes: dict[Change, int] = {"horizontal_flip": -1, "vertical_flip": -2}
        mirrored = [axes[change] for change in decision.changes if change in axes]
        if mirrored:
            frames = frames.flip(mirrored)

        # 2. pixels: in float32, rounded once at the end
        frames = change_pixels(frames, self, draws)
        return (frames, decision.text) if labels is None else (frames, decision.text, decision.labels)

    def frame_positions(
        self, num_frames: int, seed: int, *, text: str | None = "", labels: Mapping[str, Any] | None = None
    ) -> list[float]:
        """The moments that the frames of a clip should show, so that a faster clip can be decoded as one.

        Applied to frames already taken, a speed of 2 runs out half way and repeats the last frame. To show real
        frames instead, choose the source frames by these positions before decoding and call with
        `positioned=True`: position p, counted in frames of the clip from 0, is the source frame
        `first + int(p * temporal_stride + 1e-6)`, and the clip spans `max(positions)` of them instead of
        `num_frames - 1`. Without an operation on time they are 0, 1, 2 …

        Args:
            num_frames: frames of the clip.
            seed, text, labels: as in the call; the words decide whether it may be reversed.
        """
        draws = Draws(seed)
        return self._time_change(draws, self._decide(draws, text, labels or {})).positions(num_frames, draws)

    def count_refused(self, captions: Iterable[str]) -> dict[Change, int]:
        """How many captions keep their clip from each flip or reversal asked for, under `caption_policy`."""
        asked = [change for change in _CHANGES if self.probability_of(change) > 0]
        refused: dict[Change, int] = dict.fromkeys(asked, 0)
        for caption in captions:
            for change in asked:
                refused[change] += self._is_refused(change, [caption])
        return refused

    @cached_property
    def _words(self) -> dict[Change, DirectionWords]:
        return {change: DirectionWords(change, self.more_direction_words.get(change, ())) for change in _CHANGES}

    def _is_refused(self, change: Change, texts: list[str]) -> bool:
        words = self._words[change]
        if self.caption_policy == "ignore" or not words.are_in(*texts):
            return False
        return self.caption_policy == "refuse" or not words.can_swap(*texts)

    def _decide(self, draws: Draws, text: str | None, labels: Mapping[str, Any]) -> "_Decision":
        """Which of the changes that can make words false happen, and the words afterwards."""
        done: list[Change] = []
        labels = dict(labels)
        for change in _CHANGES:
            if not draws.happens(self.probability_of(change), change):
                continue
            texts = [value for value in (text, *labels.values()) if isinstance(value, str)]
            if self._is_refused(change, texts):
                continue
            done.append(change)
            if self.caption_policy == "swap":
                swap = self._words[change].swap
                text = swap(text) if text else text
                labels = {name: swap(value) if isinstance(value, str) else value for name, value in labels.items()}
        return _Decision(tuple(done), text, labels)

    def _time_change(self, draws: Draws, decision: "_Decision") -> TimeChange:
        speed = draws.uniform(*self.speed_range, "speed", 1) if draws.happens(self.speed_prob, "speed", 0) else 1.0
        jitters = draws.happens(self.temporal_jitter_prob, "temporal_jitter", 0)
        return TimeChange(
            speed=speed,
            jitter_frames=self.max_temporal_jitter_frames if jitters else 0,
            reverse="reverse" in decision.changes,
            frame_drop_prob=self.frame_drop_prob,
        )


@dataclass(frozen=True)
class _Decision:
    """The changes that happen to one clip, and its words afterwards."""

    changes: tuple[Change, ...]
    text: str | None
    labels: dict[str, Any]
