"""Sizes that clips are brought to: plain arithmetic on frame counts and sizes, no pixels read."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heygen_hf.processing.resizing import scaled_size

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor


@dataclass(frozen=True, order=True)
class Bucket:
    """A size of clips: frames × height × width."""

    num_frames: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.num_frames, self.height, self.width) < 1:
            raise ValueError(f"a bucket of {self}; expected [frames, height, width], each at least 1")

    def __str__(self) -> str:
        return f"{self.num_frames}x{self.height}x{self.width}"


def make_buckets(
    *, resolutions: Sequence[int], aspects: Sequence[str], num_frames: Sequence[int], multiple_of: int = 16
) -> list[Bucket]:
    """Every combination of resolution, aspect and length.

    A resolution names the area of its square: 256 at "16:9" is the size nearest to 256² pixels whose sides are
    multiples of `multiple_of`, 192x336.

    Raises:
        ValueError: an aspect is not written as "width:height", or a list is empty.
    """
    found: dict[Bucket, None] = {}
    for name, values in (("resolutions", resolutions), ("aspects", aspects), ("num_frames", num_frames)):
        if not values:
            raise ValueError(f"{name} is empty; expected at least one value")
    for resolution in resolutions:
        for aspect in aspects:
            try:
                ratio = math.prod(float(part) ** sign for part, sign in zip(aspect.split(":"), (1, -1), strict=True))
            except ValueError:
                raise ValueError(f"the aspect {aspect!r} is not width:height, such as 16:9") from None
            sides = [
                max(multiple_of, round(side / multiple_of) * multiple_of)
                for side in (resolution / math.sqrt(ratio), resolution * math.sqrt(ratio))
            ]
            found |= dict.fromkeys(Bucket(frames, sides[0], sides[1]) for frames in num_frames)
    return sorted(found)


class BucketSet:
    """The sizes a data set is brought to, and which of them each clip gets.

    A clip goes to the bucket nearest to its aspect, of those the largest, of those the longest, among all that it fills
    without being enlarged or lengthened. A clip shorter than every bucket gets the shortest ones, filled up by the
    processor's pad policy; one smaller than every bucket is left out, unless `upscale` is set.

    Args:
        processor: everything but the sizes; a set of its own size alone (`BucketSet.of_processor`) takes every clip.
        buckets: the sizes.
        upscale: whether clips may be enlarged.
    """

    def __init__(self, processor: "VideoProcessor", buckets: Sequence[Bucket], *, upscale: bool = False) -> None:
        if not buckets:
            raise ValueError("there are no buckets; name at least one as [frames, height, width]")
        self.buckets, self.upscale = tuple(dict.fromkeys(buckets)), upscale
        self.processors = tuple(_resized(processor, bucket) for bucket in self.buckets)

    @classmethod
    def of_processor(cls, processor: "VideoProcessor") -> "BucketSet":
        """The one size of a processor, which every clip is brought to, larger or smaller."""
        return cls(processor, [Bucket(processor.num_frames, processor.height, processor.width)], upscale=True)

    def __len__(self) -> int:
        return len(self.buckets)

    def assign(self, *, total_frames: int, frame_rate: float, height: int, width: int) -> int:
        """The bucket of a clip of this size.

        Raises:
            ValueError: it is smaller than every bucket, and must not be enlarged.
        """
        large_enough = [i for i in range(len(self)) if self.upscale or self._fits(i, height, width)]
        if not large_enough:
            smallest = min(self.buckets, key=lambda bucket: bucket.height * bucket.width)
            raise ValueError(
                f"too small: {height}x{width} (height x width) would have to be enlarged for every bucket, the "
                f"smallest being {smallest.height}x{smallest.width}; add a smaller one, or set upscale"
            )
        padded = {
            i: self.processors[i].select_frames(total_frames, frame_rate).num_padded
            or not self.processors[i].select_frames(total_frames, frame_rate).keep
            for i in large_enough
        }
        candidates = [i for i in large_enough if not padded[i]]
        if not candidates:
            shortest = min(self.buckets[i].num_frames for i in large_enough)
            candidates = [i for i in large_enough if self.buckets[i].num_frames == shortest]

        def rank(i: int) -> tuple[float, int, int, int]:
            bucket = self.buckets[i]
            mismatch = round(abs(math.log(bucket.width / bucket.height) - math.log(width / height)), 6)
            return mismatch, -bucket.height * bucket.width, -bucket.num_frames, i

        return min(candidates, key=rank)

    def _fits(self, index: int, height: int, width: int) -> bool:
        bucket, processor = self.buckets[index], self.processors[index]
        if processor.resize_mode in ("none", "stretch"):
            return height >= bucket.height and width >= bucket.width
        scaled = scaled_size(height, width, height=bucket.height, width=bucket.width, resize_mode=processor.resize_mode)
        return scaled[0] <= height and scaled[1] <= width


def _resized(processor: "VideoProcessor", bucket: Bucket) -> "VideoProcessor":
    resized = copy.copy(processor)
    resized.num_frames, resized.height, resized.width = bucket.num_frames, bucket.height, bucket.width
    return resized
