"""A user's own paraphrases."""

import json
from pathlib import Path

from heygen_hf.data.table_lines import read_lines


def read_paraphrases(path: str | Path) -> dict[str, list[str]]:
    """Prompt → its paraphrases, of a file with `{"prompt": …, "paraphrases": […]}` a line.

    Raises:
        ValueError: no such file, a line that is none of these, or nothing in it.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"--paraphrases {file} is no file; give one with a prompt and its paraphrases a line")
    found: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(file), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            prompt, others = row["prompt"], row["paraphrases"]
        except (ValueError, KeyError, TypeError):
            prompt, others = None, None
        if not isinstance(prompt, str) or not isinstance(others, list) or not all(_is_text(each) for each in others):
            raise ValueError(
                f'{file.name} line {number} is no {{"prompt": "…", "paraphrases": ["…"]}}; mend it, or leave it out'
            )
        held = found.setdefault(prompt, [])
        held += [each for each in dict.fromkeys(others) if each not in held and each != prompt]
    if not any(found.values()):
        raise ValueError(f"{file.name} holds no paraphrase; give at least one")
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
