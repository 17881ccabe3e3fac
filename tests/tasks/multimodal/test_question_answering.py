import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from heygen_hf.data import decode_video, render_moving_digits
from heygen_hf.models.multimodal_fusion import MultimodalFusionForQuestionAnswering
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.multimodal.question_answering import build, evaluate
from heygen_hf.tasks.recipe import load_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "multimodal" / "question_answering_moving_digits.yaml"
TINY = [
    "model.hidden_size=16",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=2",
    "model.text_config={hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    "model.video_config={hidden_sizes: [4, 8], strides: [[2, 4], [2, 4]]}",
    "model.decoder_config={hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    "training.max_steps=3",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=3",
    "training.save_steps=3",
    "training.logging_steps=1",
    "training.warmup_steps=1",
    "training.disable_tqdm=true",
]
OWN_COLUMNS = ["data.questions=[]", "data.question_column=asked", "data.answer_column=answered"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=24, num_validation=8, num_test=24, progress=False)
    return folder


def settings(work: Path, *overrides: str, digits: str = "digits") -> list[str]:
    return [*TINY, f"data.train={work / digits}", f"data.cache_dir={work / 'cache'}", *overrides]


def build_parts(work: Path, *overrides: str, digits: str = "digits"):
    return build(load_recipe(RECIPE, settings(work, *overrides, digits=digits)), exported=None, is_main=True)


def with_columns(work: Path, name: str, columns_of, *, splits=("train", "validation", "test")) -> None:
    """The clips with columns changed or added: `columns_of(number, row)`."""
    shutil.copytree(work / "digits", work / name)
    for split in splits:
        path = work / name / split / "metadata.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        lines = [json.dumps({**row, **columns_of(number, row)}) for number, row in enumerate(rows)]
        path.write_text("\n".join(lines) + "\n")


def train(work: Path, name: str, *overrides: str, digits: str = "digits") -> Path:
    values = settings(work, f"output_dir={work / name}", *overrides, digits=digits)
    return run_recipe(RECIPE, values, resume=None, overwrite=False, command=["heygen-hf", "train"]).folder


def figures_of(folder: Path) -> list[dict]:
    return json.loads((folder / "metrics.json").read_text())["figures"]


@pytest.fixture(scope="module")
def picking(work: Path) -> Path:
    return train(work, "picking")


@pytest.fixture(scope="module")
def writing(work: Path) -> Path:
    return train(work, "writing", "model.answer_by=generation", "model.fusion=late")


@pytest.mark.parametrize("answer_by", ["picking", "writing"])
def test_the_run_loads_and_answers(work: Path, answer_by: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(answer_by)
    model = MultimodalFusionForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), VideoProcessor.from_pretrained(folder)
    clip = processor(decode_video(str(work / "digits" / "test" / "00000.mp4"), processor=processor))
    question = tokenizer(["where does it move?"], return_tensors="pt")
    (answer,) = model.answer(tokenizer=tokenizer, **question, **clip)
    if answer_by == "picking":
        assert answer in model.config.id2label.values()
        assert {"red", "left", "7"} <= set(model.config.id2label.values())
    else:
        assert model.generation_config.max_new_tokens == 2  # a word and its end


@pytest.mark.parametrize("answer_by", ["picking", "writing"])
def test_each_question_is_counted_apart_and_held_out_wordings_too(
    answer_by: str, request: pytest.FixtureRequest
) -> None:
    figures = figures_of(request.getfixturevalue(answer_by))
    for column in ("colour", "direction", "digit"):
        own = {figure["group"]: figure for figure in figures if figure["name"] == f"answers about {column}"}
        assert own.keys() == {"seen combinations", "unseen combinations", "wordings held out of training"}
        assert own["seen combinations"]["count"] + own["unseen combinations"]["count"] == 24
        assert own["wordings held out of training"]["count"] == 24


