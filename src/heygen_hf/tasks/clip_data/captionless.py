"""Clips without a caption, for tasks that learn from clip and caption together: left out, and counted."""

from heygen_hf.data import DataReport, VideoClipDataset

NO_CAPTION = "its caption is empty"


def leave_out_captionless(
    clips: VideoClipDataset, report: DataReport, *, split: str
) -> tuple[VideoClipDataset, str | None]:
    """The clips that have a caption; the others go to the report as skipped.

    Returns:
        The clips, and what to say of it, None where there is nothing to say. Where no clip has a caption all stay: what
        that means is for the task to say.
    """
    kept = [row for row, text in enumerate(clips.texts) if text.strip()]
    missing = [row for row, text in enumerate(clips.texts) if not text.strip()]
    if not kept or not missing:
        return clips, None
    report.skipped += [(clips.file_names[row], NO_CAPTION) for row in missing]
    report.num_used = len(kept)
    report.warnings = [line for line in report.warnings if "captions are empty and used" not in line]
    what = "training" if split == "train" else split
    said = f"{len(missing)} of {len(clips)} {what} captions are empty and their clips left out"
    return clips.select(kept, augmentation=clips.options.augmentation), said
