"""Video classification: it learns classes of clips, from class folders and from columns, and says what cannot work."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModelForVideoClassification,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
)

from heygen_hf.data import write_video
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderForVideoClassification
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.video_classification import build, evaluate

RECIPES = Path(__file__).parents[2] / "recipes" / "video_classification"
RECIPE = RECIPES / "video_classification_moving_digits.yaml"
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
TINY = [
    "model.hidden_sizes=[8, 8]",
    "model.strides=[[1, 2], [2, 2]]",
    "model.pool_grid=[2, 2, 2]",
    "model.classifier_dropout=0.0",
    "processor.num_frames=4",
    "processor.height=16",
    "processor.width=16",
    "training.max_steps=30",
    "training.per_device_train_batch_size=16",
    "training.learning_rate=3e-2",
    "training.warmup_steps=5",
    "training.linear_decay_share=0.5",
    "training.eval_steps=30",
    "training.save_steps=30",
    "training.disable_tqdm=true",
    "evaluation.group_columns=[]",
]


def clip(colour: str, side: str, seed: int) -> np.ndarray:
    """Four frames of a coloured half on noise, `(frames, height, width, channels)` turned to write_video's layout."""
    frames = np.random.default_rng(seed).integers(0, 60, (4, 3, 16, 16), dtype=np.uint8)
    half = slice(0, 8) if side == "left" else slice(8, 16)
    frames[:, :, :, half] += np.array(COLOURS[colour], dtype=np.uint8)[None, :, None, None] // 2
    return frames


