import json
import math
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from heygen_hf.data import decode_video, render_moving_digits, write_video
from heygen_hf.data.recordings import decode_recording
from heygen_hf.models.multimodal_fusion import MultimodalFusionForClassification
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.multimodal.classification import build, evaluate
from heygen_hf.tasks.multimodal.hidden_words import hide_words
from heygen_hf.tasks.recipe import load_recipe

RECIPES = Path(__file__).parents[3] / "recipes" / "multimodal"
CLIPS = RECIPES / "classification_moving_digits.yaml"
SPOKEN = RECIPES / "spoken_digits.yaml"
THREE = RECIPES / "spoken_and_moving_digits.yaml"
STEPS = [
    "training.max_steps=2",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.logging_steps=1",
    "training.warmup_steps=1",
    "training.disable_tqdm=true",
]
TINY = [
    "model.hidden_size=16",
    "model.num_attention_heads=2",
    "model.text_config={hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    "model.video_config={hidden_sizes: [4, 8], strides: [[2, 4], [2, 4]]}",
    *STEPS,
]
TINY_AUDIO = [
    "model.hidden_size=16",
    "model.num_attention_heads=2",
    "model.audio_config={num_mel_bins: 16, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2}",
    *STEPS,
]
RATE = 8000


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=24, num_validation=8, num_test=24, progress=False)
    for digit in range(10):
        for take in range(3):
            write_tone(folder / "spoken" / f"{digit}_ann_{take}.wav", pitch=300 + 150 * digit + 3 * take)
    return folder


def tone(pitch: float, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * math.pi * pitch * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def write_tone(path: Path, *, pitch: float) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(tone(pitch, 0.2) * 32767).astype("<i2").tobytes())


def settings(work: Path, *overrides: str, tiny: list[str] = TINY, clips: str = "digits") -> list[str]:
    return [*tiny, f"data.train={work / clips}", f"data.cache_dir={work / 'cache'}", *overrides]


def build_parts(work: Path, *overrides: str, recipe: Path = CLIPS, **options):
    return build(load_recipe(recipe, settings(work, *overrides, **options)), exported=None, is_main=True)


def fit(parts, *, steps: int, rows=range(24), learning_rate: float = 1e-2):
    """The model after some steps on one batch."""
    torch.manual_seed(0)
    model = parts.build_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    batch = parts.collate(parts.train_dataset.__getitems__(list(rows)))
    for _ in range(steps):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="module")
def finished(work: Path) -> Path:
    overrides = settings(work, f"output_dir={work / 'run'}")
    return run_recipe(CLIPS, overrides, resume=None, overwrite=False, command=["heygen-hf", "train"]).folder


def test_words_are_hidden_whole_and_whatever_their_capitals() -> None:
    assert hide_words("A Red 7 moves left", ["red", "7"], mark="[UNK]") == "A [UNK] [UNK] moves left"
    assert hide_words("a 17 redder", ["7", "red"], mark="?") == "a 17 redder"
    assert hide_words("light blue, blue", ["blue", "light blue"], mark="?") == "?, ?"
    assert hide_words("a (b)", ["", "(b)"], mark="?") == "a ?"


def test_clips_without_captions_are_kept_with_the_text_masked(work: Path) -> None:
    shutil.copytree(work / "digits", work / "half")
    path = work / "half" / "train" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [json.dumps({**row, "text": row["text"] if place % 2 else " "}) for place, row in enumerate(rows)]
    path.write_text("\n".join(lines))
    parts = build_parts(work, clips="half")
    assert len(parts.train_dataset) == len(rows) == parts.reports["train"].num_used
    batch = parts.collate(parts.train_dataset.__getitems__([0, 1]))
    assert batch["attention_mask"].any(dim=1).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"use model\.label_smoothing"):
        build_parts(work, "training.label_smoothing_factor=0.1")


def test_the_run_loads_and_classifies_a_clip_without_a_caption(work: Path, finished: Path) -> None:
    model = MultimodalFusionForClassification.from_pretrained(finished).eval()
    processor = VideoProcessor.from_pretrained(finished)
    clip = processor(decode_video(str(work / "digits" / "test" / "00000.mp4"), processor=processor))
    (named,) = model.class_names(model(**clip).logits)
    assert set(named) == {"colour", "digit", "direction"}
    assert named["digit"] in "0123456789"


