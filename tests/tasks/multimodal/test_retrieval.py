import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from heygen_hf.data import decode_video, render_moving_digits
from heygen_hf.models.multimodal_fusion import MultimodalFusionForContrastiveLearning
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.multimodal.label_texts import label_texts
from heygen_hf.tasks.multimodal.retrieval import build, evaluate
from heygen_hf.tasks.recipe import load_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "multimodal" / "retrieval_moving_digits.yaml"
TINY = [
    "model.hidden_size=16",
    "model.num_attention_heads=2",
    "model.text_config={hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    "model.video_config={hidden_sizes: [4, 8], strides: [[2, 4], [2, 4]]}",
    "training.max_steps=2",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.logging_steps=1",
    "training.warmup_steps=1",
    "training.disable_tqdm=true",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=24, num_validation=8, num_test=48, progress=False)
    return folder


def settings(work: Path, *overrides: str, digits: str = "digits") -> list[str]:
    return [*TINY, f"data.train={work / digits}", f"data.cache_dir={work / 'cache'}", *overrides]


def build_parts(work: Path, *overrides: str, digits: str = "digits"):
    return build(load_recipe(RECIPE, settings(work, *overrides, digits=digits)), exported=None, is_main=True)


@pytest.fixture(scope="module")
def finished(work: Path) -> Path:
    overrides = settings(work, f"output_dir={work / 'run'}")
    return run_recipe(RECIPE, overrides, resume=None, overwrite=False, command=["heygen-hf", "train"]).folder


def figures_of(folder: Path) -> list[dict]:
    return json.loads((folder / "metrics.json").read_text())["figures"]


def test_the_run_loads_and_classifies_a_clip_by_texts(work: Path, finished: Path) -> None:
    model = MultimodalFusionForContrastiveLearning.from_pretrained(finished).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(finished), VideoProcessor.from_pretrained(finished)
    clip = processor(decode_video(str(work / "digits" / "test" / "00000.mp4"), processor=processor))
    shares = model.zero_shot(["a red 7 moves up", "a blue 1 moves left"], tokenizer=tokenizer, **clip)
    assert shares.sum().item() == pytest.approx(1)
    assert "zero_shot" in (finished / "README.md").read_text()


def test_every_figure_says_its_gallery_count_and_interval(finished: Path) -> None:
    figures = figures_of(finished)
    recalls = [figure for figure in figures if "R@" in figure["name"]]
    assert all("gallery: " in figure["note"] and figure["count"] for figure in recalls)
    assert all(figure["interval"][0] <= figure["value"] <= figure["interval"][1] for figure in recalls)
    first = [figure for figure in recalls if figure["name"] == "video to text R@1"]
    # most of the 48 test combinations are not among 24 training clips
    groups = {figure["group"]: figure for figure in first}
    unseen, seen = groups["unseen combinations"], groups["seen combinations"]
    assert unseen["count"] + seen["count"] == 48
    assert "gallery: 48 all distinct test captions" in unseen["note"]
    assert sum("distinct captions" in group for group in groups) == 1
    zero_shot = {figure["name"]: figure for figure in figures if figure["name"].startswith("zero-shot")}
    assert set(zero_shot) == {"zero-shot colour", "zero-shot digit", "zero-shot direction"}
    assert zero_shot["zero-shot digit"]["count"] == 48
    assert "had these words" in zero_shot["zero-shot digit"]["note"]


def test_evaluating_the_run_again_gives_the_same_figures(work: Path, finished: Path) -> None:
    evaluate(finished, output=work / "again.json")
    assert json.loads((work / "again.json").read_text())["figures"] == figures_of(finished)


def test_a_model_that_knows_its_clips_finds_them_all(work: Path) -> None:
    """Measured on what it was trained on, with every caption shown to it."""
    parts = build_parts(work, f"data.test={work / 'digits' / 'train'}", "data.augmentation=null")
    torch.manual_seed(0)
    model = parts.build_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    batch = parts.collate(parts.train_dataset.__getitems__(range(24)))
    untrained = {figure.name: figure.value for figure in parts.measure(model.eval())}
    model.train()
    for _ in range(60):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    trained = {figure.name: figure.value for figure in parts.measure(model.eval())}
    assert untrained["video to text R@1"] < 0.3
    assert trained["video to text R@1"] > 0.9
    assert trained["text to video R@1"] > 0.9
    assert trained["zero-shot colour"] > untrained["zero-shot colour"]


def test_without_label_columns_there_is_one_gallery_and_copies_count(work: Path) -> None:
    shutil.copytree(work / "digits", work / "copies")
    path = work / "copies" / "test" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "text": f"caption {i // 2}"}) + "\n" for i, row in enumerate(rows)))
    parts = build_parts(work, "data.label_columns=[]", "evaluation.label_template=null", digits="copies")
    figures = {figure.name: figure for figure in parts.measure(parts.build_model().eval())}
    assert figures["video to text R@1"].count == 48
    assert "gallery: 24 distinct test captions" in figures["video to text R@1"].note
    assert figures["text to video R@1"].count == 24
    assert "chance 4.2%" in figures["text to video R@1"].note  # 2 of 48 clips are right
    assert {"video to text R@5", "video to text R@10", "video to text median rank"} <= set(figures)


