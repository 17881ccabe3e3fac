"""The model card of an audio-to-video run."""

from typing import Any

from heygen_hf.hub import MetricResult
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.card import write_run_card


def write_audio_card(folder: RunFolder, recipe: Recipe) -> None:
    """Write `README.md` as text to video does, with the figures of talking faces."""
    figures = read_json(folder.metrics).get("talking_faces")
    write_run_card(folder, recipe, more_metrics=[] if figures is None else _metrics(figures))


def _metrics(figures: dict[str, Any]) -> list[MetricResult]:
    generated, real = figures["generated"], figures["real"]
    found = []
    for name, words in (
        ("own_speech", "correlation of the mouth's opening with the loudness of its speech"),
        ("other_speech", "correlation with the loudness of another clip's speech"),
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
