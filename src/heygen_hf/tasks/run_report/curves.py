"""The curves of a run's log, as pictures."""

import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from heygen_hf._optional import require
from heygen_hf.training.debugging.run_records import RunRecords

_SPEED_OF_EVALUATION = ("_runtime", "_per_second")
# Of the log, and in no panel of the loss's parts.
_NO_PARTS = {
    "step",
    "epoch",
    "loss",
    "grad_norm",
    "learning_rate",
    "samples_per_second",
    "tokens_per_second",
    "flops_per_second",
    "mfu",
    "data_wait_share",
    "padding_share",
    "peak_memory_gib",
    "loss_scale",
    "total_flos",
}
Panel = tuple[str, list[str], bool]  # title, keys, logarithmic


def panels_of(run: RunRecords) -> list[Panel]:
    """What there is to draw: title, keys of the log, whether on a logarithmic scale."""
    there = run.keys()
    evaluation = [key for key in there if key.startswith("eval_") and not key.endswith(_SPEED_OF_EVALUATION)]
    bands = [key for key in evaluation if key.startswith("eval_loss_")]
    others = [key for key in evaluation if key not in bands and key != "eval_loss"]
    parts = [key for key in there if key not in _NO_PARTS and not key.startswith(("eval_", "train_"))]
    wanted: list[Panel] = [
        ("loss", ["loss", "eval_loss"], True),
        ("parts of the loss", parts, True),
        ("validation loss by timestep", bands, True),
        *((key, [key], False) for key in others),
        ("gradient norm", ["grad_norm"], True),
        ("learning rate", ["learning_rate"], False),
        ("samples a second", ["samples_per_second"], False),
        ("tokens a second", ["tokens_per_second"], False),
        ("FLOP a second", ["flops_per_second"], False),
        ("shares of time, tokens and peak", ["data_wait_share", "padding_share", "mfu"], False),
        ("peak memory, GiB", ["peak_memory_gib"], False),
    ]
    found = [(title, [key for key in keys if key in there], log) for title, keys, log in wanted]
    return [panel for panel in found if panel[1]]


def draw_curves(run: RunRecords) -> bytes | None:
    """All panels as one PNG; None where nothing was logged."""
    panels = panels_of(run)
    if not panels:
        return None

    def draw(axis: Any, panel: Panel) -> None:
        title, keys, logarithmic = panel
        lowest = math.inf
        for key in keys:
            steps, values = run.series(key)
            lowest = min([lowest, *(value for value in values if math.isfinite(value))])
            marker = "." if len(steps) < 40 else None
            axis.plot(steps, values, marker=marker, linewidth=1.2, label=key)
        if logarithmic and 0 < lowest < math.inf:
            axis.set_yscale("log")
        axis.set(title=title, xlabel="step")
        if len(keys) > 1:
            axis.legend(fontsize=7)

    return _picture(panels, draw)


def draw_histograms(text: str) -> bytes | None:
    """`histograms.jsonl` as pictures: the spread of each block over the steps, and its last histogram."""
    lines = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.keys() >= {"step", "kind", "block", "std", "edges", "counts"}:
            lines.append(entry)
    if not lines:
        return None
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    panels = [(kind, what) for kind in kinds for what in ("spread", "last")]

    def draw(axis: Any, panel: tuple[str, str]) -> None:
        kind, what = panel
        blocks = list(dict.fromkeys(line["block"] for line in lines if line["kind"] == kind))
        for block in blocks:
            own = [line for line in lines if line["kind"] == kind and line["block"] == block]
            if what == "spread":
                # None, where nothing was finite, leaves a gap.
                spread = [math.nan if line["std"] is None else line["std"] for line in own]
                axis.plot([line["step"] for line in own], spread, marker=".", label=block)
            elif filled := [line for line in own if line["counts"]]:
                axis.stairs(filled[-1]["counts"], filled[-1]["edges"], label=block)
        axis.set_yscale("log")
        last = max((line["step"] for line in lines if line["counts"]), default=0)
        axis.set(title=f"{kind}: spread of each block" if what == "spread" else f"{kind} at step {last}")
        if len(blocks) <= 12 and axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=6)

    return _picture(panels, draw)


def _picture(panels: Sequence[Any], draw: Callable[[Any, Any], None]) -> bytes:
    require("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 2.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(lines, columns, squeeze=False).flatten())
    for axis, panel in zip(axes, panels, strict=False):
        draw(axis, panel)
        axis.grid(alpha=0.3)
    for unused in axes[len(panels) :]:
        unused.set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()
