"""Judges learn labels from clips, say how good they are, and come back from disk the same."""

import json
import logging

import pytest
import torch

from heygen_hf.evaluation import AttributeJudges, train_attribute_judges
from heygen_hf.evaluation.attribute_accuracy.clip_augmentation import augment_clips
from heygen_hf.evaluation.attribute_accuracy.judges import prepare_clips
from heygen_hf.evaluation.attribute_accuracy.labelled_clips import class_names, fetch_clips, read_labels

COLUMNS = ["colour", "direction"]


def train(clips_class, processor, **options):
    options = {
        "label_columns": COLUMNS,
        "max_steps": 60,
        "batch_size": 16,
        "check_every_steps": 15,
        **options,
    }
    return train_attribute_judges(
        clips_class(96, seed=1), clips_class(40, seed=2), processor=processor, progress=False, **options
    )


@pytest.fixture(scope="module")
def trained(clips_class, processor):
    """Trained once for the tests that only look."""
    return train(clips_class, processor)


def test_judges_learn_and_stop_early(trained):
    for column in COLUMNS:
        figure = trained.held_out["columns"][column]
        assert figure["accuracy"] >= 0.95
        assert figure["count"] == 40
        assert figure["interval"][0] < figure["accuracy"] <= figure["interval"][1]
    assert trained.held_out["all_columns_correct"]["count"] == 40
    colour = trained.training["colour"]
    assert colour.stopped_early
    assert colour.steps < 60
    assert colour.train_clips == 96


def test_saved_judges_come_back_the_same(trained, processor, clips_class, tmp_path):
    trained.save_pretrained(tmp_path)
    loaded = AttributeJudges.from_pretrained(tmp_path)
    assert loaded.columns == COLUMNS
    assert loaded.held_out == trained.held_out
    assert loaded.training == trained.training
    clips = clips_class(10, seed=5)
    assert loaded.predict_dataset(clips, processor) == trained.predict_dataset(clips, processor, batch_size=3)
    assert json.loads((tmp_path / "judges.json").read_text())["held_out"] == trained.held_out
    assert (tmp_path / "colour" / "model.safetensors").exists()


def test_predictions_are_the_labels_asked_for(trained, processor, clips_class):
    clips = clips_class(12, seed=7)
    videos = processor.normalize(torch.stack([item["frames"] for item in clips.items]))
    predictions = trained.predict(videos, batch_size=5)
    assert predictions["colour"] == [item["colour"] for item in clips.items]
    assert trained.predict(videos[:0]) == {"colour": [], "direction": []}


