import pytest

from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.recipe_yaml import RecipeError
from heygen_hf.tasks.search import search_recipe
from heygen_hf.tasks.search.space import check_space, drawn_values, suggest, trial_recipe, with_values
from heygen_hf.tasks.text_to_video import check_recipe

LAYERS = {"model.num_hidden_layers": {"low": 1, "high": 2}}


class Lowest:
    """What optuna's trial gives, at the low end of everything."""

    def suggest_int(self, name: str, low: int, high: int, **options: object) -> int:
        return low

    def suggest_float(self, name: str, low: float, high: float, **options: object) -> float:
        return low

    def suggest_categorical(self, name: str, choices: list[str]) -> str:
        assert all(isinstance(choice, str) for choice in choices)
        return choices[0]


def test_a_trials_recipe_is_the_recipe_with_other_values(write_recipe) -> None:
    space = {
        "training": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
        "model.patch_size": {"choices": [[4, 8, 8], [8, 8, 8]]},
        **LAYERS,
    }
    recipe = load_recipe(write_recipe({"space": space}))
    assert set(recipe.search.space) == {"training.learning_rate", "model.patch_size", "model.num_hidden_layers"}

    trial = trial_recipe(recipe, suggest(Lowest(), recipe.search.space))

    assert trial.model["patch_size"] == [4, 8, 8]
    assert trial.model["num_hidden_layers"] == 1
    assert trial.training["learning_rate"] == 1e-4
    assert trial.training["max_steps"] == 2
    assert (trial.seed, trial.search) == (recipe.seed, None)
    assert drawn_values({"model.patch_size": "[4, 8, 8]"}, recipe.search.space) == {"model.patch_size": [4, 8, 8]}


def test_values_reach_nested_sections_that_are_not_there_yet(write_recipe) -> None:
    recipe = load_recipe(write_recipe())

    assert with_values(recipe, {"data.augmentation.horizontal_flip_prob": 0.5}).data.augmentation is not None


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"space": {"model.num_hiden_layers": {"low": 1, "high": 2}}}, "did you mean model.num_hidden_layers"),
        ({"space": {"model.num_hidden_layers": {"low": 1.5, "high": 2}}}, "must be an integer, got 1.5"),
        ({"space": {"training.optimizer": {"choices": ["muon", "sgd"]}}}, "training.optimizer must be one of muon"),
        ({"space": {"seed": {"low": 1, "high": 2}}}, "seed is the same in all trials"),
        ({"space": {"training.max_steps": {"low": 1, "high": 2}}}, "training.max_steps is the same in all trials"),
        ({"space": {"model.hidden_size": {"choices": [17, 16]}}, "steps": 1}, "hidden_size=17 is refused always"),
        ({}, "has no search.space"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_runs(write_recipe, search, words) -> None:
    recipe = load_recipe(write_recipe(search, model={"num_attention_heads": 2}))

    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        check_space(recipe, check=check_recipe)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"space": {"model.hidden_size": {"low": 8}}}, "needs low and high, or choices"),
        ({"space": {"model.hidden_size": {"low": 8, "high": 8}}}, "low must be below high"),
        ({"space": {"model.hidden_size": {"low": 0, "high": 8, "log": True}}}, "log needs low above 0"),
        ({"space": {"model.hidden_size": {"choices": []}}}, "choices is empty"),
        ({"space": {"model.hidden_size": {"choices": [8, 8]}}}, "a value twice"),
        ({"space": {"model.hidden_size": {"lo": 8, "high": 9}}}, "did you mean search.space.model.hidden_size.low"),
        ({"space": {"model.hidden_size": 8}}, "must be {low"),
        ({"metric": "accuracy"}, "say direction"),
        ({"steps": 0}, "steps must be above 0"),
        ({"sampler": "grid"}, "must be one of tpe, random"),
        ({"trials": 3}, "search.trials is not a known key"),
    ],
)
def test_a_search_section_is_read_strictly(write_recipe, search, words) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write_recipe(search))

    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_combinations_that_cannot_be_are_told_and_not_refused(write_recipe) -> None:
    space = {"model.hidden_size": {"choices": [16, 24]}, "model.num_attention_heads": {"choices": [1, 2, 4]}}
    recipe = load_recipe(write_recipe({"space": space}))

    (remark,) = check_space(recipe, check=check_recipe)

    assert "of the 6 combinations looked at cannot be" in remark


def test_whole_numbers_stay_whole_and_real_ones_real(write_recipe) -> None:
    recipe = load_recipe(write_recipe({"space": {**LAYERS, "training.weight_decay": {"low": 0.0, "high": 1.0}}}))

    assert [dimension.is_whole for dimension in recipe.search.space.values()] == [True, False]


def test_zero_trials(write_recipe) -> None:
    with pytest.raises(ValueError, match="trials must be at least 1"):
        search_recipe(write_recipe({"space": LAYERS}), trials=0)
