"""Gradio without what it would send elsewhere, and how its pages are served."""

import os
from types import ModuleType
from typing import Any

from heygen_hf._optional import require

_MOST_WAITING = 32
_LARGEST_UPLOAD_BYTES = 64 * 1024 * 1024

_STYLE = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
.made video { image-rendering: pixelated; object-fit: contain; width: 100%; height: 100%; }
.status p { font-weight: 600; }
.status.refused p { color: #b91c1c; }
.dark .status.refused p { color: #fca5a5; }
"""


def load_gradio() -> ModuleType:
    """Gradio; it sends no figures of use, and asks nobody for a newer version.

    Raises:
        ImportError: it is not installed, with what to install.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    return require("gradio")


def new_page(title: str) -> Any:
    """An empty page of one job at a time, whose files are removed an hour after they were made."""
    page = load_gradio().Blocks(title=title, analytics_enabled=False, delete_cache=(600, 3600))
    page.queue(default_concurrency_limit=1, max_size=_MOST_WAITING)
    return page


def launch_options() -> dict[str, Any]:
    """Of `Blocks.launch`, wherever the page is served: nothing from elsewhere, nothing recorded."""
    gr = load_gradio()
    return {
        "theme": gr.themes.Default(primary_hue="indigo", neutral_hue="slate"),
        "css": _STYLE,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "mcp_server": False,
        "max_file_size": _LARGEST_UPLOAD_BYTES,
        "show_error": True,
    }


def picture_field(**options: Any) -> Any:
    """An upload that is handed on as the file it is: Gradio would encode most pictures anew, and lossily."""
    field = load_gradio().Image(format="png", type="filepath", sources=["upload", "clipboard"], **options)
    # on the field itself: for a class of one's own Gradio writes a file beside the module
    field.preprocess = lambda payload: None if payload is None else payload.path
    return field
