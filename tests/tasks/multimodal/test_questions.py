from collections import Counter

import pytest
import torch

from heygen_hf.data import load_video_dataset, prepare_clips, render_moving_digits
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionForQuestionAnswering
from heygen_hf.models.text_transformer import TextTransformerConfig
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.multimodal.questions import Question, QuestionClips
from heygen_hf.tasks.multimodal.questions_by_clip import QuestionsByClip
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


def test_questions_that_share_a_clip_cost_it_once_and_answer_as_they_do_alone() -> None:
    torch.manual_seed(0)
    text = TextTransformerConfig(
        vocab_size=30, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, is_causal=False
    )
    video = ConvVideoEncoderConfig(hidden_sizes=(8, 16), strides=((1, 2), (2, 2)))
    for fusion in ("early", "late", "hybrid"):
        config = MultimodalFusionConfig(
            text_config=text, video_config=video, fusion=fusion, hidden_size=32, num_attention_heads=2, num_labels=5
        )
        model = MultimodalFusionForQuestionAnswering(config).eval()
        for weight in model.parameters():
            weight.data.add_(0.05 * torch.randn_like(weight))
        clips, index = torch.randn(2, 4, 3, 16, 16), torch.tensor([0, 0, 1])
        ids = torch.randint(1, 30, (3, 4))
        shared = model(input_ids=ids, pixel_values=clips, clip_index=index).logits
        torch.testing.assert_close(shared, model(input_ids=ids, pixel_values=clips[index]).logits)
    with pytest.raises(ValueError, match="numbers from 0 to 2 for 2 clips"):
        model(input_ids=ids, pixel_values=clips, clip_index=torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="pass input_ids and a video"):
        model(input_ids=ids, clip_index=index)


def test_a_clip_comes_with_all_its_questions_as_each_comes_alone(samples: FusionSamples) -> None:
    asked = QuestionClips(samples, QUESTIONS, seed=3)
    by_clip = QuestionsByClip(asked)
    assert len(by_clip) == 24
    by_clip.set_epoch(1)
    for item, index in zip(by_clip.__getitems__([5, 2]), (5, 2), strict=True):
        alone = asked.__getitems__([2 * index, 2 * index + 1])
        assert item["questions"] == [each["question"] for each in alone]
        assert item["answers"] == [each["answer"] for each in alone]
        torch.testing.assert_close(item["clip"]["frames"], alone[0]["frames"])
