"""The page of a video generator: what it can be given on the left, the video and how it was made on the right."""

import json
import re
import secrets
import shutil
import sys
import tempfile
import traceback
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

from heygen_hf.tasks.demo.error_lines import one_line
from heygen_hf.tasks.demo.gradio_setup import load_gradio, new_page, picture_field
from heygen_hf.tasks.demo.model_inputs import ModelInputs
from heygen_hf.tasks.demo.page_facts import PageFacts
from heygen_hf.tasks.demo.video_making import MadeVideo, make_video
from heygen_hf.tasks.demo.video_request import LARGEST_SEED, MOST_STEPS, VideoRequest

_MOST_EXAMPLES = 8


def generator_page(pipeline: Any, facts: PageFacts) -> Any:
    """A Gradio page that makes videos with a `VideoGenerationPipeline`, ready to be launched.

    Args:
        pipeline: on the device it shall work on.
        facts: what the page says of the model.
    """
    gr = load_gradio()
    pipeline.set_progress_bar_config(disable=True)
    inputs = ModelInputs.of(pipeline)
    page = new_page(facts.title)
    with page:
        gr.Markdown(_heading(pipeline, inputs, facts))
        with gr.Row():
            with gr.Column(scale=5):
                fields = _fields(pipeline, inputs, facts)
                button = gr.Button("Generate", variant="primary", elem_id="generate")
                if facts.examples:
                    _examples(gr, facts, fields)
            with gr.Column(scale=5):
                video = gr.Video(
                    label="Video", autoplay=True, loop=not inputs.audio, height=360, elem_id="video",
                    elem_classes="made", buttons=["download"],
                )  # fmt: skip
                status = gr.Markdown("", elem_id="status", elem_classes="status")
                settings = gr.JSON(label="How it was made", elem_id="settings")
                download = gr.DownloadButton("Download the settings", size="sm", interactive=False)
        if facts.card:
            with gr.Accordion("Model card", open=False):
                gr.Markdown(facts.card)
        names = {field: name for name, field in fields.items()}
        maker = VideoMaker(pipeline, facts)

        def generate(values: dict[Any, Any], progress: Any = gr.Progress()) -> dict[Any, Any]:  # noqa: B008 (Gradio's way)
            def tell(window: int, step: int, steps: int) -> None:
                part = f"part {window}, " if window > 1 else ""
                progress((step, steps), desc=f"{part}step", unit="steps")

            made, file, message = maker.make({names[field]: value for field, value in values.items()}, tell)
            refused = made is None
            return {
                video: None if file is None else str(file),
                status: gr.Markdown(message, elem_classes=["status", "refused"] if refused else ["status"]),
                settings: None if made is None else made.settings,
                download: gr.DownloadButton(
                    value=None if file is None else str(file.with_suffix(".json")), interactive=not refused
                ),
            }

        outputs = [video, status, settings, download]
        events = [button.click] + ([fields["prompt"].submit] if "prompt" in fields else [])
        gr.on(
            events, generate, inputs=set(fields.values()), outputs=outputs, api_name="generate", show_progress_on=video
        )
    return page


