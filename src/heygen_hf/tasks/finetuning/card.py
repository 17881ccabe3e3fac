"""The model card of a fine-tuning."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import safe_open

from heygen_hf.data import decode_frames
from heygen_hf.hub import SampleImage, write_card, write_sample_animation, write_sample_strips
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.tasks.adapters.export import public_name
from heygen_hf.tasks.finetuning.adapter.comfyui import COMFYUI_WEIGHTS
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline
from heygen_hf.tasks.finetuning.clips.beside import describe_clips_beside
from heygen_hf.tasks.finetuning.clips.control import describe_control
from heygen_hf.tasks.finetuning.loading import find_adapter_base
from heygen_hf.tasks.finetuning.recipe import with_defaults
from heygen_hf.tasks.model_training.run_card import run_card_facts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json

# Of a base that has no name on the Hub; `heygen-hf publish --base-model` puts it there.
UNNAMED_BASE = "path/to/the/base"
_ANIMATION, _STRIPS = "samples/before_after.gif", "samples/before_after.png"


def write_finetuning_card(folder: RunFolder, recipe: Recipe, *, base: BasePipeline | None = None) -> None:
    """Write `README.md` from what lies in the run's folder; what is missing is said to be unknown.

    Args:
        base: to look up its licence; by default where the run says, if it is there.
    """
    said = read_json(folder.base_pipeline)
    adapter = said.get("adapter")
    given = _given_arguments(folder.path / "reference.safetensors").values()
    facts = run_card_facts(
        folder,
        recipe,
        resolved=with_defaults(recipe),
        task=_task(list(given)),
        model_class=said.get("pipeline_class"),
        library_name="diffusers",
        is_adapter=adapter is not None,
        base_model=said.get("base_model"),
        adaptation=_adaptation(folder, recipe, said, licence=licence_of(folder, base))
        | _kept(recipe)
        | describe_control(recipe.data),
        data_note=recipe.hub.data_description,
        samples=_samples(folder, frame_rate=recipe.generation.frame_rate),
        usage=_usage(folder, said),
        generation_defaults=said.get("sampling", {}),
        settings_file=folder.base_pipeline.name if said else None,
        tags=[adapter["method"]] if adapter else [],
    )
    write_card(folder.path, facts)


def is_hub_name(name: str) -> bool:
    """Whether it is `USER/NAME`, and no folder here."""
    try:
        check_repo_id(name)
    except ValueError:
        return False
    return not Path(name).is_dir()


def _adaptation(folder: RunFolder, recipe: Recipe, said: Mapping[str, Any], *, licence: str | None) -> dict[str, Any]:
    """What was trained of which model, name → value."""
    adapter = said.get("adapter") or {}
    facts: dict[str, Any] = {
        "base model": said.get("base_model"),
        "revision of the base": said.get("base_revision") or ("none: a folder" if said else None),
        "licence of the base": licence,
        "family": said.get("family"),
    }
    if not adapter:
        merged = f"an adapter of rank {recipe.peft.r}, merged into the transformer" if recipe.peft else None
        return facts | {"trained": merged or "the whole transformer"}
    path = folder.path / said["weights"]
    return facts | {
        "method": {"lora": "LoRA", "dora": "DoRA"}[adapter["method"]],
        "rank": adapter["rank"],
        "alpha": adapter["alpha"],
        "adapted layers": ", ".join(adapter["target_modules"]),
        "trained weights": f"{_count_weights(path):,}" if path.is_file() else None,
        "for ComfyUI": COMFYUI_WEIGHTS if (folder.path / COMFYUI_WEIGHTS).is_file() else "no file of its own",
    }


def _kept(recipe: Recipe) -> dict[str, str]:
    """What was done so that something else is not forgotten, name → value."""
    found = describe_clips_beside(recipe.data)
    if recipe.peft is not None and recipe.peft.previous:
        names = ", ".join(public_name(name) for name in recipe.peft.previous)
        how = ", which the new one leaves alone" if recipe.peft.orthogonal else ""
        found["adapters that are part of it"] = names + how
    return found


def _count_weights(path: Path) -> int:
    with safe_open(path, framework="pt") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 (no mapping)
    count = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        count += size
    return count


def licence_of(folder: RunFolder, base: BasePipeline | None) -> str | None:
    """As the base's own card says it, beside its weights or on the Hub."""
    if base is None:
        try:
            base = find_adapter_base(folder.path)
        except ValueError:
            return None
    card = _card_of(base)
    if card is None:
        return None
    found = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", card.read_text(encoding="utf-8"), flags=re.DOTALL)
    try:
        values = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return None
    if not isinstance(values, dict) or not values.get("license"):
        return None
    return str(values.get("license_name") or values["license"])


