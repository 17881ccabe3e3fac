"""`heygen-hf demo`: try a model in the browser."""

from typing import Annotated

import typer


def demo(
    run: Annotated[
        str, typer.Argument(help="A run's folder, a folder with an exported pipeline, or USER/NAME on the Hub.")
    ],
    port: Annotated[int, typer.Option(help="0 takes any that is free.", min=0, max=65535)] = 7860,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    share: Annotated[
        bool, typer.Option("--share", help="Also open a tunnel with a public address, through Gradio's servers.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …; a GPU if there is one.")] = None,
    max_seconds: Annotated[float, typer.Option(help="The longest video that visitors can ask for.")] = 20.0,
) -> None:
    """Serve a page on which the model can be tried (extra `demo`). Nothing is sent to anyone but visitors.

    Fine-tunings of published pipelines have no page: make their videos with heygen-hf generate.
    """
    from heygen_hf.tasks.demo import serve_demo

    serve_demo(run, port=port, host=host, share=share, device=device, max_seconds=max_seconds, say=typer.echo)
