"""Model cards, written from what a run knows about itself.

The YAML header is made by a YAML writer and the body by a template, one for each task. Text from data or users
reaches the body escaped and is never read as a template.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from heygen_hf.hub.card.facts import CardFacts, SampleImage
from heygen_hf.hub.card.header import UNKNOWN, base_name, card_header
from heygen_hf.hub.card.paths import code_span, link_target, relative_path
from heygen_hf.hub.card.privacy import scrub, scrub_command, scrub_line
from heygen_hf.hub.card.rows import (
    check_rows,
    metric_tables,
    pairs,
    parameters,
    reason_rows,
    replaced_rows,
    safe,
    split_rows,
    training_rows,
)
from heygen_hf.hub.card.text import code_block, escape_line, escape_markdown, python_literal, visible

_MOST_PROMPTS = 16


def render_card(facts: CardFacts) -> str:
    """The card as text: YAML header and Markdown body.

    Raises:
        ValueError: a sample's or metrics file's path is not relative to the run folder.
    """
    environment = _templates()
    task_template = environment.select_template(_template_names(facts))
    template = environment.get_template("adapter.md") if facts.is_adapter else task_template
    body = template.render(
        task_template=task_template,
        title=safe(facts.title),
        introduction=_introduction(facts),
        usage=_pipeline_usage(facts) if facts.usage is None else _model_usage(facts.usage),
        adaptation=pairs(facts.adaptation),
        library=facts.library_name or "peft",
        base_model=safe(base_name(facts.base_model)),
        settings=pairs(facts.generation_defaults),
        settings_file=_file(facts.settings_file),
        samples=[_sample(sample) for sample in facts.samples],
        tables=metric_tables(facts),
        checks=[check_rows(check) for check in facts.checks],
        has_ceilings=any(metric.ceiling is not None for metric in facts.metrics),
        has_floors=any(metric.noise_floor is not None for metric in facts.metrics),
        validation_loss=UNKNOWN if facts.validation_loss is None else f"{facts.validation_loss:.5g}",
        facts_file=_file(facts.facts_file),
        data_name=safe(base_name(facts.data_name)),
        splits=split_rows(facts.splits),
        reasons=reason_rows(facts.splits),
        data_notes=[safe(note, 1000) for split in facts.splits for note in split.notes],
        replaced=replaced_rows(facts.replaced),
        data_note=safe(facts.data_note, 2000) if facts.data_note else None,
        training=training_rows(facts),
        command=code_block(scrub_command([visible(w) for w in facts.command]), "bash") if facts.command else UNKNOWN,
        recipe=_block(facts.recipe_yaml, "yaml") or UNKNOWN,
        versions=pairs(facts.versions),
        intended_use=safe(facts.intended_use, 4000) if facts.intended_use else None,
        limits=safe(facts.limits, 4000) if facts.limits else None,
        citation=_block(facts.citation),
        package_version=safe(facts.versions["heygen_hf"]) if facts.versions.get("heygen_hf") else None,
        licence=safe(facts.licence),
    )
    return f"---\n{card_header(facts)}---\n\n{body}"


def write_card(run_dir: str | Path, facts: CardFacts) -> Path:
    """Render the card to `README.md` in the run folder; a reader sees the old one or the new one, never a
    part.

    Raises:
        ValueError: the folder does not exist, or a sample that the card shows is not in it.
    """
    folder = Path(run_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: write the card into the run folder.")
    for sample in facts.samples:
        for name in (sample.path, *sample.files):
            if not (folder / relative_path(name)).is_file():
                raise ValueError(f"sample {name!r} is not in {folder}: write the strips before the card.")
    path = folder / "README.md"
    temporary = folder / f".README.md.{os.getpid()}"
    temporary.write_text(render_card(facts), encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return path


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("heygen_hf.hub", "templates"),
        autoescape=False,  # Markdown, not HTML: every foreign text is escaped before it gets here
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template_names(facts: CardFacts) -> list[str]:
    """The task's own, or that of a pipeline or a model in general."""
    general = "text_to_video.md" if facts.usage is None else "model.md"
    return [general] if facts.kind is None else [f"{facts.kind}.md", "pipeline.md" if facts.usage is None else general]


def _introduction(facts: CardFacts) -> str:
    network = f"`{facts.model_class}`" if facts.model_class and facts.model_class.isidentifier() else "A model"
    size = f" of {parameters(facts.num_parameters)} parameters" if facts.num_parameters is not None else ""
    adapted = ", counted with the model that it adapts," if facts.is_adapter and size else ""
    what = f"An adapter of {network.replace('A model', 'a model')}" if facts.is_adapter else network
    return f"{what}{size}{adapted} for {escape_markdown(facts.task)}, trained with heygen_hf."


def _model_usage(usage: str) -> str:
    return code_block(scrub(usage.strip()).replace("FOLDER", '"path/to/this/folder"'), "python")


def _pipeline_usage(facts: CardFacts) -> str:
    use = f"video = pipe({_example_prompt(facts)}).frames[0]"
    if facts.pipeline_usage is not None:
        use = facts.pipeline_usage.strip()
    return code_block(
        "from heygen_hf import VideoGenerationPipeline\n\n"
        f'pipe = VideoGenerationPipeline.from_pretrained("path/to/this/folder")\n{use}',
        "python",
    )


def _example_prompt(facts: CardFacts) -> str:
    """As Python: the first prompt that a person may have typed, without signs that Python writes in another way."""
    prompts = (scrub_line(prompt, max_characters=100) for sample in facts.samples for prompt in sample.prompts[:1])
    plain = (prompt for prompt in prompts if prompt and "\\" not in prompt)
    return python_literal(next(plain, "a caption like those it learned"))


def _sample(sample: SampleImage) -> dict[str, Any]:
    lines = []
    for place, prompt in enumerate(sample.prompts[:_MOST_PROMPTS]):
        text = escape_line(scrub_line(prompt)) or "(empty)"
        link = f" ([video]({link_target(sample.files[place])}))" if place < len(sample.files) else ""
        lines.append(text + link)
    more = len(sample.prompts) - _MOST_PROMPTS
    return {
        "path": link_target(sample.path),
        "moves": sample.path.endswith(".gif"),
        "prompts": [*lines, f"and {more} more"] if more > 0 else lines,
        "note": safe(sample.note) if sample.note else None,
    }


def _file(path: str | None) -> str | None:
    return None if path is None else code_span(relative_path(path))


def _block(text: str | None, language: str = "") -> str | None:
    """A foreign text of several lines; None where there is nothing to see in it."""
    # Invisible characters inside a token would hide it.
    scrubbed = scrub(_visible_lines(text or ""))
    return code_block(scrubbed, language) if scrubbed.strip() else None


def _visible_lines(text: str) -> str:
    return "\n".join("\t".join(visible(part) for part in line.split("\t")) for line in text.split("\n"))
