"""An error as a visitor reads it."""

import re


def one_line(error: BaseException, instead: str | None = None) -> str:
    """The message on one line, without the paths of this machine; Markdown shows it as it is."""
    message = instead or " ".join(str(error).split()) or type(error).__name__
    message = re.sub(r"(?<![\w.])/(?:[^\s/:;,]+/)+", "", message)
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", message)
