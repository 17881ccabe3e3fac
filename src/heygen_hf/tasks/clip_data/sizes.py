"""The sizes that a recipe's clips are brought to."""

from heygen_hf.data.buckets import Bucket, BucketSet, make_buckets
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data.section import DataSection


def bucket_set(section: DataSection, processor: VideoProcessor) -> BucketSet:
    """The section's buckets; the processor's own size where it names none.

    Raises:
        ValueError: a bucket that cannot be.
    """
    if section.buckets is not None:
        return BucketSet(processor, [Bucket(*sizes) for sizes in section.buckets], upscale=section.upscale)
    if section.bucket_resolutions is not None:
        buckets = make_buckets(
            resolutions=section.bucket_resolutions,
            aspects=section.bucket_aspects,
            num_frames=section.bucket_num_frames or [processor.num_frames],
            multiple_of=section.bucket_multiple_of,
        )
        return BucketSet(processor, buckets, upscale=section.upscale)
    return BucketSet.of_processor(processor)