class VideoMaker:
    """Makes videos in a folder of its own, which goes when the process ends."""

    def __init__(self, pipeline: Any, facts: PageFacts) -> None:
        self._pipeline, self._facts = pipeline, facts
        self._folder = Path(tempfile.mkdtemp(prefix="demo-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def make(self, form: dict[str, Any], progress: Any) -> tuple[MadeVideo | None, Path | None, str]:
        """The video, its file with the settings as JSON beside it, and what to say; without a video, why."""
        try:
            request = VideoRequest.of_form(form)
            made = make_video(self._pipeline, request, max_seconds=self._facts.max_seconds, progress=progress)
        except (ValueError, OSError, ImportError) as error:
            return None, None, one_line(error)
        except Exception as error:  # a bug, or no memory left: the log has it whole, the visitor a line
            traceback.print_exc(file=sys.stderr)
            return None, None, one_line(error, f"the video could not be made ({type(error).__name__})")
        about = {"model": self._facts.model, "revision": self._facts.revision, **self._facts.recorded}
        about = {name: value for name, value in about.items() if value is not None}
        made = replace(made, settings=about | made.settings)
        for earlier in self._folder.iterdir():  # Gradio has its own copies of them
            earlier.unlink()
        file = made.write(self._folder / f"{_file_stem(request)}.mp4")
        file.with_suffix(".json").write_text(
            json.dumps(made.settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        seconds = len(made.frames) / made.frame_rate
        return made, file, f"{seconds:.1f} s of video in {made.settings['seconds']:.1f} s"


def _fields(pipeline: Any, inputs: ModelInputs, facts: PageFacts) -> dict[str, Any]:
    """What the model takes, each field under its name in `VideoRequest`."""
    gr = load_gradio()
    fields: dict[str, Any] = {}
    if inputs.caption:
        first = next((example.prompt for example in facts.examples if example.prompt), None)
        fields["prompt"] = gr.Textbox(
            label="Prompt", value=first, placeholder="What the video shows", lines=2, elem_id="prompt", submit_btn=False
        )
    if inputs.classes:
        choices = [(name, number) for number, name in enumerate(inputs.classes)]
        fields["class_id"] = gr.Dropdown(choices, value=0, label="Class")
    if inputs.image or inputs.last_image:
        with gr.Row():
            if inputs.image:
                fields["image"] = picture_field(label="First frame", height=200, elem_id="image")
            if inputs.last_image:
                fields["last_image"] = picture_field(label="Last frame", height=200)
    if inputs.audio:
        fields["audio"] = gr.Audio(
            label="Speech", type="filepath", sources=["upload", "microphone"], elem_id="audio", buttons=[]
        )
    if inputs.video:
        with gr.Accordion("Go on from a video", open=False):
            fields["video"] = gr.Video(label="Video", sources=["upload"], height=200)
            if inputs.mask:
                fields["mask"] = picture_field(label="Mask: white where it is made anew", height=200)
    with gr.Row(equal_height=True):
        fields["seed"] = gr.Number(
            0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, elem_id="seed", scale=3, min_width=120
        )
        gr.Button("Another seed", size="sm", scale=1, min_width=120).click(
            lambda: secrets.randbelow(2**31), outputs=fields["seed"], queue=False, api_visibility="private"
        )
    with gr.Accordion("Settings", open=False):
        fields |= _settings(pipeline, inputs, facts)
    return fields


def _settings(pipeline: Any, inputs: ModelInputs, facts: PageFacts) -> dict[str, Any]:
    gr = load_gradio()
    config = pipeline.config
    fields = {
        "num_inference_steps": gr.Slider(
            1, MOST_STEPS, config.num_inference_steps, step=1, label="Steps", elem_id="steps"
        )
    }
    if inputs.guided:
        for name, value in config.guidance_scale.items():
            fields[f"guidance_{name}"] = gr.Slider(0, 20, value, step=0.1, label=f"Guidance by {name}")
    else:
        fields["guidance_scale"] = gr.Slider(0, 20, config.guidance_scale, step=0.1, label="Guidance, 1 is none")
    least, most = inputs.frames_least, inputs.most_frames(facts.max_seconds)
    if not inputs.audio:  # a video lasts as long as its sound
        rate = f"{inputs.frame_rate:g} a second"
        fields["num_frames"] = gr.Slider(least, most, inputs.frames, step=inputs.frames_step, label=f"Frames, {rate}")
    with gr.Row():
        for name, value, step, limit in (
            ("height", inputs.height, inputs.size_step[0], inputs.most_height),
            ("width", inputs.width, inputs.size_step[1], inputs.most_width),
        ):
            label = f"{name.capitalize()}, trained at {value}"
            fields[name] = gr.Number(value, label=label, precision=0, minimum=step, maximum=limit, step=step)
    return fields


def _examples(gr: Any, facts: PageFacts, fields: dict[str, Any]) -> None:
    names = [name for name in ("prompt", "image", "audio") if name in fields]
    rows = [[getattr(example, name) for name in names] for example in facts.examples[:_MOST_EXAMPLES]]
    used = [i for i, name in enumerate(names) if any(row[i] is not None for row in rows)]
    if used:
        shown = [fields[names[i]] for i in used]
        gr.Examples([[row[i] for i in used] for row in rows], shown, label="Examples", cache_examples=False)


def _heading(pipeline: Any, inputs: ModelInputs, facts: PageFacts) -> str:
    count = sum(weight.numel() for weight in pipeline.transformer.parameters())
    about = [
        inputs.kind(),
        f"{count / 1e6:.3g} million parameters" if count >= 1e6 else f"{count:,} parameters",
        f"trained on {inputs.frames} frames of {inputs.width}×{inputs.height} at {inputs.frame_rate:g} a second",
    ]
    about += [f"[model card]({facts.card_url})"] if facts.card_url else []
    lines = [f"# {facts.title}", " · ".join(about)]
    lines += [facts.limits] if facts.limits else []
    return "\n\n".join(lines)


def _file_stem(request: VideoRequest) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", (request.prompt or "video").lower()).strip("_")[:60].rstrip("_") or "video"
    return f"{words}_seed_{request.seed}"
