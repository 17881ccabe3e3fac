"""The card of a data set: its figures from the decoded clips, its header from what is known, and the rest unknown."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml

from heygen_hf.hub.card.text import code_block, escape_markdown
from heygen_hf.hub.dataset_folder.write import WrittenDataset, WrittenSplit

FIGURES = "data_set.json"
_MOST_SKIPPED = 50
_EXAMPLES_PER_SPLIT = 4
_ODD = re.compile(r"[^\w .-]")
_HEADER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
# Of a README's header; what tells loaders where the files are is written anew.
_OF_LOADERS = {"configs", "dataset_info", "size_categories", "license"}


def write_dataset_card(
    written: WrittenDataset,
    *,
    repo_id: str,
    readme: Path | None = None,
    licence: str | None = None,
    title: str | None = None,
    caption_column: str = "text",
) -> None:
    """Write `README.md` and `data_set.json` into the repository's folder.

    Args:
        readme: a README of the collection: its header is taken over, its text comes first.
        licence: an identifier of the Hub's; by default the README's, else "unknown".

    Raises:
        ValueError: a licence that is no identifier, or a README whose header is no YAML.
    """
    header, about = _read(readme)
    licence = licence or str(header.get("license") or "unknown")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", licence):
        raise ValueError(f"licence {licence!r} is no identifier of the Hub's, such as cc-by-4.0 or unknown.")
    splits = [split for split in written.splits if split.rows]
    figures = {split.name: _figures(split) for split in splits}
    num_rows = sum(len(split.rows) for split in splits)
    skipped = [(split.name, name, reason) for split in written.splits for name, reason in split.skipped]
    shown = [tuple(escape_markdown(part) for part in row) for row in skipped[:_MOST_SKIPPED]]
    environment = jinja2.Environment(  # Markdown, not HTML: foreign text is escaped before it comes here
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = (resources.files("heygen_hf.hub.dataset_folder") / "data_set_card.md").read_text(encoding="utf-8")
    body = environment.from_string(template).render(
        about=about.strip(),
        title=escape_markdown(title or repo_id.rpartition("/")[2]),
        splits=[{"name": escape_markdown(name), **_shown(of)} for name, of in figures.items()],
        layout=written.layout,
        has_sound_files=any(facts.sound_sha256 for split in splits for facts in split.facts.values()),
        columns=", ".join(f"`{_ODD.sub('_', name)}`" for name in written.columns),
        notes=[escape_markdown(note, max_characters=1000) for note in written.notes],
        captions=_about_captions(splits),
        examples=[(escape_markdown(name), text) for split in splits for name, text in _examples(split)],
        fates=f"{num_rows + len(skipped):,} rows: {num_rows:,} are in the data set, {len(skipped):,} are left out.",
        skipped=shown,
        more_skipped=f"{len(skipped) - len(shown):,}" if len(skipped) > len(shown) else "",
        usage=_usage(repo_id, caption_column, splits[0].name),
        licence=licence if licence != "unknown" else "Unknown: nobody has said under which licence it may be used.",
        collected="Unknown, but for what is said above." if about.strip() else "Unknown.",
    )
    values: dict[str, Any] = {"license": licence}
    values |= {key: value for key, value in header.items() if key not in _OF_LOADERS}
    values.setdefault("pretty_name", title or repo_id.rpartition("/")[2])
    values.setdefault("task_categories", ["text-to-video"])
    values["size_categories"] = [_size_category(num_rows)]
    ending = "**" if written.layout == "videofolder" else "*.tar"
    values["configs"] = [
        {
            "config_name": "default",
            "data_files": [{"split": split_key(split.name), "path": f"{split.name}/{ending}"} for split in splits],
        }
    ]
    text = f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)}---\n\n{body.strip()}\n"
    (written.path / "README.md").write_text(text, encoding="utf-8", newline="\n")
    (written.path / FIGURES).write_text(
        json.dumps(
            {
                "splits": figures,
                "skipped": [{"split": s, "file": n, "reason": r} for s, n, r in skipped],
                "notes": written.notes,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n",
        encoding="utf-8",
    )


def split_key(name: str) -> str:
    """The name that `load_dataset` takes for a split."""
    return re.sub(r"\W", "_", name)


def _read(readme: Path | None) -> tuple[dict[str, Any], str]:
    if readme is None or not readme.is_file():
        return {}, ""
    text = readme.read_bytes().decode("utf-8-sig", "replace")
    found = _HEADER.match(text)
    if found is None:
        return {}, text
    try:
        header = yaml.safe_load(found[1]) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{readme} has a header that is no YAML ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(header, dict):
        raise ValueError(f"{readme} has a header that is no mapping of names to values.")
    return header, text[found.end() :]


def _figures(split: WrittenSplit) -> dict[str, Any]:
    facts = list(split.facts.values())
    captions = [text for _, text in split.rows]
    return {
        "rows": len(split.rows),
        "clips": len(facts),
        "bytes": sum(one.num_bytes for one in facts),
        "seconds": round(sum(one.duration_seconds for one in facts), 3),
        "frames": _range([one.num_frames for one in facts]),
        "frame_rates": _range([one.frame_rate for one in facts]),
        "heights": _range([one.height for one in facts]),
        "widths": _range([one.width for one in facts]),
        "codecs": sorted({one.codec for one in facts}),
        "clips_with_sound": sum(one.has_sound for one in facts),
        "different_captions": len(set(captions)),
        "empty_captions": sum(not text.strip() for text in captions),
    }


def _range(values: list[Any]) -> list[Any]:
    return [min(values), max(values)]


def _shown(of: dict[str, Any]) -> dict[str, str]:
    def span(name: str) -> str:
        low, high = of[name]
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"

    seconds = of["seconds"]
    return {
        "rows": f"{of['rows']:,}",
        "clips": f"{of['clips']:,}",
        "length": f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.1f} s",
        "size": _bytes(of["bytes"]),
        "frames": span("frames"),
        "frame_rate": span("frame_rates"),
        "height_width": f"{span('heights')} × {span('widths')}",
        "with_sound": f"{of['clips_with_sound']:,}",
    }


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _about_captions(splits: list[WrittenSplit]) -> str:
    texts = [text for split in splits for _, text in split.rows]
    empty = sum(not text.strip() for text in texts)
    if empty == len(texts):
        return "There are none."
    longest = max(len(text) for text in texts)
    said = f"{len(set(texts)):,} different ones in {len(texts):,} rows, of up to {longest:,} characters"
    return f"{said}; {empty:,} are empty." if empty else f"{said}."


def _examples(split: WrittenSplit) -> list[tuple[str, str]]:
    """The first different ones, so that the same data set has the same card."""
    texts = list(dict.fromkeys(text for _, text in split.rows[:1000] if text.strip()))[:_EXAMPLES_PER_SPLIT]
    return [(split.name, escape_markdown(text)) for text in texts]


def _usage(repo_id: str, caption_column: str, split: str) -> str:
    option = "" if caption_column == "text" else f", caption_column={json.dumps(caption_column, ensure_ascii=False)}"
    return code_block(
        "from datasets import load_dataset\n\n"
        f'dataset = load_dataset("{repo_id}")\n\n'
        "# the same columns whatever the layout, and training straight from it: data.train in a recipe\n"
        "from heygen_hf.data import load_video_dataset\n\n"
        f'clips = load_video_dataset("{repo_id}", split="{split_key(split)}"{option})',
        "python",
    )


def _size_category(num_rows: int) -> str:
    limits = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for limit, name in limits if num_rows < limit), "1M<n<10M")
