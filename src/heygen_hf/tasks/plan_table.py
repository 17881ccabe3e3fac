"""A plan as tables on a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MOST_ROWS = 40


def print_plan(plan: dict[str, Any], *, all_rows: bool = False) -> None:
    """The files (those that are out first, then the first used ones), the totals, the steps."""
    console = Console(soft_wrap=False)
    if "clips" not in plan:  # of a task that says no more than how many rows each split has
        for line in [*_split_lines(plan), *_step_lines(plan)]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    clips = sorted(plan["clips"], key=lambda clip: clip["problem"] is None)
    shown = clips if all_rows else clips[:_MOST_ROWS]
    table = Table(title=f"What happens to every file ({plan['recipe']})")
    for heading in ("file", "is", "becomes", "notes"):
        table.add_column(heading, overflow="fold")
    for clip in shown:
        table.add_row(*map(escape, _cells(clip)))
    if shown:
        console.print(table)
    if len(clips) > len(shown):
        console.print(f"… and {len(clips) - len(shown)} more (--all shows them, --json writes them)")
    for line in summary_lines(plan):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if "memory" in plan:
        _print_memory(console, plan["memory"])


def _print_memory(console: Console, memory: dict[str, Any]) -> None:
    """What each way to train would need on a GPU."""
    if "problem" in memory:
        console.print(f"memory on a GPU: not computed ({memory['problem']})", markup=False, soft_wrap=True)
        return
    clip = "x".join(map(str, memory["clip"]))
    table = Table(title=f"Memory on a GPU, computed and not measured: {memory['batch_size']} clips of {clip} at once")
    for heading in ("trained", "weights in", "recomputed", "GiB", "fits in"):
        table.add_column(heading, justify="right" if heading in ("GiB", "fits in") else "left")
    for need in memory["needs"]:
        card = need["smallest_card_gibibytes"]
        fits = "none of them" if card is None else f"{card} GiB"
        table.add_row(need["method"], need["base"], need["checkpointing"], f"{need['total_gibibytes']:.1f}", fits)
    console.print(table)


def _cells(clip: dict[str, Any]) -> list[str]:
    name = printable(clip["file_name"])
    if clip["problem"] is not None:
        return [name, "", "OUT", printable(clip["problem"])]
    notes = [
        f"set apart for {clip['split']}" if clip["split"] != "train" else "",
        f"{clip['padded_frames']} frames filled up" if clip["padded_frames"] else "",
        "enlarged" if clip["upscaled"] else "",
        f"copy of {printable(clip['copy_of'])}" if clip["copy_of"] else "",
        f"caption cut by {clip['caption_tokens_lost']} tokens" if clip["caption_tokens_lost"] else "",
        "" if clip["held"] else "decoded each time",
    ]
    is_ = becomes = clip["bucket"] or ""
    if clip["height"]:
        is_ = f"{clip['frames']}x{clip['height']}x{clip['width']}, {clip['frame_rate']:g}/s, {clip['codec']}"
        top, left, height, width = clip["crop"]
        becomes += f": frames {clip['frames_kept']}; crop {height}x{width} at {top},{left}"
    return [name, is_, becomes, "; ".join(note for note in notes if note)]


def printable(text: str) -> str:
    """Control characters (a newline in a file's name) as escapes, so that a row stays a row."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def summary_lines(plan: dict[str, Any]) -> list[str]:
    """Totals, batches and cost in sentences."""
    totals = plan["totals"]
    apart = f" and {totals['set_apart']} set apart for validation" if totals["set_apart"] else ""
    lines = [f"{totals['used']} of {totals['rows']} rows are used{apart}, {totals['out']} are out"]
    if totals["streamed"]:
        lines = [f"{totals['rows']} rows are streamed: which of them cannot be used is found out while training"]
    if totals["refused_by_max_bad_share"]:
        lines.append("the run would REFUSE to start: more rows are out than data.max_bad_share allows")
    if len(totals["per_bucket"]) > 1:
        lines.append("by size: " + ", ".join(f"{name} {count}" for name, count in totals["per_bucket"].items()))
    for key, words in (
        ("padded", "clips are too short and filled up"),
        ("upscaled", "clips are enlarged"),
        ("copies", "clips are copies of others, byte for byte"),
        ("decoded_each_time", "clips are decoded whenever they are drawn"),
        ("captions_empty", "captions are empty"),
        ("captions_not_text", "captions hold signs of a wrong encoding"),
        ("captions_cut", f"captions are cut, by {totals['caption_tokens_lost']} tokens in all"),
    ):
        if totals[key]:
            lines.append(f"{totals[key]} {words}")
    for warning in dict.fromkeys(warning for report in plan["splits"].values() for warning in report["warnings"]):
        lines.append(f"note: {printable(warning)}")
    if totals["cache_mebibytes"]:
        lines.append(f"disk for decoded clips: {totals['cache_mebibytes']:g} MiB")
    return lines + _step_lines(plan)


def _split_lines(plan: dict[str, Any]) -> list[str]:
    lines = []
    for split, report in plan["splits"].items():
        lines.append(f"{split}: {report['num_used']} used, {len(report['skipped'])} left out")
        lines += [
            f"  {printable(row['file_name'])}: {printable(row['reason'])}" for row in report["skipped"][:_MOST_ROWS]
        ]
    return [*lines, f"{plan['parameters']:,} parameters, of which {plan['trained_parameters']:,} are trained"]


def _step_lines(plan: dict[str, Any]) -> list[str]:
    batches, step = plan["batches"], plan["step"]
    lines = []
    epochs = "" if batches["epochs"] is None else f"; {batches['max_steps']} steps are {batches['epochs']:g} epochs"
    lines.append(
        f"{batches['steps_per_epoch']} steps an epoch of {batches['samples_per_step']} samples, "
        f"{batches['batches_per_rank']} batches for each process{epochs}"
    )
    if step is not None:
        run = "" if step["run_seconds"] is None else f", {_duration(step['run_seconds'])} the run"
        lines.append(
            f"a step takes {step['step_seconds']:.3f} s (median of {step['steps_measured']}, not compiled): "
            f"{_duration(step['epoch_seconds'])} an epoch{run}; peak memory of the {step['memory_of']} "
            f"{step['peak_memory_mebibytes']:.0f} MiB"
        )
    return lines


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