@pytest.mark.parametrize("answer_by", ["picking", "writing"])
def test_evaluating_the_run_again_gives_the_same_figures(
    work: Path, answer_by: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(answer_by)
    evaluate(folder, output=work / f"{answer_by}.json")
    assert json.loads((work / f"{answer_by}.json").read_text())["figures"] == figures_of(folder)


@pytest.mark.parametrize("fusion", ["early", "late", "hybrid"])
@pytest.mark.parametrize("answer_by", ["classification", "generation"])
def test_each_fusion_learns_to_answer(work: Path, fusion: str, answer_by: str) -> None:
    how = [f"model.fusion={fusion}", f"model.answer_by={answer_by}", "model.label_smoothing=0"]
    parts = build_parts(work, *how, "data.augmentation=null")
    model = parts.build_model().train()
    batch = parts.collate(parts.train_dataset.__getitems__(range(12)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_an_answer_unknown_to_training_is_skipped_by_the_loss_and_counts_as_wrong(work: Path) -> None:
    def sideways(number, row):
        return {"direction": "sideways"} if number < 3 else {}

    with_columns(work, "sideways", sideways, splits=("validation", "test"))
    parts = build_parts(work, digits="sideways")
    assert len(parts.eval_dataset) == 8 * 3 - 3
    figures = {(figure.name, figure.group): figure for figure in parts.measure(parts.build_model().eval())}
    direction = figures["answers about direction", "seen combinations"]
    assert direction.note == "3 of 24 answers occur in no training clip and count as wrong"
    assert figures["answers about colour", "seen combinations"].note is None


def test_a_question_that_no_test_clip_answers_is_not_measured(work: Path) -> None:
    with_columns(work, "undirected", lambda number, row: {"direction": ""}, splits=("test",))
    parts = build_parts(work, digits="undirected")
    figures = [figure for figure in parts.measure(parts.build_model().eval()) if figure.name.endswith("direction")]
    assert [(figure.value, figure.note) for figure in figures] == [(None, "no test clip has an answer")]


def test_questions_and_answers_of_the_metadata(work: Path) -> None:
    def own_questions(number, row):
        if number % 2:
            return {"asked": "what colour is the digit?", "answered": row["colour"]}
        return {"asked": "where does it move?", "answered": row["direction"] if number else ""}

    with_columns(work, "own", own_questions)
    parts = build_parts(work, *OWN_COLUMNS, digits="own")
    assert len(parts.train_dataset) == 23  # the first has no answer
    assert "1 of the training samples have no answer" in parts.data_note
    item = parts.train_dataset[0]
    assert (item["questions"], item["answers"]) == (["what colour is the digit?"], [item["clip"]["colour"]])
    figures = parts.measure(parts.build_model().eval())
    groups = [figure for figure in figures if figure.name == "answers"]
    assert sum(figure.count for figure in groups) == 23
    assert {figure.name for figure in figures if figure.group is None} == {
        "answers to 'what colour is the digit?'",
        "answers to 'where does it move?'",
    }


def test_long_questions_and_answers_are_cut_and_counted(work: Path) -> None:
    overrides = ["data.max_caption_tokens=6", "model.answer_by=generation", "data.max_answer_tokens=2"]
    with_columns(work, "wordy", lambda number, row: {"colour": f"rather {row['colour']}"})
    note = build_parts(work, *overrides, digits="wordy").data_note
    # "in which direction does the digit go?": the sign at the end is a token too
    assert "1 questions are longer than 6 tokens and cut: 2 tokens are lost" in note
    assert "longer than 2 tokens and cut: 24 tokens are lost" in note


def test_answers_that_are_all_empty_or_all_the_same_are_refused(work: Path) -> None:
    with_columns(work, "unanswered", lambda number, row: {"asked": "why?", "answered": ""})
    with pytest.raises(ValueError, match="no clip has an answer"):
        build_parts(work, *OWN_COLUMNS, digits="unanswered")
    with_columns(work, "one_answer", lambda number, row: {"asked": "why?", "answered": "because"})
    with pytest.raises(ValueError, match="every training answer is 'because'"):
        build_parts(work, *OWN_COLUMNS, digits="one_answer")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["data.questions=[]"], "set either questions"),
        (["data.question_column=text", "data.answer_column=colour"], "set either questions"),
        (["data.questions=[]", "data.question_column=text"], "go together"),
        (["data.questions=[{question: '', answer_column: colour}]"], "empty wording"),
        (["data.questions=[{question: why, answer_column: colour, held_out: [why]}]"], "held_out repeats 'why'"),
        (["data.questions=[{question: why, answer_column: size}]"], "no label column 'size'"),
        (["model.text_config=null"], "give model.text_config"),
        (["training.label_smoothing_factor=0.1"], "use model.label_smoothing"),
        (["training.label_smoothing_factor=0.1", "model.answer_by=generation"], "leave it out"),
        (["model.video_config=null"], "give model.video_config"),
        (["model.answer_by=generation", "model.decoder_config=null"], "give model.decoder_config"),
        (["model.text_config={vocab_size: 20}"], "knows 20 tokens"),
    ],
)
def test_what_cannot_be_asked_or_answered_is_refused(work: Path, overrides: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build_parts(work, *overrides).build_model()
