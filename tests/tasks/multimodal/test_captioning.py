import json
import math
import shutil
import struct
import wave
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from heygen_hf.data import build_tokenizer, decode_video, render_moving_digits
from heygen_hf.models.multimodal_fusion import MultimodalFusionForCaptioning
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import evaluate_recipe_run, run_recipe
from heygen_hf.tasks.model_training.remeasuring import on_training_device
from heygen_hf.tasks.multimodal.captioning import build, evaluate
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.recipe_planner import plan_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "multimodal" / "captioning_moving_digits.yaml"
TINY = [
    "model.hidden_size=16",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=2",
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


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=24, num_validation=8, num_test=24, progress=False)
    return folder


def settings(work: Path, *overrides: str, digits: str = "digits") -> list[str]:
    return [*TINY, f"data.train={work / digits}", f"data.cache_dir={work / 'cache'}", *overrides]


def build_parts(work: Path, *overrides: str, digits: str = "digits"):
    return build(load_recipe(RECIPE, settings(work, *overrides, digits=digits)), exported=None, is_main=True)


def with_captions(work: Path, name: str, caption_of, *, splits=("train",)) -> None:
    """The clips with other captions."""
    shutil.copytree(work / "digits", work / name)
    for split in splits:
        path = work / name / split / "metadata.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        lines = [json.dumps({**row, "text": caption_of(number, row["text"])}) for number, row in enumerate(rows)]
        path.write_text("\n".join(lines) + "\n")