@pytest.fixture(scope="module")
def class_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`red/…mp4` and `blue/…mp4`."""
    folder = tmp_path_factory.mktemp("folders")
    for number in range(12):
        for colour in COLOURS:
            (folder / colour).mkdir(exist_ok=True)
            side = "left" if number % 2 else "right"
            write_video(folder / colour / f"{number}.mp4", clip(colour, side, seed=number))
    return folder


@pytest.fixture(scope="module")
def columns_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits with `colour` and `side` columns; no training clip is blue on the right."""
    folder = tmp_path_factory.mktemp("columns")
    for split, count in (("train", 8), ("validation", 2), ("test", 3)):
        (folder / split).mkdir()
        lines = []
        for number in range(count):
            for colour in COLOURS:
                for side in ("left", "right"):
                    if (split, colour, side) == ("train", "blue", "right"):
                        continue
                    name = f"{colour}_{side}_{number}.mp4"
                    write_video(folder / split / name, clip(colour, side, seed=100 * count + number))
                    lines.append(json.dumps({"file_name": name, "colour": colour, "side": side}))
        (folder / split / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def overrides(data: Path, work: Path, *more: str) -> list[str]:
    return [*TINY, f"data.train={data}", f"data.cache_dir={data.parent / 'cache'}", f"output_dir={work / 'run'}", *more]


def parts_of(data: Path, work: Path, *more: str):
    return build(load_recipe(RECIPE, overrides(data, work, *more)), exported=None, is_main=False)


def test_class_folders_are_learned_and_the_run_loads_anywhere(class_folders, tmp_path, capsys) -> None:
    values = overrides(class_folders, tmp_path, "data.validation_share=0.25")
    run = run_recipe(RECIPES / "class_folders.yaml", values)
    (figure,) = run.metrics["figures"]
    assert figure["name"] == "label accuracy"
    assert figure["value"] == 1
    assert figure["count"] == 6
    assert 0.6 < figure["interval"][0] < 0.62

    model = AutoModelForVideoClassification.from_pretrained(run.folder)
    assert isinstance(model, ConvVideoEncoderForVideoClassification)
    assert model.config.id2label == {0: "blue", 1: "red"}
    assert model.config.label2id == {"blue": 0, "red": 1}
    assert (run.folder / "README.md").read_text().count("no test split") == 1
    # what the card says to type, typed
    parts = parts_of(class_folders, tmp_path, "data.label_columns=[]")  # the folders' names are the column, then
    assert set(parts.train_dataset.labels) == {"label"}
    video = class_folders / "red" / "0.mp4"
    capsys.readouterr()
    exec(parts.usage.replace("FOLDER", repr(str(run.folder))).replace("clip.mp4", str(video)), {})
    assert capsys.readouterr().out.strip() == "red"

    again = evaluate(run.folder)
    assert again["figures"] == run.metrics["figures"]


def test_the_recipe_of_class_folders_fits_together(class_folders, tmp_path) -> None:
    values = [f"data.train={class_folders}", f"data.cache_dir={tmp_path}", "training.max_steps=1"]
    parts = build(load_recipe(RECIPES / "class_folders.yaml", values), exported=None, is_main=False)
    batch = parts.collate([parts.train_dataset[0], parts.train_dataset[1]])
    assert batch["pixel_values"].shape == (2, 16, 3, 112, 112)
    assert parts.build_model()(**batch).loss.isfinite()


def test_several_columns_are_one_model_and_unseen_combinations_are_counted_apart(columns_folder, tmp_path, capsys):
    several = ["data.label_columns=[colour, side]", "training.label_smoothing_factor=0", "data.augmentation=null"]
    run = run_recipe(RECIPE, overrides(columns_folder, tmp_path, *several))
    figures = {(figure["name"], figure["group"]): figure for figure in run.metrics["figures"]}
    assert figures["colour accuracy", "seen combinations"]["count"] == 9
    assert figures["colour accuracy", "unseen combinations"]["count"] == 3
    assert figures["side accuracy", "seen combinations"]["value"] == 1
    assert figures["colour accuracy", "seen combinations"]["value"] == 1
    assert ("all columns correct", "unseen combinations") in figures
    model = AutoModelForVideoClassification.from_pretrained(run.folder)
    assert list(model.config.id2label.values()) == ["colour: blue", "colour: red", "side: left", "side: right"]
    assert model.config.problem_type == "multi_label_classification"
    parts = parts_of(columns_folder, tmp_path, *several)
    assert "A combination of colour, side is seen" in parts.data_note
    video = columns_folder / "test" / "red_left_0.mp4"
    capsys.readouterr()
    exec(parts.usage.replace("FOLDER", repr(str(run.folder))).replace("clip.mp4", str(video)), {})
    assert capsys.readouterr().out.split("\n")[:2] == ["colour: red", "side: left"]
    assert evaluate(run.folder)["figures"] == run.metrics["figures"]


def test_one_column_measured_by_combinations_of_several(columns_folder, tmp_path) -> None:
    asked = ["data.label_columns=[side]", "evaluation.group_columns=[colour, side]"]
    parts = parts_of(columns_folder, tmp_path, *asked)
    figures = parts.measure(parts.build_model().eval())
    assert [(figure.name, figure.group, figure.count) for figure in figures] == [
        ("side accuracy", "seen combinations", 9),
        ("side accuracy", "unseen combinations", 3),
    ]
    batch = parts.collate([parts.train_dataset[index] for index in range(3)])
    assert batch["pixel_values"].shape == (3, 4, 3, 16, 16)
    assert batch["labels"].tolist() == [
        ["left", "right"].index(side) for side in parts.train_dataset.labels["side"][:3]
    ]


@pytest.fixture
def video_mae(tmp_path: Path) -> Path:
    """A tiny VideoMAE with three classes of its own, and the statistics its pixels want."""
    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=16,
        patch_size=8,
        num_frames=4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        id2label={0: "cat", 1: "dog", 2: "fish"},
    )
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "videomae")
    statistics = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2], "image_processor_type": "VideoMAE"}
    (tmp_path / "videomae" / "preprocessor_config.json").write_text(json.dumps(statistics))
    return tmp_path / "videomae"


# the fields of the convolutional encoder do not go with it
NO_CONV = [value for value in TINY if not value.startswith("model.")]


def test_a_pretrained_model_in_bfloat16_is_trained_in_float32(columns_folder, video_mae, tmp_path) -> None:
    half = AutoModelForVideoClassification.from_pretrained(video_mae, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "half")
    values = [*NO_CONV, "model=null", f"model.pretrained={tmp_path / 'half'}", f"data.train={columns_folder}"]
    values += [f"data.cache_dir={tmp_path / 'cache'}", "data.label_columns=[colour]"]
    assert build(load_recipe(RECIPE, values), exported=None, is_main=False).build_model().dtype == torch.float32