def test_figures_are_of_hidden_words_and_of_each_missing_modality(work: Path, finished: Path) -> None:
    figures = json.loads((finished / "metrics.json").read_text())["figures"]
    for column in ("colour", "digit", "direction"):
        whole = [figure for figure in figures if figure["name"] == column]
        assert {figure["group"] for figure in whole} <= {"seen combinations", "unseen combinations"}
        assert sum(figure["count"] for figure in whole) == 24
        assert all(f"the caption hides the {column}" in figure["note"] for figure in whole)
        assert {f"{column} without video", f"{column} without caption"} <= {figure["name"] for figure in figures}
    evaluate(finished, output=work / "again.json")
    assert json.loads((work / "again.json").read_text())["figures"] == figures


def test_other_words_are_hidden_in_every_epoch_and_what_is_told_is_not_asked(work: Path) -> None:
    parts = build_parts(work)
    samples = parts.train_dataset
    columns = ("colour", "digit", "direction")
    texts = []
    for epoch in range(20):
        samples.set_epoch(epoch)
        item = samples[0]
        texts.append(item["text"])
        told = [column for column in columns if item[column] in item["text"].split()]
        assert item["text"].count("[UNK]") == 3 - len(told) >= 1
    assert len(set(texts)) > 4
    samples.set_epoch(0)
    assert samples[0]["text"] == texts[0]
    for item in parts.eval_dataset.__getitems__(range(8)):
        told = {column for column in columns if item[column] in item["text"].split()}
        assert told == set(item["unasked"])
        labels = parts.collate([item])["labels"][0]
        assert (labels != -100).sum() == 3 - len(told)
    assert (parts.collate([samples[0]])["labels"] != -100).all()  # in training a told word is learnt from as well


@pytest.mark.parametrize("fusion", ["early", "late", "hybrid"])
def test_each_fusion_learns_and_does_without_either_modality(work: Path, fusion: str) -> None:
    on_train = f"data.test={work / 'digits' / 'train'}"
    options = "data.augmentation=null", "data.hidden_words=all", "model.modality_dropout=0.1", "model.label_smoothing=0"
    parts = build_parts(work, f"model.fusion={fusion}", on_train, *options)
    figures = {figure.name: figure for figure in parts.measure(fit(parts, steps=50))}
    assert "the caption hides every label" in figures["colour"].note
    assert figures["colour"].value > 0.4  # a model that knows nothing gets 0.17, and 0.25 by the most frequent
    assert figures["colour without caption"].value > 0.4
    assert figures["colour without video"].value < 0.35  # the caption says nothing of it


def test_with_captions_left_as_they_are_reading_is_enough(work: Path) -> None:
    on_train = f"data.test={work / 'digits' / 'train'}"
    parts = build_parts(
        work, "data.hidden_words=none", on_train, "data.augmentation=null", "model.modality_dropout=0.5"
    )
    figures = {figure.name: figure for figure in parts.measure(fit(parts, steps=50))}
    assert figures["direction without video"].value > 0.9
    assert "captions may name the class" in figures["direction"].note


def test_spoken_digits_train_load_and_are_measured(work: Path) -> None:
    overrides = [*TINY_AUDIO, f"data.recordings.folder={work / 'spoken'}", f"output_dir={work / 'spoken_run'}"]
    run = run_recipe(
        SPOKEN, [*overrides, "data.recordings.test_takes=1"], resume=None, overwrite=False, command=["heygen-hf"]
    )
    (figure,) = run.metrics["figures"]
    assert (figure["name"], figure["count"]) == ("digit", 10)
    assert "pipeline_tag: audio-classification" in (run.folder / "README.md").read_text()
    model = MultimodalFusionForClassification.from_pretrained(run.folder).eval()
    samples, _ = decode_recording(
        work / "spoken" / "3_ann_0.wav", sampling_rate=model.config.audio_config.sampling_rate
    )
    (named,) = model.class_names(model(audio_values=samples[None]).logits)
    assert named["digit"] in "0123456789"
    evaluate(run.folder, output=work / "spoken.json")
    assert json.loads((work / "spoken.json").read_text())["figures"][0]["value"] == figure["value"]


