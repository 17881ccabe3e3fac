"""What a page says about its model, beside what the model says itself."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

_FILES = ("image", "audio", "video")


@dataclass(frozen=True, kw_only=True)
class PageExample:
    """Inputs that a visitor can take with one click.

    Attributes:
        prompt: a caption.
        image, audio, video: files, relative to the folder that the facts lie in or absolute.
    """

    prompt: str | None = None
    image: str | None = None
    audio: str | None = None
    video: str | None = None


@dataclass(frozen=True, kw_only=True)
class PageFacts:
    """Attributes:
    title: of the page.
    model: the run's folder by its name, or the repository on the Hub.
    revision: of the repository, where it is one.
    card_url: where the model's card is.
    card: its text in Markdown, where it has no address.
    limits: what the model does not do, in a sentence.
    examples: captions that no training clip has, or files.
    max_seconds: of the videos that visitors can ask for.
    recorded: what is said of every video beside its own settings.
    """

    title: str
    model: str
    revision: str | None = None
    card_url: str | None = None
    card: str | None = None
    limits: str | None = None
    examples: tuple[PageExample, ...] = ()
    max_seconds: float = 20.0
    recorded: dict[str, Any] = field(default_factory=dict)

    def relative_to(self, folder: Path | None, name: str) -> "PageFacts":
        """With the files of examples named from a folder `name` in which they lie, in place of `folder`."""

        def moved(file: str | None) -> str | None:
            return None if file is None or folder is None else f"{name}/{Path(file).relative_to(folder).as_posix()}"

        examples = [replace(one, **{kind: moved(getattr(one, kind)) for kind in _FILES}) for one in self.examples]
        return replace(self, examples=tuple(examples))

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "PageFacts":
        """What `save` wrote; files of examples are taken from beside it."""
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        folder = Path(path).resolve().parent
        examples = []
        for row in values.pop("examples"):
            files = {name: str(folder / row[name]) for name in _FILES if row.get(name)}
            examples.append(PageExample(**{**row, **files}))
        return cls(**values, examples=tuple(examples))
