import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from heygen_hf.data import render_moving_digits
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks import evaluate_recipe_run, load_recipe, run_recipe
from heygen_hf.tasks.distillation import distill
from heygen_hf.tasks.distillation.measuring import take_over_judges
from heygen_hf.tasks.recipe_planner import plan_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video import generate

RECIPE = Path(__file__).parents[2] / "recipes" / "text_to_video" / "moving_digits.yaml"
TINY = [
    "training.max_steps=2",
    "training.per_device_train_batch_size=4",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.logging_steps=1",
    "training.max_eval_clips=4",
    "training.compile_blocks=never",
    "training.disable_tqdm=true",
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=240, num_validation=8, num_test=12, progress=False)
    values = [
        *TINY,
        "model.hidden_size=32",
        "model.num_hidden_layers=1",
        "model.num_attention_heads=1",
        "generation.num_inference_steps=6",
        "generation.num_samples=2",
        "evaluation.videos_per_unseen_combination=1",
        "evaluation.judge_max_steps=4",
        f"data.train={folder / 'digits'}",
        f"data.cache_dir={folder / 'cache'}",
        f"output_dir={folder / 'run'}",
    ]
    return run_recipe(RECIPE, values).folder


@pytest.fixture(scope="module")
def student(teacher: Path) -> Path:
    return distill(teacher, TINY, to_steps=4, command=["heygen-hf", "distill"]).folder


def test_the_student_is_a_run_that_samples_in_few_steps_without_guidance(student: Path, teacher: Path) -> None:
    assert student == teacher.with_name("run_4_steps")
    pipeline = VideoGenerationPipeline.from_pretrained(student)
    assert (pipeline.config.num_inference_steps, pipeline.config.guidance_scale) == (4, 1.0)
    output = pipeline("a red 7 moves left", generator=torch.Generator().manual_seed(0))
    assert (output.num_function_evaluations, output.num_rows) == (4, 4)
    weights = [load_file(run / "transformer" / "model.safetensors") for run in (student, teacher)]
    assert weights[0].keys() == weights[1].keys()
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    recipe = load_recipe(student / "recipe.yaml")
    assert recipe.task == "distillation"
    assert recipe.distillation.teacher == str(teacher)
    assert json.loads((student / "run.json").read_text())["steps"] == 2


def test_its_figures_stand_beside_those_of_many_steps(student: Path, tmp_path: Path) -> None:
    metrics = json.loads((student / "metrics.json").read_text())
    compared = metrics["compared_with"]
    assert (compared["run"], compared["num_inference_steps"], compared["guidance_scale"]) == ("run", 50, 4.0)
    counts = [
        report["attribute_accuracy"]["groups"]["unseen"]["columns"]["digit"]["count"] for report in (metrics, compared)
    ]
    assert counts[0] == counts[1]
    card = (student / "README.md").read_text()
    assert "run at 50 steps, same seeds" in card
    assert "in 4 steps" in card
    again = evaluate_recipe_run(student, limit=4, output=tmp_path / "figures.json")
    assert again["settings"]["num_videos"] == 4
    assert json.loads((tmp_path / "figures.json").read_text())["compared_with"] == again["compared_with"]
    assert again["compared_with"]["student"]["distance"] > 0


def test_the_teacher_still_samples_at_any_steps_and_the_student_by_the_command(
    student: Path, teacher: Path, tmp_path: Path
) -> None:
    generate(teacher, ["a red 7 moves left"], num_inference_steps=4, output_dir=tmp_path / "teacher")
    generate(student, ["a red 7 moves left"], output_dir=tmp_path / "student")
    rows = [json.loads((tmp_path / name / "metadata.jsonl").read_text()) for name in ("teacher", "student")]
    assert [row["num_inference_steps"] for row in rows] == [4, 4]
    assert [row["guidance_scale"] for row in rows] == [4.0, 1.0]


