"""The model card of an audio-to-video run."""

from typing import Any

from heygen_hf.hub import MetricResult
from heygen_hf.tasks.audio_to_video.judged_clips import given_patterns
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.card import write_run_card

_USAGE = """output = pipe({arguments}, output_type="pt")

from heygen_hf.data import write_video

frames = (output.frames[0] * 255).round().byte()
sound = {{"audio": output.audio[0], "sampling_rate": output.audio_sampling_rate}}
write_video("video.mp4", frames, frame_rate=pipe.config.frame_rate, **sound)
"""


def write_audio_card(folder: RunFolder, recipe: Recipe) -> None:
    """Write `README.md` as text to video does, with the figures of talking faces."""
    figures = read_json(folder.metrics).get("talking_faces")
    takes_image = bool(given_patterns(recipe.training))
    write_run_card(
        folder,
        recipe,
        more_metrics=[] if figures is None else _metrics(figures),
        # the Hub has no task for sound alone
        task="image-to-video" if takes_image else "text-to-video",
        pipeline_usage=_USAGE.format(arguments=('image="face.png", ' if takes_image else "") + 'audio="speech.wav"'),
    )


def _metrics(figures: dict[str, Any]) -> list[MetricResult]:
    generated, real = figures["generated"], figures["real"]
    found = []
    for name, words in (
        ("own_speech", "correlation of the mouth's opening with the loudness of its speech"),
        ("other_speech", "correlation with the loudness of other clips' speech"),
    ):
        found.append(
            MetricResult(
                name=words,
                value=generated[name]["correlation"],
                count=generated[name]["count"],
                interval=tuple(generated[name]["interval"]),
                group="unseen faces and recordings",
                ceiling=real[name]["correlation"],
                unit="",
                metric_type="pearsonr",
            )
        )
    if "identity" in generated:
        found.append(
            MetricResult(
                name=f"the same face, among {generated['identity']['num_references']}",
                value=generated["identity"]["share"],
                count=generated["identity"]["count"],
                interval=tuple(generated["identity"]["interval"]),
                group="unseen faces and recordings",
                ceiling=real["identity"]["share"],
            )
        )
    return found
