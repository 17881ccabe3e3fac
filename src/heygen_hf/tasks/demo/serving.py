"""What `heygen-hf demo` does: open the model, serve its page until it is stopped."""

import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from heygen_hf.tasks.demo.generator_page import generator_page
from heygen_hf.tasks.demo.gradio_setup import launch_options, load_gradio
from heygen_hf.tasks.demo.opening import check_source, open_generator, page_facts
from heygen_hf.tasks.demo.reader_page import reader_examples, reader_page
from heygen_hf.tasks.demo.video_reading import open_reader
from heygen_hf.training.checkpoints.preemption import stopping_at_once


def serve_demo(
    source: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
    device: str | None = None,
    max_seconds: float = 20.0,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page of a model until the process is interrupted or told to end; its files go then.

    Args:
        source: a run's folder, a folder with an exported pipeline, or `USER/NAME` on the Hub.
        host: address to listen on; "0.0.0.0" lets other machines in.
        port: 0 takes any that is free.
        share: also open a tunnel with a public address, through Gradio's servers.
        device: as torch names it; a GPU if there is one.
        max_seconds: longer videos are refused.
        say: is given the address.

    Raises:
        ImportError: Gradio is not installed.
        ValueError: no such run, no model that there is a page for, or a port that is taken.
    """
    check_source(source)
    load_gradio()
    if not max_seconds > 0:
        raise ValueError(f"max_seconds is {max_seconds:g}; expected a time above 0.")
    port = _free_port(host, port)
    with _stoppable(), tempfile.TemporaryDirectory(prefix="demo-examples-", ignore_cleanup_errors=True) as examples:
        folder = Path(examples)
        page = _page(source, device=device, max_seconds=max_seconds, examples_folder=folder)
        _, url, public = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            quiet=True,
            prevent_thread_lock=True,
            allowed_paths=[str(folder)],
            **launch_options(),
        )
        say(f"{page.title}: {url}" + (f" and {public}" if public else "") + " (Ctrl+C stops it)")
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


def _stoppable() -> AbstractContextManager[None]:
    """SIGTERM, as service managers send it, must close the page and remove its files as Ctrl-C does."""
    is_main = threading.current_thread() is threading.main_thread()  # elsewhere there is no handler to set
    return stopping_at_once() if is_main else nullcontext()


def _page(source: str | Path, *, device: str | None, max_seconds: float, examples_folder: Path) -> Any:
    """The page that fits the model."""
    folder = Path(source)
    if (folder / "config.json").is_file():
        reader = open_reader(folder, device=device)
        examples = reader_examples(folder, reader, examples_folder)
        return reader_page(reader, page_facts(folder, model=folder.resolve().name, examples=examples))
    pipeline, facts = open_generator(source, device=device, max_seconds=max_seconds, examples_folder=examples_folder)
    return generator_page(pipeline, facts)


def _free_port(host: str, port: int) -> int:
    """The port, or any free one for 0.

    Raises:
        ValueError: it is taken, or may not be used.
    """
    try:
        with socket.create_server((host, port)) as listening:
            return int(listening.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise ValueError(f"port {port} of {host} cannot be used ({error}): give another with --port.") from error
