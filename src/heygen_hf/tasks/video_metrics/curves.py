"""Figures against the step of their checkpoint, as a picture."""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heygen_hf._optional import is_available, require
from heygen_hf.evaluation import Measurement
from heygen_hf.tasks.run_folder import write_bytes


def draw_checkpoints(path: Path, figures: Mapping[int, Mapping[str, Measurement]]) -> None:
    """A panel a metric: the figure, its interval as a band, and what real clips get; without matplotlib say what to
    install, since the measuring itself is done.

    Args:
        figures: step → name → figure.
    """
    if not is_available("matplotlib"):
        print("the plot is left out: matplotlib is needed for drawing curves: pip install 'heygen_hf[plots]'")
        return
    require("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(next(iter(figures.values())))
    columns = min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.6 * columns, 3.4 * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flatten())
    for axis, name in zip(axes, names, strict=False):
        _draw(axis, name, {step: row[name] for step, row in figures.items()})
    for unused in axes[len(names) :]:
        unused.set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    write_bytes(path, picture.getvalue())
    print(f"the plot: {path}")


def _draw(axis: Any, name: str, row: Mapping[int, Measurement]) -> None:
    steps = list(row)
    axis.plot(steps, [each.value for each in row.values()], "o-", color="tab:blue")
    bands = {step: each.interval for step, each in row.items() if each.interval is not None}
    if bands:
        lows, highs = zip(*bands.values(), strict=True)
        axis.fill_between(list(bands), lows, highs, color="tab:blue", alpha=0.2, label="95 % interval")
        axis.vlines(list(bands), lows, highs, color="tab:blue", alpha=0.3)  # seen where there is one checkpoint too
    last = row[steps[-1]]
    for value, style, label in ((last.reference_value, "--", "real clips"), (last.noise_floor, ":", "noise floor")):
        if value is not None and not (label == "noise floor" and last.reference_value is not None):
            axis.axhline(value, linestyle=style, color="tab:gray", label=label)
    better = {True: " (higher is better)", False: " (lower is better)", None: ""}[last.higher_is_better]
    axis.set(title=name + better, xlabel="step", ylabel=last.unit)
    axis.set_xticks(steps if len(steps) <= 6 else [steps[0], steps[len(steps) // 2], steps[-1]])
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)