def test_spoken_digits_are_learnt_from_takes_that_the_test_does_not_have(work: Path) -> None:
    overrides = [*TINY_AUDIO, f"data.recordings.folder={work / 'spoken'}", "data.recordings.test_takes=1"]
    parts = build(load_recipe(SPOKEN, overrides), exported=None, is_main=False)
    assert len(parts.train_dataset) == 20
    (figure,) = parts.measure(fit(parts, steps=40, rows=range(20)))
    assert figure.value > 0.6


def test_three_modalities_pair_clips_with_recordings_of_their_digit(work: Path) -> None:
    spoken = f"data.recordings.folder={work / 'spoken'}"
    tiny = TINY + TINY_AUDIO[2:3]
    parts = build_parts(work, spoken, "data.recordings.test_takes=1", recipe=THREE, tiny=tiny)
    for item in parts.train_dataset.__getitems__(range(8)):
        pitch = torch.fft.rfft(item["audio"]).abs().argmax().item() * RATE / len(item["audio"])
        assert round((pitch - 303) / 150) == int(item["digit"])
    names = {figure.name for figure in parts.measure(parts.build_model().eval())}
    assert {"digit", "digit without sound", "digit without video", "digit without caption"} <= names


def test_recordings_that_fit_no_clip_are_refused(work: Path, tmp_path: Path) -> None:
    write_tone(tmp_path / "few" / "3_ann_0.wav", pitch=500)
    write_tone(tmp_path / "few" / "3_ann_9.wav", pitch=900)
    tiny = TINY + TINY_AUDIO[2:3]
    few = f"data.recordings.folder={tmp_path / 'few'}"
    with pytest.raises(ValueError, match=r"no recording has the digit '0'"):
        build_parts(work, few, recipe=THREE, tiny=tiny)
    with pytest.raises(ValueError, match=r"none of the clips' labels"):
        build_parts(work, few, "data.recordings.label_column=word", recipe=THREE, tiny=tiny)


def test_a_model_of_clips_needs_clips(work: Path) -> None:
    recordings = f"data.recordings.folder={work / 'spoken'}"
    with pytest.raises(ValueError, match="there are recordings only"):
        build(load_recipe(SPOKEN, [recordings, "model.text_config={}"]), exported=None, is_main=False)
    with pytest.raises(ValueError, match=r"does not exist"):
        build(load_recipe(SPOKEN, ["data.recordings.folder=/nowhere"]), exported=None, is_main=False)
    with pytest.raises(ValueError, match=r"data.label_columns is empty"):
        build_parts(work, "data.label_columns=[]")


def test_the_sound_tracks_of_clips_are_learnt_from(tmp_path: Path) -> None:
    """Grey clips that differ in their sound alone; one has no track and goes without."""
    (tmp_path / "train").mkdir()
    rows = []
    for number in range(12):
        pitch = None if number == 0 else (400, 1500)[number % 2]
        frames = np.full((8, 3, 32, 32), 20 * number, dtype=np.uint8)
        sound = {} if pitch is None else {"audio": tone(pitch, 1.0), "sampling_rate": RATE}
        write_video(tmp_path / "train" / f"{number}.mp4", frames, frame_rate=8, **sound)
        rows.append({"file_name": f"{number}.mp4", "text": "a grey clip", "sound": ("low", "high")[number % 2]})
    (tmp_path / "train" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    audio_config = "num_mel_bins: 16, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2"
    audio_config = f"model.audio_config={{sampling_rate: 8000, {audio_config}}}"
    parts = build_parts(
        tmp_path,
        audio_config,
        "data.label_columns=[sound]",
        f"data.validation={tmp_path / 'train'}",
        "data.augmentation=null",
        "data.num_workers=0",
        "model.modality_dropout=0",
        clips="train",
    )
    assert parts.train_dataset[0]["audio"] is None
    batch = parts.collate(parts.train_dataset.__getitems__(range(12)))
    assert batch["audio_values"].shape == (12, 8000)  # 8 frames at 8 a second
    assert batch["audio_attention_mask"].any(dim=1).tolist() == [False] + [True] * 11
    figures = {figure.name: figure.value for figure in parts.measure(fit(parts, steps=30, rows=range(1, 12)))}
    assert figures["sound"] >= 11 / 12
    assert figures["sound without sound"] < 0.8
