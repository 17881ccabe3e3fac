"""The page of a model that reads videos: a video on the left, what the model says of it on the right."""

import sys
import traceback
from pathlib import Path
from typing import Any

from heygen_hf.data.video import decode_frames, probe_video, write_video
from heygen_hf.tasks.demo.error_lines import one_line
from heygen_hf.tasks.demo.gradio_setup import load_gradio, new_page
from heygen_hf.tasks.demo.opening import read_recipe
from heygen_hf.tasks.demo.page_facts import PageExample, PageFacts
from heygen_hf.tasks.demo.video_reading import Reading, VideoReader

_MOST_EXAMPLES = 4
_MOST_FRAMES = 256


def reader_page(reader: VideoReader, facts: PageFacts) -> Any:
    """A Gradio page that reads videos, ready to be launched."""
    gr = load_gradio()
    page = new_page(facts.title)
    with page:
        about = f"{reader.kind} · {reader.num_parameters:,} parameters"
        gr.Markdown("\n\n".join([f"# {facts.title}", about, *([facts.limits] if facts.limits else [])]))
        with gr.Row():
            with gr.Column():
                video = gr.Video(label="Video", sources=["upload"], height=320, elem_id="video", elem_classes="made")
                question = gr.Textbox(label="Question", visible=reader.asks, elem_id="question")
                button = gr.Button("Read", variant="primary", elem_id="generate")
                if facts.examples:
                    rows = [
                        [example.video, example.prompt] if reader.asks else [example.video]
                        for example in facts.examples
                    ]
                    shown = [video, question] if reader.asks else [video]
                    gr.Examples(rows, shown, label="Examples", cache_examples=False)
            with gr.Column():
                answer = gr.Label(label="What it says", elem_id="answer", show_heading=True)
                status = gr.Markdown("", elem_id="status", elem_classes="status")
                settings = gr.JSON(label="How it was read", elem_id="settings")
        if facts.card:
            with gr.Accordion("Model card", open=False):
                gr.Markdown(facts.card)

        def read(file: str | None, asked: str | None) -> tuple[Any, Any, Any]:
            reading, refused = _read(reader, file, asked)
            if reading is None:
                return None, gr.Markdown(refused, elem_classes=["status", "refused"]), None
            said = gr.Markdown(f"read in {reading.settings['seconds']:.1f} s", elem_classes=["status"])
            shown = reading.shares if reading.text in reading.shares else reading.text
            return shown, said, {"model": facts.model, **reading.settings, "shares": reading.shares or None}

        gr.on([button.click, question.submit], read, [video, question], [answer, status, settings], api_name="read")
    return page


def reader_examples(folder: Path, reader: VideoReader, examples_folder: Path) -> list[PageExample]:
    """Clips of the held-out part of a run's data, where it lies here, as every browser shows them."""
    source = (read_recipe(folder).get("data") or {}).get("train")
    held_out = Path(source) / "test" if isinstance(source, str) else folder / "none"
    found = []
    for clip in sorted(held_out.glob("*.mp4"))[:_MOST_EXAMPLES]:
        about = probe_video(clip)
        frames = decode_frames(clip, list(range(min(about.num_frames, _MOST_FRAMES)))).frames
        shown = write_video(examples_folder / clip.name, frames, frame_rate=about.frame_rate, constant_rate_factor=4)
        found.append(PageExample(video=str(shown), prompt="What is it?" if reader.asks else None))
    return found


def _read(reader: VideoReader, file: str | None, asked: str | None) -> tuple[Reading | None, str]:
    try:
        return reader.read(file, asked), ""
    except (ValueError, OSError) as error:
        return None, one_line(error)
    except Exception as error:  # a bug: the log has it whole, the visitor a line
        traceback.print_exc(file=sys.stderr)
        return None, one_line(error, f"the video could not be read ({type(error).__name__})")
