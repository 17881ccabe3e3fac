"""The teacher: what a finished run says of itself, and the recipe of a student derived from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.recipe import Recipe, load_recipe, recipe_of_values
from heygen_hf.tasks.recipe_yaml import read_recipe_values
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.recipe import GenerationSection
from heygen_hf.tasks.text_to_video.recipe import with_defaults as with_text_to_video_defaults

# Of the teacher's training, what holds for the student's too.
_INHERITED = (
    "given_frames",
    "given_prefix_frames",
    "given_noise",
    "precision",
    "compile_blocks",
    "per_device_eval_batch_size",
    "disable_tqdm",
)
# What a command must not say, because it is decided; and by what.
_DECIDED = {
    "distillation.to_steps": "--to-steps says how many the student has",
    "generation.num_inference_steps": "a student samples in its own steps, --to-steps",
    "generation.guidance_scale": "a student is sampled without guidance, since it learns its teacher's; that is "
    "distillation.teacher_guidance_scale",
}
# What a student may have otherwise than its teacher.
_OWN_MODEL_KEYS = ("attn_implementation",)
_SIZES = ("num_frames", "height", "width")
_PAIRS_PER_STEP = 64
_TASKS = ("text_to_video", "distillation")


@dataclass(frozen=True)
class TeacherRun:
    """A finished run that teaches.

    Attributes:
        folder: its run.
        recipe: its recipe.
        pipeline: its exported model.
    """

    folder: RunFolder
    recipe: Recipe
    pipeline: VideoGenerationPipeline

    @property
    def is_student(self) -> bool:
        """Whether it was distilled itself."""
        return self.recipe.task == "distillation"

    def steps_for(self, to_steps: int, asked: int | None) -> int:
        """Its steps where the student has `to_steps`.

        Raises:
            ValueError: a distilled teacher has no such steps.
        """
        own = self.pipeline.config.num_inference_steps
        if not self.is_student:
            return asked or -(-max(own, 2 * to_steps) // to_steps) * to_steps
        if own % to_steps or own == to_steps or asked not in (None, own):
            divisors = [str(n) for n in range(1, own) if own % n == 0]
            raise ValueError(
                f"{self.folder.path} was distilled to {own} steps and knows no others: it teaches a student of "
                f"{' or '.join(divisors) or 'no fewer'} steps, not of {to_steps}"
                + ("." if asked in (None, own) else f" in {asked} of its own.")
            )
        return own


def read_recipe(run: str | Path) -> Recipe:
    """The recipe of a finished run that can teach.

    Raises:
        ValueError: no finished run there, or one of another task.
    """
    folder = RunFolder(Path(run))
    folder.require_export()
    if not folder.recipe.is_file():
        raise ValueError(f"{run} holds a model but no recipe.yaml, so there are no captions to teach by.")
    recipe = load_recipe(folder.recipe)
    if recipe.task not in _TASKS:
        raise ValueError(f"{run} is a run of {recipe.task}; a teacher is one of {' or '.join(_TASKS)}.")
    return recipe


def load_teacher(run: str | Path) -> TeacherRun:
    """A teacher with its model, on the CPU; errors as in `read_recipe`."""
    recipe = read_recipe(run)
    return TeacherRun(RunFolder(Path(run)), recipe, load_pipeline(run, device="cpu"))


def with_teachers_model(recipe: Recipe) -> Recipe:
    """The recipe with the `model` section of its teacher, from which the student is built.

    Raises:
        ValueError: the run cannot teach, or the recipe has another model, other sizes of clips, or sampling that is no
            student's.
    """
    section = recipe.distillation
    taught = read_recipe(section.teacher)
    model = with_text_to_video_defaults(taught).model
    other = [key for key in recipe.model if key not in _OWN_MODEL_KEYS and recipe.model[key] != model.get(key)]
    if other:
        raise ValueError(
            f"model.{other[0]} is {recipe.model[other[0]]} and the teacher's {model.get(other[0])}: a student is built "
            "as its teacher is; leave the key out."
        )
    for key in _SIZES:
        size, known = getattr(recipe.processor, key), getattr(taught.processor, key)
        if size != known:
            raise ValueError(
                f"processor.{key} is {size} and the teacher's {known}: a student makes clips of its teacher's size; "
                "leave the key out."
            )
    steps, guidance = recipe.generation.num_inference_steps, recipe.generation.guidance_scale
    defaults = GenerationSection()
    if steps not in (section.to_steps, defaults.num_inference_steps):
        raise ValueError(
            f"generation.num_inference_steps is {steps} and distillation.to_steps {section.to_steps}: a student "
            "samples in its own steps; leave the first out."
        )
    if guidance != defaults.guidance_scale:
        raise ValueError(
            f"generation.guidance_scale is {guidance}, and a student is sampled without guidance, since it learns its "
            "teacher's: set it to 1, and distillation.teacher_guidance_scale to what is to be learned."
        )
    own = {key: recipe.model[key] for key in _OWN_MODEL_KEYS if key in recipe.model}
    generation = replace(recipe.generation, num_inference_steps=section.to_steps)
    return replace(recipe, model={**model, **own}, generation=generation)


def student_recipe(
    run: str | Path, overrides: Sequence[str], *, to_steps: int, output_dir: str | Path | None = None
) -> Recipe:
    """The recipe that distills a finished run to `to_steps`: its own data, model and evaluation.

    Raises:
        ValueError: the run cannot teach.
        RecipeError: an override that cannot be.
    """
    taught = read_recipe(run)
    path = Path(run)
    steps = f"{to_steps} step{'s' if to_steps > 1 else ''}"
    values: dict[str, Any] = read_recipe_values(RunFolder(path).recipe, []).values
    training = values.get("training") or {}
    # as many pairs to learn from in an optimiser step, whatever the steps
    batch_size = {"per_device_train_batch_size": max(1, _PAIRS_PER_STEP // to_steps)}
    values["training"] = batch_size | {name: training[name] for name in _INHERITED if name in training}
    values["task"] = "distillation"
    values["output_dir"] = str(
        output_dir or path.with_name(f"{path.name}_{to_steps}_step{'s' if to_steps > 1 else ''}")
    )
    values["generation"] = {**(values.get("generation") or {}), "num_inference_steps": to_steps, "guidance_scale": 1.0}
    section: dict[str, Any] = {"teacher": str(path), "to_steps": to_steps}
    if taught.task == "distillation":
        section["compare_steps"] = taught.distillation.compare_steps
        section["compare_with"] = taught.distillation.compare_with or taught.distillation.teacher
    values["distillation"] = section
    for override in overrides:
        key = override.split("=", 1)[0].strip()
        if key in _DECIDED:
            raise ValueError(f"{override}: {_DECIDED[key]}; leave {key} out.")
    hub = values.get("hub")
    if hub and hub.get("title"):
        hub["title"] = f"{hub['title'].split(', in ')[0]}, in {steps}"
    return recipe_of_values(values, overrides, path=RunFolder(path).recipe)
