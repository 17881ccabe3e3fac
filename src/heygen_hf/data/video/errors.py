"""Why a file cannot be used as a clip."""


class BadVideoError(ValueError):
    """A file cannot be used as a clip; the message is the reason, without the file's name."""


class ShortVideoError(BadVideoError):
    """A file has fewer frames than were asked of it, though not none."""

    def __init__(self, *, num_frames: int, asked_for: int) -> None:
        super().__init__(f"it has {num_frames} frames, number {asked_for} (from 0) was asked for")
        self.num_frames = num_frames
        self.asked_for = asked_for

    def __reduce__(self) -> tuple:  # it travels from a worker to its parent
        return _short_video_error, (self.num_frames, self.asked_for)


class ClipTooLargeError(Exception):
    """A clip has more pixels than the caller wants to hold (`max_bytes`)."""


def _short_video_error(num_frames: int, asked_for: int) -> ShortVideoError:
    return ShortVideoError(num_frames=num_frames, asked_for=asked_for)
