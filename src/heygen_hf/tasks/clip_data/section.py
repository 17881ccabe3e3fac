"""The `data` and `processor` sections of recipes whose data are clips."""

from dataclasses import dataclass, field
from typing import Literal

from heygen_hf.data.augmentation import VideoAugmentation


@dataclass(kw_only=True)
class CacheOptions:
    """How latents and text embeddings are cached, where the recipe's model works on them.

    Args:
        dtype: they are held in.
        batch_size: clips or captions encoded at once.
        variants_per_clip: with random frames or crops, so many draws of each clip are encoded, shown in turn by epochs.
        posterior: "sample" keeps the spread of latents beside their mean and draws anew in every epoch; "mode" is the
            mean.
    """

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    batch_size: int = 4
    variants_per_clip: int = 1
    posterior: Literal["mode", "sample"] = "mode"

    def __post_init__(self) -> None:
        for name in ("batch_size", "variants_per_clip"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(kw_only=True)
class DataSection:
    """Where the clips are and how they are read.

    Args:
        train: what `load_video_dataset` opens: a folder, a Hub data set, .parquet or .tar files, or a list of these. Of
            a folder with a `train/` subfolder, that.
        mixing_weights: how often each source of a list is drawn, relative to the others; None takes every clip once.
        streaming: read clips where they lie (shards, Parquet, tars) instead of looking at all of them first.
        validation: the same for the validation loss; by default the `validation` split beside `train`, else
            `validation_share` of the training clips.
        test: real clips to judge by; by default the `test` split, else the validation clips.
        caption_column, label_columns: columns of the metadata; no caption column trains without captions.
        video_column: of Parquet files and Hub data sets that call it neither "video" nor the like.
        missing_columns: sources of a list that lack a column others have: "error", or "none" for empty values.
        max_bad_share: more unusable files than this share stop the run before it starts.
        tokenizer: name or folder of a tokenizer; by default a small one is built from the training captions.
        max_caption_tokens: longer captions are cut, which is counted and said; saved with the tokenizer.
        buckets: sizes of clips as [frames, height, width]; by default the processor's alone.
        bucket_resolutions, bucket_aspects, bucket_num_frames, bucket_multiple_of: or every combination of these, see
            `make_buckets`.
        upscale: whether a clip smaller than every bucket is enlarged, instead of left out.
        augmentation: the options of `VideoAugmentation`, for training clips.
        cache_dir: where decoded clips and encodings are kept; by default the user's cache folder.
        cache: of latents and text embeddings.
        max_clip_mebibytes: longer clips (decoded, at their size) are not kept but decoded whenever they are drawn.
        decode_time_limit_seconds: a file whose decoder takes longer cannot be used.
        num_workers: data loader workers; None decides by whether clips are decoded as they are drawn.
    """

    train: str | list[str]
    mixing_weights: list[float] | None = None
    streaming: bool = False
    validation: str | None = None
    test: str | None = None
    caption_column: str | None = "text"
    label_columns: list[str] = field(default_factory=list)
    video_column: str | None = None
    missing_columns: Literal["error", "none"] = "error"
    validation_share: float = 0.05
    max_bad_share: float = 0.1
    tokenizer: str | None = None
    max_caption_tokens: int = 128
    buckets: list[list[int]] | None = None
    bucket_resolutions: list[int] | None = None
    bucket_aspects: list[str] = field(default_factory=lambda: ["1:1"])
    bucket_num_frames: list[int] | None = None
    bucket_multiple_of: int = 16
    upscale: bool = False
    augmentation: VideoAugmentation | None = None
    cache_dir: str | None = None
    cache: CacheOptions = field(default_factory=CacheOptions)
    max_clip_mebibytes: float = 32.0
    decode_time_limit_seconds: float = 60.0
    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.buckets is not None and self.bucket_resolutions is not None:
            raise ValueError("buckets and bucket_resolutions are both set; keep one of them")
        for bucket in self.buckets or ():
            if len(bucket) != 3:
                raise ValueError(f"buckets holds {bucket}; expected [frames, height, width]")
        if self.streaming and (self.buckets is not None or self.bucket_resolutions is not None):
            raise ValueError(
                "streaming knows no clip's size beforehand, so it goes without buckets; drop one of the two"
            )


@dataclass(kw_only=True)
class ProcessorSection:
    """The fields of `VideoProcessor`."""

    num_frames: int = 16
    temporal_stride: int = 1
    target_fps: float | None = None
    frame_position: Literal["start", "center", "random", "uniform"] = "random"
    pad_policy: Literal["repeat_last", "loop", "zero", "drop"] = "repeat_last"
    height: int = 64
    width: int = 64
    resize_mode: Literal["cover", "contain", "stretch", "none"] = "cover"
    crop_position: Literal["center", "random"] = "center"
    interpolation: Literal["bilinear", "bicubic", "area", "nearest"] = "bilinear"