def _card_of(base: BasePipeline) -> Path | None:
    card = base.folder / "README.md"
    if card.is_file() or Path(base.name).is_dir():
        return card if card.is_file() else None
    try:  # diffusers fetches what a pipeline is loaded from, and no card
        return Path(hf_hub_download(base.name, "README.md", revision=base.revision))
    except (OSError, ValueError, HfHubHTTPError):
        return None


def _usage(folder: RunFolder, said: Mapping[str, Any]) -> str:
    """Python that loads it in diffusers and makes a video."""
    record = read_json(folder.path / "reference.json")
    name = str(said.get("pipeline_class"))
    call = {key: value for key, value in record.get("call", {}).items() if key != "output_type"}
    prompt = json.dumps(" ".join(str(record.get("prompt", "")).split())[:100], ensure_ascii=False)
    arguments = [prompt, *(f"{key}={value!r}" for key, value in call.items())]
    given = _given_arguments(folder.path / "reference.safetensors")
    if given:
        arguments = [*given.values(), f"prompt={arguments[0]}", *arguments[1:]]
    loaders = sorted({text.partition("=")[2].partition("(")[0] for text in given.values()})
    lines = [f"from diffusers import {name}", f"from diffusers.utils import {', '.join(['export_to_video', *loaders])}"]
    lines.append("")
    if said.get("weights") is None:
        lines.append(f"pipe = {name}.from_pretrained(FOLDER)")
    else:
        base = str(said["base_model"])
        at = f', revision="{said["base_revision"]}"' if said.get("base_revision") else ""
        lines.append(f'pipe = {name}.from_pretrained("{base if is_hub_name(base) else UNNAMED_BASE}"{at})')
        lines.append("pipe.load_lora_weights(FOLDER)")
    rate = int(said.get("sampling", {}).get("frame_rate", 16))
    lines += [f"video = pipe({', '.join(arguments)}).frames[0]", f'export_to_video(video, "video.mp4", fps={rate})']
    return "\n".join(lines)


def _task(given: list[str]) -> str:
    """The Hub's name of it."""
    if not given:
        return "text-to-video"
    return "image-to-video" if all("load_image" in one for one in given) else "video-to-video"


def _given_arguments(reference: Path) -> dict[str, str]:
    """What the pipeline is given beside a prompt, by the names of its arguments."""
    if not reference.is_file():
        return {}
    found = {}
    with safe_open(reference, framework="pt") as file:
        for name in sorted(set(file.keys()) - {"frames"}):
            is_picture = len(file.get_slice(name).get_shape()) == 3
            found[name] = f'{name}=load_image("first_frame.png")' if is_picture else f'{name}=load_video("{name}.mp4")'
    return found


def _samples(folder: RunFolder, *, frame_rate: float) -> list[SampleImage]:
    """The same prompts and noise before and after the training, side by side."""
    before = {path.stem[-2:]: path for path in sorted(folder.samples.glob("before-*.mp4"))}
    after = {path.stem[-2:]: path for path in sorted(folder.samples.glob("after-*.mp4"))}
    numbers = [number for number in after if number in before]
    if not numbers:
        return []
    prompts = read_json(folder.facts).get("prompts", [])
    texts = [prompts[int(number)] if int(number) < len(prompts) else "" for number in numbers]
    pairs = [decode_frames(path).frames for number in numbers for path in (before[number], after[number])]
    write_sample_animation(folder.path / _ANIMATION, pairs, frame_rate=frame_rate, max_columns=2)
    named = [f"{when}: {text}" for text in texts for when in ("before", "after")]
    write_sample_strips(folder.path / _STRIPS, pairs, named)
    files = [f"samples/{after[number].name}" for number in numbers]
    note = "of each prompt first what the base makes of it, below it the fine-tuned model from the same noise"
    return [
        SampleImage(path=_ANIMATION, note="left the base, right the fine-tuned model from the same noise"),
        SampleImage(path=_STRIPS, prompts=texts, note=note, files=files),
    ]
