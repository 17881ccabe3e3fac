"""Recipes: what is accepted, what is refused in one line, and that what is written loads back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from heygen_hf.tasks import Recipe, RecipeError, load_recipe, resolved_yaml


@dataclass
class Column:
    name: str
    weight: float = 1.0


@dataclass
class Data:
    train: str
    validation: str | Path | None = None
    frame_rate: float | None = None
    num_frames: int = 8
    policy: Literal["pad", "skip", "off"] = "pad"
    label_columns: list[str] = field(default_factory=list)
    size: tuple[int, int] = (32, 32)
    cache_dir: Path = Path("cache")
    columns: list[Column] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {self.num_frames}")


@dataclass
class Peft:
    rank: int = 8


class TrainingArguments:
    pass


@dataclass
class ToyTrainingArguments(TrainingArguments):
    output_dir: str | None = None
    seed: int = 0
    hub_token: str | None = None
    max_steps: int = -1
    learning_rate: float = 1e-3
    eval_strategy: str = "no"

    def __post_init__(self) -> None:
        raise AssertionError("a recipe's training section is never instantiated by reading it")


SECTIONS = {"data": Data, "training": ToyTrainingArguments, "peft": Peft | None}
MINIMAL = "task: toy\ndata:\n  train: clips\n"


@pytest.fixture
def load(tmp_path: Path):
    def load_text(text: str, *overrides: str, name: str = "toy.yaml") -> Recipe:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides, sections=SECTIONS)

    return load_text


def test_defaults_and_values(load) -> None:
    recipe = load(MINIMAL + "  label_columns: [colour, digit]\n  size: [16, 24]\n")
    assert recipe.data == Data(train="clips", label_columns=["colour", "digit"], size=(16, 24))
    assert recipe.output_dir == Path("outputs/toy")
    assert recipe.seed == 0
    assert recipe.training == {}
    assert recipe.peft is None


def test_numbers_read_as_people_write_them(load) -> None:
    recipe = load(MINIMAL + "  frame_rate: 8\n  options: {min_lr: 1e-5}\ntraining: {learning_rate: '1e-3'}\n")
    assert recipe.training == {"learning_rate": 0.001}
    assert recipe.data.options == {"min_lr": 1e-5}
    assert isinstance(recipe.data.frame_rate, float)


def test_overrides_win_and_are_yaml(load) -> None:
    recipe = load(
        MINIMAL + "training:\n  max_steps: 5\n",
        "training.max_steps=200",
        "training.learning_rate=2e-3",
        "data.train=other/clips=1",
        "data.label_columns=[colour]",
        "data.validation=",
        "peft.rank=4",
        "seed=7",
    )
    assert recipe.training == {"max_steps": 200, "learning_rate": 0.002}
    assert recipe.data.train == "other/clips=1"
    assert recipe.data.label_columns == ["colour"]
    assert recipe.data.validation is None
    assert recipe.peft == Peft(rank=4)
    assert recipe.seed == 7


def test_base_is_merged_deep_and_relative_to_the_file(load, tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases" / "root.yaml").write_text("task: toy\nseed: 3\ndata: {train: a, options: {x: 1, y: 1}}")
    (tmp_path / "bases" / "middle.yaml").write_text("base: root.yaml\ndata: {options: {y: 2}}\n")
    recipe = load("base: bases/middle.yaml\ndata: {num_frames: 4}\n")
    assert recipe.data == Data(train="a", num_frames=4, options={"x": 1, "y": 2})
    assert recipe.seed == 3


def test_resolved_recipe_loads_back_identically(load) -> None:
    recipe = load(
        MINIMAL + "  columns: [{name: '1e-3'}, {name: 'no', weight: 2}]\n  policy: 'off'\npeft: {rank: 2}\n"
        "training: {learning_rate: 1e-7, eval_strategy: 'no'}\noutput_dir: runs/a\n",
        "data.options={deep: {é: [1, 2.5, null, true, '7']}}",
    )
    text = resolved_yaml(recipe)
    again = load(text, name="again.yaml")
    assert again == recipe
    assert resolved_yaml(again) == text
    assert yaml.safe_load(text) == recipe.to_dict()  # any YAML reader agrees


def test_bare_no_and_off_are_words(load) -> None:
    recipe = load(MINIMAL + "  policy: off\ntraining: {eval_strategy: no}\n")
    assert recipe.data.policy == "off"
    assert recipe.training["eval_strategy"] == "no"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("training:\n  max_step: 5\n", "max_step is not a known key; did you mean training.max_steps?"),
        ("trainin:\n  max_steps: 5\n", "trainin is not a known key; did you mean training?"),
        ("num_frames: 5\n", "did you mean data.num_frames?"),
        ("hub: {}\n", "hub is not a section of the task toy, which has data, training, peft"),
        ("  columns: [{name: a, wieght: 1}]\n", "data.columns[0].wieght is not a known key; did you mean"),
        ("training:\n  max_steps: many\n", 'training.max_steps must be an integer, got "many"'),
        ("training:\n  max_steps: true\n", "training.max_steps must be an integer, got true"),
        ("training:\n  max_steps: 1.5\n", "training.max_steps must be an integer, got 1.5"),
        ("training:\n  learning_rate: fast\n", "training.learning_rate must be a number"),
        ("training:\n  learning_rate: true\n", "training.learning_rate must be a number, got true"),
        ("training:\n  seed: 1\n", "set seed at the top of the recipe"),
        ("training:\n  hub_token: hf_x\n", "put the token in HF_TOKEN"),
        ("  shuffle: 1\n", "data.shuffle must be true or false, got 1"),
        ("  policy: padd\n", 'data.policy must be one of pad, skip, off, got "padd"'),
        ("  label_columns: colour\n", "for a list of one: [colour]"),
        ("  label_columns: [colour, 7]\n", "data.label_columns[1] must be a string, got 7"),
        ("  size: [1, 2, 3]\n", "data.size must have 2 values, got [1, 2, 3]"),
        ("  num_frames: 0\n", "num_frames must be at least 1, got 0"),
        ("  num_frames: null\n", "data.num_frames must be an integer, got null"),
        ("  train: other\n", "the key 'train' stands there twice"),
        ("training: 5\n", "training must be a section of keys, got 5"),
        ("seed: -1\n", "seed must be at least 0, got -1"),
        ("seed: [\n", "not valid YAML"),
        ("base: missing.yaml\n", "missing.yaml does not exist"),
        ("base: toy.yaml\n", "is this recipe itself"),
        ("  frame_rate: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_file(load, extra: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(MINIMAL + extra)
    message = str(caught.value)
    assert expected in message
    assert "toy.yaml" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.max_step=5", "did you mean training.max_steps?"),
        ("training.max_steps=5.5", "must be an integer"),
        ("training.max_steps", "expected section.key=value"),
        ("training..max_steps=5", "expected section.key=value"),
        ("seed.value=5", "seed"),
        ("data.train.folder=x", "data.train is a value"),
        ("data.train=[", "not valid YAML"),
        ("data=null", "data.train"),
        ("base=sizes/tiny.yaml", "base is set in the recipe file only"),
    ],
)
def test_a_bad_override_is_blamed_on_the_override(load, override: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load("seed: 1\n" + MINIMAL, override)
    assert expected in str(caught.value)
    assert f"override {override!r}" in str(caught.value)


def test_a_missing_value_says_how_to_give_it(load) -> None:
    with pytest.raises(RecipeError, match=r"data\.train is missing; set it .*, or as data\.train=…"):
        load("task: toy\n")
    with pytest.raises(RecipeError, match="task is missing"):
        load("seed: 1\n")
    with pytest.raises(RecipeError, match="empty"):
        load("")
    with pytest.raises(RecipeError, match="expected sections"):
        load("- a\n")


def test_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml is not there"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="a folder, not a recipe file"):
        load_recipe(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a UTF-8"):
        load_recipe(tmp_path / "binary.yaml")


def test_an_unknown_task_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text("task: text_to_vidoe\n")
    with pytest.raises(RecipeError, match="did you mean text_to_video"):
        load_recipe(path)


def test_the_trainers_own_arguments_are_checked_without_being_made(tmp_path: Path) -> None:
    from transformers import TrainingArguments as RealTrainingArguments

    path = tmp_path / "toy.yaml"
    path.write_text("task: toy\ntraining: {learning_rate: 1e-3, lr_scheduler_type: cosine, report_to: [none]}")
    recipe = load_recipe(path, sections={"training": RealTrainingArguments})
    assert recipe.training == {"learning_rate": 0.001, "lr_scheduler_type": "cosine", "report_to": ["none"]}
    with pytest.raises(RecipeError, match=r"did you mean training\.warmup_steps"):
        load_recipe(path, ["training.warmup_step=3"], sections={"training": RealTrainingArguments})


def test_a_models_configuration_is_checked_without_being_made(tmp_path: Path) -> None:
    from heygen_hf import VideoTransformerConfig

    path = tmp_path / "toy.yaml"
    path.write_text("task: toy\nmodel: {hidden_size: 96}\n")
    sections = {"model": VideoTransformerConfig}
    assert load_recipe(path, sections=sections).model == {"hidden_size": 96}
    with pytest.raises(RecipeError, match=r"did you mean model\.hidden_size"):
        load_recipe(path, ["model.hiden_size=3"], sections=sections)
    with pytest.raises(RecipeError, match=r"model\.hidden_size must be an integer"):
        load_recipe(path, ["model.hidden_size=wide"], sections=sections)


def test_a_type_that_cannot_be_resolved_leaves_the_others_checked(tmp_path: Path) -> None:
    @dataclass
    class Section:
        odd: "OnlyForTypeCheckers | None" = None  # noqa: F821
        count: int = 1

    path = tmp_path / "toy.yaml"
    path.write_text("task: toy\ndata: {odd: 3, count: 2}\n")
    assert load_recipe(path, sections={"data": Section}).data == Section(odd=3, count=2)
    with pytest.raises(RecipeError, match=r"data\.count must be an integer"):
        load_recipe(path, ["data.count=x"], sections={"data": Section})