def learn(model: torch.nn.Module, batch: dict[str, torch.Tensor], *, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def finished(work: Path) -> Path:
    overrides = settings(work, f"output_dir={work / 'run'}")
    return run_recipe(RECIPE, overrides, resume=None, overwrite=False, command=["heygen-hf", "train"]).folder


def test_the_run_loads_and_describes_a_clip(work: Path, finished: Path) -> None:
    model = MultimodalFusionForCaptioning.from_pretrained(finished).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(finished), VideoProcessor.from_pretrained(finished)
    assert tokenizer.eos_token_id == model.decoder.config.eos_token_id
    clip = processor(decode_video(str(work / "digits" / "test" / "00000.mp4"), processor=processor))
    tokens = model.generate(**clip, do_sample=False)
    # "a red 7 moves left" and its end, as long as the longest caption of training
    assert tokens.shape[1] <= model.generation_config.max_new_tokens == 6
    assert "MultimodalFusionForCaptioning" in (finished / "README.md").read_text()


def test_figures_are_counted_for_seen_and_unseen_combinations_apart(finished: Path) -> None:
    figures = json.loads((finished / "metrics.json").read_text())["figures"]
    exact = [figure for figure in figures if figure["name"] == "caption exact match"]
    assert {figure["group"] for figure in exact} == {"seen combinations", "unseen combinations"}
    assert sum(figure["count"] for figure in exact) == 24
    assert {figure["name"] for figure in figures} > {"colour in the caption", "digit in the caption"}
    assert all(figure["interval"][0] <= figure["value"] <= figure["interval"][1] for figure in figures)


def test_evaluating_the_run_again_gives_the_same_figures(work: Path, finished: Path) -> None:
    evaluate(finished, output=work / "again.json")
    assert (
        json.loads((work / "again.json").read_text())["figures"]
        == json.loads((finished / "metrics.json").read_text())["figures"]
    )


def test_a_run_is_evaluated_from_another_folder_with_the_place_of_its_data(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    overrides = [*TINY, "data.train=digits", "training.max_steps=1", f"data.cache_dir={work / 'cache'}"]
    run = work / "relative"
    run_recipe(RECIPE, [*overrides, f"output_dir={run}"], resume=None, overwrite=False, command=["heygen-hf"])
    before, card = (run / "metrics.json").read_text(), (run / "README.md").read_text()
    (work / "elsewhere").mkdir()
    monkeypatch.chdir(work / "elsewhere")
    with pytest.raises(ValueError, match=r"run it from there, or add data\.train=PATH") as raised:
        evaluate_recipe_run(run)
    assert "\n" not in str(raised.value)
    evaluate_recipe_run(run, [f"data.train={work / 'digits'}"])
    again = json.loads((run / "evaluation" / "overridden.json").read_text())
    assert again == json.loads(before)
    assert (run / "README.md").read_text() == card


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_run_is_measured_where_it_would_be_trained(finished: Path) -> None:
    recipe = load_recipe(finished / "recipe.yaml")
    model = MultimodalFusionForCaptioning.from_pretrained(finished)
    assert on_training_device(model, recipe).device.type == "cuda"


@pytest.mark.parametrize("fusion", ["early", "late", "hybrid"])
def test_each_fusion_learns_to_write_the_captions(work: Path, fusion: str) -> None:
    parts = build_parts(work, f"model.fusion={fusion}", "data.augmentation=null")
    model = parts.build_model().train()
    batch = parts.collate(parts.train_dataset.__getitems__(range(8)))
    losses = learn(model, batch, steps=20)
    assert losses[-1] < losses[0] / 2


def test_empty_captions_are_left_out_and_said(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_captions(work, "some_empty", lambda number, text: "" if number < 5 else text)
    parts = build_parts(work, digits="some_empty")
    assert len(parts.train_dataset) == 19
    assert "5 of 24 training captions are empty" in capsys.readouterr().out
    assert "5 of 24" in parts.data_note
    report = parts.reports["train"]
    assert (report.num_used, len(report.skipped)) == (19, 5)
    assert "used as they are" not in report.summary()


def test_figures_of_validation_clips_say_so(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_captions(work, "no_test", lambda number, text: text)
    shutil.rmtree(work / "no_test" / "test")
    parts = build_parts(work, digits="no_test")
    assert "no test split: the figures are of the validation clips" in parts.data_note
    assert "no test split: the figures are of the validation clips" in capsys.readouterr().out


def test_a_single_clip_is_measured_on_itself_and_that_is_said(work: Path) -> None:
    (work / "one").mkdir()
    shutil.copy(work / "digits" / "train" / "00000.mp4", work / "one")
    first = (work / "digits" / "train" / "metadata.jsonl").read_text().splitlines()[0]
    (work / "one" / "metadata.jsonl").write_text(first + "\n")
    assert "the figures are of the training clips" in build_parts(work, digits="one").data_note


def test_test_clips_without_captions_are_not_measured(work: Path) -> None:
    with_captions(work, "mute_test", lambda number, text: "", splits=("validation", "test"))
    parts = build_parts(work, digits="mute_test")
    assert parts.eval_dataset is None
    (figure,) = parts.measure(parts.build_model().eval())
    assert (figure.name, figure.value) == ("caption exact match", None)
    assert figure.note == "no test clip has a caption"


def test_the_plan_takes_no_step_of_the_run(work: Path) -> None:
    found = plan_recipe(RECIPE, settings(work), measure=False)
    assert found["splits"]["train"]["num_used"] == 24
    assert found["batches"]["steps_per_epoch"] == 3


def test_no_captions_at_all_are_refused(work: Path) -> None:
    with_captions(work, "all_empty", lambda number, text: " ")
    with pytest.raises(ValueError, match="24 training captions are empty"):
        build_parts(work, digits="all_empty")
    with pytest.raises(ValueError, match="caption_column"):
        build_parts(work, "data.caption_column=null")


def test_long_captions_are_cut_and_counted(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = build_parts(work, "data.max_caption_tokens=4")
    assert "24 of 24 training captions are longer than 4 tokens and cut: 48 tokens are lost" in capsys.readouterr().out
    labels = parts.collate(parts.train_dataset.__getitems__([0, 1]))["labels"]
    assert labels.shape == (2, 4)
    assert labels[:, -1].tolist() == [parts.processors[0].eos_token_id] * 2


def test_captions_of_clips_with_sound(work: Path) -> None:
    (work / "spoken").mkdir()
    for digit in range(10):
        for take in range(2):
            samples = [int(8000 * math.sin(place * (digit + 1 + take / 9) / 20)) for place in range(800)]
            with wave.open(str(work / "spoken" / f"{digit}_ann_{take}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(struct.pack("<800h", *samples))
    parts = build_parts(
        work,
        f"data.recordings={{folder: {work / 'spoken'}, label_column: digit, test_takes: 1}}",
        "model.audio_config={sampling_rate: 8000, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    )
    batch = parts.collate(parts.train_dataset.__getitems__(range(4)))
    assert batch["audio_attention_mask"].any(dim=1).all()
    model = parts.build_model().train()
    assert model.config.modalities == ("video", "audio")
    learn(model, batch, steps=3)  # a fresh decoder reads nothing of what stands before its text
    model.eval()
    silent = {name: value for name, value in batch.items() if not name.startswith("audio")}
    assert not torch.equal(model(**batch).logits, model(**silent).logits)
    assert {figure.name for figure in parts.measure(model)} > {"caption exact match"}


def test_a_tokenizer_without_an_end_is_refused(work: Path) -> None:
    build_tokenizer(["a red 7 moves left"]).save_pretrained(work / "no_end")
    with pytest.raises(ValueError, match="no end token"):
        build_parts(work, f"data.tokenizer={work / 'no_end'}")


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("model.decoder_config={vocab_size: 20}", "knows 20 tokens"),
        ("model.decoder_config=null", "need a decoder"),
        ("model.video_config=null", "give model.video_config"),
        ("model.text_config={}", "reads the clip alone"),
        ("model.audio_config={}", "no sample has any audio"),
        ("evaluation.batch_size=0", "batch_size"),
        ("training.label_smoothing_factor=0.1", "label_smoothing_factor=0.1 does not go with video_captioning"),
    ],
)
def test_what_cannot_write_captions_is_refused(work: Path, override: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build_parts(work, override).build_model()
