"""The sample videos of a run as its card shows them."""

from heygen_hf.data import decode_frames
from heygen_hf.hub import SampleImage, write_sample_animation
from heygen_hf.tasks.run_folder import RunFolder, read_json

STRIPS = "samples/samples.png"
ANIMATION = "samples/samples.gif"


def generated_samples(folder: RunFolder, *, frame_rate: float) -> list[SampleImage]:
    """Pictures of what lies in `samples/`; the one in motion is written here, from the videos beside it."""
    if not (folder.path / STRIPS).is_file():
        return []
    videos = sorted(folder.samples.glob("sample-*.mp4"))
    pictures = []
    if videos:
        _animate(folder, [str(path) for path in videos], frame_rate=frame_rate)
        pictures.append(SampleImage(path=ANIMATION))
    return [
        *pictures,
        SampleImage(
            path=STRIPS,
            prompts=read_json(folder.facts).get("prompts", []),
            note="one video a row, frames from left to right",
            files=[f"samples/{path.name}" for path in videos],
        ),
    ]


def _animate(folder: RunFolder, videos: list[str], *, frame_rate: float) -> None:
    target = folder.path / ANIMATION
    newest = max(path.stat().st_mtime for path in folder.samples.glob("sample-*.mp4"))
    if not target.is_file() or target.stat().st_mtime < newest:
        write_sample_animation(target, [decode_frames(path).frames for path in videos], frame_rate=frame_rate)