def test_same_seed_same_judges(clips_class, processor):
    before = torch.get_rng_state()
    options = {"label_columns": ["colour"], "max_steps": 3}
    first, second = (train(clips_class, processor, **options) for _ in range(2))
    other = train(clips_class, processor, seed=1, **options)
    weights = [judges.judges["colour"].classifier.weight for judges in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_value_never_trained_on_is_reported_and_counts_as_error(clips_class, processor, caplog):
    held_out = clips_class(8, seed=2)
    held_out.items[0]["colour"] = "mauve"
    with caplog.at_level(logging.WARNING):
        judges = train_attribute_judges(
            clips_class(16, seed=1),
            held_out,
            label_columns=["colour"],
            processor=processor,
            max_steps=2,
            batch_size=4,
            progress=False,
        )
    assert "mauve" in caplog.text
    assert judges.training["colour"].unknown_held_out_values == ("mauve",)
    figure = judges.held_out["columns"]["colour"]
    assert figure["count"] == 8
    assert figure["correct"] == sum(
        seen == item["colour"]
        for seen, item in zip(judges.predict_dataset(held_out, processor)["colour"], held_out.items, strict=True)
    )
    assert figure["correct"] < 8


def test_labels_are_read_without_decoding_where_the_data_set_has_them():
    class Undecodable:
        labels = {"digit": [7, 1, 7]}  # noqa: RUF012

        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise AssertionError("a clip was decoded")

    assert read_labels(Undecodable(), ["digit"]) == {"digit": ["7", "1", "7"]}
    with pytest.raises(ValueError, match="no label column 'colour'; its columns are: digit"):
        read_labels(Undecodable(), ["colour"])


def test_several_clips_are_read_at_once_where_the_data_set_can(clips_class, processor):
    class Batched(clips_class):
        def __getitem__(self, index):
            raise AssertionError("one clip at a time")

        def __getitems__(self, indices):
            return [self.items[index] for index in indices]

    clips = Batched(6, seed=1)
    expected = processor.normalize(torch.stack([clips.items[index]["frames"] for index in (4, 1)]))
    assert torch.equal(fetch_clips(clips, [4, 1], processor), expected)
    assert read_labels(clips, ["colour"])["colour"] == [item["colour"] for item in clips.items]


class TestBadInput:
    def test_missing_column_names_those_there_are(self, clips_class, processor):
        with pytest.raises(ValueError, match=r"no label column 'shape'; its columns are: colour, direction, text"):
            train(clips_class, processor, label_columns=["shape"])

    def test_clip_without_a_value_is_named(self, clips_class, processor):
        clips = clips_class(8, seed=1)
        clips.items[5]["colour"] = None
        with pytest.raises(ValueError, match="clip 5 has no value in the label column 'colour'"):
            train_attribute_judges(clips, clips, label_columns=["colour"], processor=processor, progress=False)

    def test_empty_data_set(self, clips_class, processor):
        with pytest.raises(ValueError, match="held_out_dataset is empty"):
            train_attribute_judges(
                clips_class(4, seed=1), clips_class(0, seed=1), label_columns=["colour"], processor=processor
            )

    def test_clips_of_different_shapes(self, clips_class, processor):
        clips = clips_class(16, seed=1)
        clips.items[3]["frames"] = clips.items[3]["frames"][:2]
        with pytest.raises(ValueError, match="expected uint8 clips of one shape"):
            train_attribute_judges(clips, clips, label_columns=["colour"], processor=processor, progress=False)

    def test_uint8_videos_point_to_the_processor(self, trained):
        with pytest.raises(ValueError, match=r"use processor\.normalize"):
            trained.predict(torch.zeros(1, 4, 3, 16, 16, dtype=torch.uint8))

    def test_diverged_video_is_named(self, trained):
        videos = torch.zeros(3, 4, 3, 16, 16)
        videos[1, 2] = float("nan")
        with pytest.raises(ValueError, match="video 1 has values that are not finite"):
            trained.predict(videos)

    def test_folder_without_judges(self, tmp_path):
        with pytest.raises(ValueError, match=r"has no judges\.json"):
            AttributeJudges.from_pretrained(tmp_path)

    def test_index_cannot_point_outside(self, trained, tmp_path):
        trained.save_pretrained(tmp_path)
        index = json.loads((tmp_path / "judges.json").read_text())
        index["columns"]["colour"] = "../elsewhere"
        (tmp_path / "judges.json").write_text(json.dumps(index))
        with pytest.raises(ValueError, match="points outside its folder"):
            AttributeJudges.from_pretrained(tmp_path)

    def test_odd_column_names_save_inside_the_folder(self, trained, tmp_path):
        judge = trained.judges["colour"]
        odd = AttributeJudges({"../up": judge, "a/b": judge, "judges.json": judge})
        odd.save_pretrained(tmp_path / "judges")
        assert {path.name for path in tmp_path.iterdir()} == {"judges"}
        assert AttributeJudges.from_pretrained(tmp_path / "judges").columns == odd.columns


def test_class_names_are_classes_in_a_stable_order():
    assert class_names("digit", ["10", "9", "9", "10", "2", "2"]) == ["2", "9", "10"]
    assert class_names("mixed", ["b", "1", "a", "b", "1", "a"]) == ["1", "a", "b"]
    with pytest.raises(ValueError, match="two classes or more"):
        class_names("colour", ["red", "red"])
    with pytest.raises(ValueError, match="3 different values in 4 clips"):
        class_names("scan", ["1", "2", "3", "3"])


def test_large_clips_are_thinned_out_and_scaled_down():
    frames = torch.arange(20.0).view(1, 20, 1, 1, 1).expand(2, 20, 3, 40, 80)
    prepared = prepare_clips(frames, max_frames=5, max_edge=16)
    assert prepared.shape == (2, 5, 3, 8, 16)
    torch.testing.assert_close(prepared[0, :, 0, 0, 0], torch.tensor([0.0, 5.0, 10.0, 14.0, 19.0]))
    small = torch.rand(1, 4, 3, 16, 16)
    assert torch.equal(prepare_clips(small, max_frames=16, max_edge=64), small)


def test_augmentation_moves_all_frames_of_a_clip_alike():
    still = torch.rand(2, 1, 3, 16, 16).expand(2, 4, 3, 16, 16)
    moved = augment_clips(still, torch.Generator().manual_seed(0))
    assert moved.shape == still.shape
    assert not torch.allclose(moved[:, 0], still[:, 0], atol=1e-2)
    for frame in range(1, 4):
        assert torch.equal(moved[:, frame], moved[:, 0])
    again = augment_clips(still, torch.Generator().manual_seed(0))
    assert torch.equal(moved, again)
    unmoved = augment_clips(still, torch.Generator().manual_seed(0), max_degrees=0, max_scaling=0, max_shift=0)
    torch.testing.assert_close(unmoved, still.contiguous(), atol=1e-5, rtol=1e-5)