def test_label_texts_take_every_name_of_the_other_columns() -> None:
    names = {"colour": ["red", "blue"], "digit": ["1", "2", "3"], "unused": ["x"]}
    texts = label_texts("a {colour} {digit}", names, most=9)
    assert texts == {
        "colour": [["a red 1", "a red 2", "a red 3"], ["a blue 1", "a blue 2", "a blue 3"]],
        "digit": [["a red 1", "a blue 1"], ["a red 2", "a blue 2"], ["a red 3", "a blue 3"]],
    }
    assert label_texts("a {colour} {digit}", names, most=2)["colour"][0] == ["a red 1", "a red 2"]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("model.text_config=null", "the model reads no text"),
        ("model.video_config=null", "the model reads no video"),
        ("model.text_config={vocab_size: 20}", "knows 20 tokens"),
        ("model.text_config={hiden_size: 20}", r"hiden_size is not a known key; did you mean model.text_config.hidden"),
        ("model.text_config={model_type: brt}", "did you mean bert"),
        ("model.video_config={min_clip_size: [9, 1, 1]}", "does not take clips of"),
        ("data.tokenizer=/nowhere", "no tokenizer loads from '/nowhere'"),
        ("data.caption_column=null", "data.caption_column"),
        ("evaluation.label_template=a {color} digit", "names 'color'"),
        ("evaluation.label_template=a digit", "no label column"),
        ("data.recordings={folder: x}", "reads no audio"),
        ("training.label_smoothing_factor=0.1", "label_smoothing_factor=0.1 does not go with video_text_retrieval"),
        ("model.hidden_size=15", "multiple of num_attention_heads"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(work: Path, override: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        build_parts(work, override).build_model()
    assert "\n" not in str(raised.value)


def test_captions_that_are_all_empty_are_refused(work: Path) -> None:
    shutil.copytree(work / "digits", work / "wordless")
    path = work / "wordless" / "train" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "text": " "}) + "\n" for row in rows))
    with pytest.raises(ValueError, match="24 training captions are empty"):
        build_parts(work, digits="wordless")


def test_test_clips_without_captions_are_classified_and_not_searched(work: Path) -> None:
    shutil.copytree(work / "digits", work / "mute_test")
    for split in ("validation", "test"):
        path = work / "mute_test" / split / "metadata.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**row, "text": ""}) + "\n" for row in rows))
    parts = build_parts(work, digits="mute_test")
    assert parts.eval_dataset is None
    figures = {figure.name: figure for figure in parts.measure(parts.build_model().eval())}
    assert figures["video to text R@1"].value is None
    assert figures["video to text R@1"].note == "no test clip has a caption"
    assert figures["zero-shot colour"].count == 48


def test_validation_clips_in_place_of_test_clips_are_called_so(work: Path) -> None:
    shutil.copytree(work / "digits", work / "no_test")
    shutil.rmtree(work / "no_test" / "test")
    parts = build_parts(work, digits="no_test")
    figures = parts.measure(parts.build_model().eval())
    assert {figure.group for figure in figures if "zero-shot" in figure.name} == {"validation clips"}
    assert not any("test clips" in (figure.note or "") for figure in figures)
    assert "no test split" in parts.data_note


def test_sound_tracks_that_do_not_exist_are_an_empty_modality(work: Path) -> None:
    with pytest.raises(ValueError, match="no sample has any audio"):
        build_parts(work, "model.audio_config={hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}")


def test_a_trained_text_encoder_is_loaded_and_frozen(work: Path) -> None:
    from transformers import BertConfig, BertModel

    parts = build_parts(work)
    tokenizer = parts.processors[0]
    bert = BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
    )
    bert.save_pretrained(work / "bert")
    tokenizer.save_pretrained(work / "bert")
    frozen = f"model.text_encoder={work / 'bert'}", "model.text_config=null", "model.freeze_encoders=[text]"
    model = build_parts(work, *frozen).build_model().train()
    weight = model.fusion.text_encoder.embeddings.word_embeddings.weight
    assert torch.equal(weight, bert.embeddings.word_embeddings.weight)
    assert not weight.requires_grad
    assert next(model.fusion.video_encoder.parameters()).requires_grad
    with pytest.raises(ValueError, match=r"text_encoder and model.text_config are both set"):
        build_parts(work, f"model.text_encoder={work / 'bert'}").build_model()


def test_an_encoder_of_the_hub_whose_clips_are_of_another_size_is_refused(work: Path) -> None:
    videomae = "{model_type: videomae, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}"
    parts = build_parts(work, "model.video_config=null", f"model.video_config={videomae}")
    with pytest.raises(ValueError, match=r"it wants num_frames 16, it wants image_size \(224, 224\); set processor"):
        parts.build_model()