def test_a_transformers_model_is_fine_tuned(columns_folder, video_mae, tmp_path, capsys) -> None:
    start = ["model=null", f"model.pretrained={video_mae}"]
    values = [*NO_CONV, *start, f"data.train={columns_folder}", f"data.cache_dir={tmp_path / 'cache'}"]
    values += [f"output_dir={tmp_path / 'run'}", "data.label_columns=[colour]", "training.max_steps=2"]
    run = run_recipe(RECIPE, values)
    assert "its last layer starts anew" in capsys.readouterr().out
    model = AutoModelForVideoClassification.from_pretrained(run.folder)
    assert isinstance(model, VideoMAEForVideoClassification)
    assert model.config.id2label == {0: "blue", 1: "red"}
    processor = AutoImageProcessor.from_pretrained(run.folder)
    assert processor.image_mean == [0.4, 0.5, 0.6]
    assert model(**processor(torch.zeros(4, 3, 16, 16, dtype=torch.uint8))).logits.shape == (1, 2)

    # on top of that run the classes are the same, and so is the head
    capsys.readouterr()
    further = load_recipe(RECIPE, [*values, f"model.pretrained={run.folder}"])
    again = build(further, exported=None, is_main=False)
    assert torch.equal(again.build_model().classifier.weight, model.classifier.weight)
    assert "starts anew" not in capsys.readouterr().out

    with pytest.raises(ValueError, match=r"4 frames of 8x8 .*num_frames=4, image_size=16"):
        build(
            load_recipe(RECIPE, [*values, "processor.height=8", "processor.width=8"]), exported=None, is_main=False
        ).build_model()
    with pytest.raises(ValueError, match=r"model\.hidden_sizes is a field of the convolutional encoder"):
        build(load_recipe(RECIPE, [*values, "model.hidden_sizes=[4]"]), exported=None, is_main=False).build_model()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["data.streaming=true"], "data.streaming=true knows no clip's label"),
        (["data.buckets=[[4, 16, 16]]"], "clips of one size"),
        (["data.label_columns=[colour, side]"], "label_smoothing_factor is for one label column"),
        (
            ["data.label_columns=[colour]", "model.id2label={0: red}"],
            "'blue' in 'colour', and the classes of",
        ),
        (["data.label_columns=[shade]"], "no label column 'shade'"),
        (["data.label_columns=[colour]", "model.pool_grid=[4, 2, 2]"], r"too small for model.strides.*want 7 frames"),
        (["data.label_columns=[colour]", "processor.height=1"], r"1x16 pixels .*too small for model\.strides"),
        (["data.label_columns=[colour]", "model.kernel_size=2"], "kernel_size=2 must be odd"),
    ],
)
def test_what_cannot_work_is_said_before_the_first_step(options, complaint, columns_folder, tmp_path) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        run_recipe(RECIPE, overrides(columns_folder, tmp_path, *options))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_classes_that_are_missing_on_one_side_are_named(columns_folder, tmp_path) -> None:
    def write(split: str, rows: list[dict[str, str]]) -> None:
        (tmp_path / "data" / split).mkdir(parents=True, exist_ok=True)
        for row in rows:
            source = columns_folder / "train" / "red_left_0.mp4"
            (tmp_path / "data" / split / row["file_name"]).write_bytes(source.read_bytes())
        (tmp_path / "data" / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))

    rows = [{"file_name": f"{number}.mp4", "kind": "ab"[number % 2]} for number in range(6)]
    write("train", rows)
    write("validation", rows[:2])
    write("test", [{"file_name": "0.mp4", "kind": "c"}])
    kind = "data.label_columns=[kind]"
    with pytest.raises(ValueError, match=r"data\.test: 1 clips have 'c' in 'kind', and the training clips have a, b"):
        parts_of(tmp_path / "data", tmp_path, kind)
    write("train", [{**row, "kind": "a"} for row in rows])
    with pytest.raises(ValueError, match=r"all 6 training clips have 'a' in 'kind', and one class leaves nothing"):
        parts_of(tmp_path / "data", tmp_path, kind)
    write("train", [{**row, "kind": row["file_name"]} for row in rows])
    with pytest.raises(ValueError, match=r"'kind' has 6 different values in 6 training clips"):
        parts_of(tmp_path / "data", tmp_path, kind)
    write("train", [{**row, "kind": " "} if row is rows[3] else row for row in rows])
    with pytest.raises(ValueError, match=r"training clip 3 has no value in 'kind'"):
        parts_of(tmp_path / "data", tmp_path, kind)