def test_a_student_teaches_fewer_steps_still(student: Path, teacher: Path, tmp_path: Path) -> None:
    off = [*TINY, "evaluation.enabled=false"]
    one = distill(student, off, to_steps=1, output_dir=tmp_path / "one").folder
    recipe = load_recipe(one / "recipe.yaml")
    assert recipe.distillation.compare_with == str(teacher)
    assert VideoGenerationPipeline.from_pretrained(one).config.num_inference_steps == 1
    with pytest.raises(ValueError, match=r"was distilled to 4 steps and knows no others: .* 1 or 2 steps, not of 3"):
        distill(student, off, to_steps=3, output_dir=tmp_path / "three")
    assert not (tmp_path / "three").exists()


def test_what_cannot_be_is_refused(student: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no run at"):
        distill(tmp_path / "nothing", to_steps=4)
    with pytest.raises(ValueError, match="already holds a run"):
        distill(teacher, TINY, to_steps=4)
    with pytest.raises(ValueError, match=r"training\.to_steps does not go here; set distillation\.to_steps"):
        distill(teacher, ["training.to_steps=2"], to_steps=4, output_dir=tmp_path / "other")
    with pytest.raises(ValueError, match=r"distillation\.compare_step"):
        distill(teacher, ["distillation.compare_step=2"], to_steps=4, output_dir=tmp_path / "other")
    with pytest.raises(ValueError, match="is the teacher's own folder"):
        distill(teacher, TINY, to_steps=4, output_dir=teacher, overwrite=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.prediction_type=noise", "model.prediction_type is noise and the teacher's"),
        ("processor.num_frames=4", "processor.num_frames is 4 and the teacher's 8"),
        ("distillation.to_steps=2", "--to-steps says how many"),
        ("generation.num_inference_steps=8", "samples in its own steps"),
        ("generation.guidance_scale=3", "is sampled without guidance"),
    ],
)
def test_what_the_teacher_or_the_command_decides_is_not_said_otherwise(
    teacher: Path, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        distill(teacher, [*TINY, override], to_steps=4, output_dir=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_run_without_its_card_goes_on(teacher: Path, tmp_path: Path, capsys) -> None:
    off = [*TINY, "evaluation.enabled=false", "training.save_steps=1"]
    folder = distill(teacher, off, to_steps=2, output_dir=tmp_path / "run").folder
    before = load_file(folder / "transformer" / "model.safetensors")
    (folder / "README.md").unlink()  # as if killed before it was written
    run_recipe(folder / "recipe.yaml", resume="auto")
    assert "is finished" not in capsys.readouterr().out
    assert (folder / "README.md").is_file()
    after = load_file(folder / "transformer" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    run_recipe(folder / "recipe.yaml", resume="auto")
    assert "is finished" in capsys.readouterr().out
    # as if killed a step earlier: against the teacher, not the student half trained
    (folder / "README.md").unlink()
    shutil.rmtree(folder / "checkpoints" / "checkpoint-2")
    run_recipe(folder / "recipe.yaml", resume="auto")
    after = load_file(folder / "transformer" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_judges_are_taken_over_whole_and_of_the_same_labels_alone(student: Path, tmp_path: Path) -> None:
    recipe, folder = load_recipe(student / "recipe.yaml"), RunFolder(tmp_path)
    take_over_judges(folder, replace(recipe, data=replace(recipe.data, label_columns=["digit"])))
    assert not folder.judges.exists()
    (folder.judges / "half").mkdir(parents=True)
    take_over_judges(folder, recipe)
    assert (folder.judges / "judges.json").is_file()
    assert not (folder.judges / "half").exists()
    assert [path.name for path in folder.judges.parent.iterdir()] == ["judges"]


def test_the_plan_of_a_student(student: Path) -> None:
    plan = plan_recipe(student / "recipe.yaml")
    assert plan["batches"]["samples_per_step"] == 4
    assert plan["step"]["step_seconds"] > 0
