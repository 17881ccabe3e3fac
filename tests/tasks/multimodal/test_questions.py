from collections import Counter

import pytest
import torch

from heygen_hf.data import load_video_dataset, prepare_clips, render_moving_digits
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.multimodal.questions import Question, QuestionClips
from heygen_hf.tasks.multimodal.samples import FusionSamples

QUESTIONS = [
    Question(question=["what colour is it?", "which colour?"], answer_column="colour"),
    Question(question="which digit?", answer_column="digit"),
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> FusionSamples:
    folder = tmp_path_factory.mktemp("clips")
    render_moving_digits(folder / "digits", num_train=24, num_validation=4, num_test=4, progress=False)
    table = load_video_dataset(str(folder / "digits"), split="train", label_columns=["colour", "digit"])
    processor = VideoProcessor(num_frames=8, height=32, width=32, frame_position="start")
    clips, _ = prepare_clips(table, processor=processor, seed=0, cache_dir=folder / "cache", progress=False)
    return FusionSamples(clips, None)


def test_every_clip_is_asked_every_question_once(samples: FusionSamples) -> None:
    asked = QuestionClips(samples, QUESTIONS)
    assert len(asked) == 48
    items = asked.__getitems__(range(48))
    assert Counter(item["index"] for item in items) == dict.fromkeys(range(24), 2)
    for item, answer in zip(items, asked.answers, strict=True):
        column = "digit" if item["question"] == "which digit?" else "colour"
        assert item["answer"] == answer == str(item[column])
    torch.testing.assert_close(items[3]["frames"], samples[1]["frames"])


def test_the_wording_depends_on_seed_epoch_and_index_alone(samples: FusionSamples) -> None:
    asked = QuestionClips(samples, QUESTIONS, seed=3)

    def wordings(epoch: int) -> list[str]:
        asked.set_epoch(epoch)
        return [item["question"] for item in asked.__getitems__(range(0, 48, 2))]

    first, second = wordings(0), wordings(1)
    assert set(first) == {"what colour is it?", "which colour?"}
    assert first != second
    assert first == wordings(0)
    assert asked.fetch([4], epoch=1)[0]["question"] == second[2]
    assert asked[4]["question"] == first[2]
    assert [
        item["question"] for item in QuestionClips(samples, QUESTIONS, seed=4).__getitems__(range(0, 48, 2))
    ] != first


def test_a_harder_question_is_asked_more_often_in_other_words(samples: FusionSamples) -> None:
    often = QuestionClips(
        samples,
        [Question(question=["what colour is it?", "which colour?"], answer_column="colour", times=3), QUESTIONS[1]],
    )
    items = often.__getitems__(range(len(often)))
    assert Counter(item["index"] for item in items) == dict.fromkeys(range(24), 4)
    first = {item["question"] for item in items if item["index"] < 3}
    assert first == {"what colour is it?", "which colour?", "which digit?"}
    with pytest.raises(ValueError, match="times must be at least 1"):
        Question(question="why?", answer_column="colour", times=0)


def test_what_has_no_answer_is_left_out_and_counted(samples: FusionSamples) -> None:
    colours = list(samples.clips.labels["colour"])
    samples.clips.labels["colour"] = ["", None, *colours[2:]]
    try:
        asked = QuestionClips(samples, QUESTIONS)
        known = QuestionClips(samples, QUESTIONS, answers=[*samples.clips.labels["digit"], "red"])
    finally:
        samples.clips.labels["colour"] = colours
    assert (len(asked), asked.num_unanswered, asked.num_unknown) == (46, 2, 0)
    assert known.num_unknown == sum(colour != "red" for colour in colours[2:])
    assert len(known) == 46 - known.num_unknown


def test_either_questions_or_a_column(samples: FusionSamples) -> None:
    with pytest.raises(ValueError, match="either questions"):
        QuestionClips(samples)
    with pytest.raises(ValueError, match="either questions"):
        QuestionClips(samples, QUESTIONS, question_column="colour", answer_column="digit")
