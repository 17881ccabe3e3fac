"""What a visitor asks for, checked before anything is computed."""

from dataclasses import dataclass
from typing import Any

from heygen_hf.tasks.demo.model_inputs import ModelInputs

MOST_STEPS = 200
LARGEST_SEED = 2**53 - 1  # the largest whole number that a browser keeps exactly


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """One video. What is None is the pipeline's default.

    Attributes:
        prompt: a caption.
        seed: of its noise.
        class_id: for a model with classes.
        image, last_image, video, mask, audio: files.
        num_inference_steps, guidance_scale, num_frames, height, width: as in a call of the pipeline; without
            `num_frames` a video lasts as long as its sound.
    """

    prompt: str | None = None
    seed: int = 0
    class_id: int | None = None
    image: str | None = None
    last_image: str | None = None
    video: str | None = None
    mask: str | None = None
    audio: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | dict[str, float] | None = None
    num_frames: int | None = None
    height: int | None = None
    width: int | None = None

    @classmethod
    def of_form(cls, form: dict[str, Any]) -> "VideoRequest":
        """What a page sends: numbers as floats, emptied fields as None or "".

        Raises:
            ValueError: a field that holds no whole number where one is needed.
        """
        values = {name: value for name, value in form.items() if value not in (None, "")}
        if "seed" not in values:
            raise ValueError("the seed is empty: give a whole number from 0 on.")
        for name in ("seed", "class_id", "num_inference_steps", "num_frames", "height", "width"):
            if name in values:
                if float(values[name]) != int(values[name]):
                    raise ValueError(f"{_spoken(name)} is {values[name]:g}: give a whole number.")
                values[name] = int(values[name])
        if "prompt" in values:
            values["prompt"] = " ".join(values["prompt"].split()) or None
        guided = {name.removeprefix("guidance_"): values.pop(name) for name in list(values) if _is_guided(name)}
        return cls(**values, **({"guidance_scale": guided} if guided else {}))

    def check(self, inputs: ModelInputs, *, max_seconds: float) -> None:
        """Refuse what the model has no use for, and what would take too long.

        Raises:
            ValueError: in one line, for the visitor.
        """
        starts = self.image or self.video
        if inputs.caption and not self.prompt and not starts:
            raise ValueError("the prompt is empty: say what the video shows.")
        if inputs.classes and self.class_id is None:
            raise ValueError("no class is chosen: choose one.")
        if self.image and self.video:
            raise ValueError("an image and a video are given, and both are the start: take one of them away.")
        if self.mask and not self.video:
            raise ValueError("a mask says which part of a video is made anew: give the video too.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"the seed is {self.seed}: give a whole number from 0 to {LARGEST_SEED}.")
        most = inputs.most_frames(max_seconds)
        for name, value, limit in (
            ("num_inference_steps", self.num_inference_steps, MOST_STEPS),
            ("num_frames", self.num_frames, most),
            ("height", self.height, inputs.most_height),
            ("width", self.width, inputs.most_width),
        ):
            if value is not None and not 1 <= value <= limit:
                raise ValueError(f"{_spoken(name)} is {value}: this page takes 1 to {limit}.")


def _spoken(name: str) -> str:
    return {
        "num_inference_steps": "the number of steps",
        "num_frames": "the number of frames",
        "class_id": "the class",
    }.get(name, f"the {name}")


def _is_guided(name: str) -> bool:
    return name.startswith("guidance_") and name != "guidance_scale"
