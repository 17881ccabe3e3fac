"""What `heygen-hf demo` does: open the model, serve its page until it is stopped."""

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from heygen_hf.tasks.demo.generator_page import generator_page
from heygen_hf.tasks.demo.gradio_setup import launch_options, load_gradio
from heygen_hf.tasks.demo.opening import open_generator


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
    """Serve the page of a model until the process is interrupted.

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
        ValueError: no such run, no video generator, or a port that is taken.
    """
    load_gradio()
    if not max_seconds > 0:
        raise ValueError(f"max_seconds is {max_seconds:g}; expected a time above 0.")
    port = _free_port(host, port)
    with tempfile.TemporaryDirectory(prefix="demo-examples-", ignore_cleanup_errors=True) as examples:
        folder = Path(examples)
        pipeline, facts = open_generator(source, device=device, max_seconds=max_seconds, examples_folder=folder)
        page = generator_page(pipeline, facts)
        _, url, public = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            quiet=True,
            prevent_thread_lock=True,
            allowed_paths=[str(folder)],
            **launch_options(),
        )
        say(f"{facts.title}: {url}" + (f" and {public}" if public else "") + " (Ctrl+C stops it)")
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


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
