"""A page asks for what the model takes, and for sizes it makes."""

import pytest

from heygen_hf.tasks.demo.model_inputs import ModelInputs


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (None, set()),
        (["first"], {"image"}),
        (["first", "prefix"], {"image", "video", "goes_on"}),
        (["first_and_last"], {"last_image"}),
        (["region"], {"video", "mask"}),
        (["random"], {"image", "last_image", "video", "goes_on"}),
    ],
    ids=lambda value: "none" if not value else "-".join(sorted(value)),
)
def test_given_frames_are_asked_for_where_they_were_learned(pipeline_of, patterns, expected) -> None:
    inputs = ModelInputs.of(pipeline_of(given_frame_patterns=patterns))
    assert {name for name in ("image", "last_image", "video", "mask", "goes_on") if getattr(inputs, name)} == expected


def test_sizes_are_those_that_the_model_makes(pipeline_of) -> None:
    pipeline = pipeline_of(given_frame_patterns=None)
    inputs = ModelInputs.of(pipeline)
    most = inputs.most_frames(20.0)
    assert most == 8  # twice what it learned: it does not go on
    for frames in range(inputs.frames_least, most + 1, inputs.frames_step):
        pipeline.clip_shape(num_frames=frames, height=3 * inputs.size_step[0], width=inputs.size_step[1])
    assert ModelInputs.of(pipeline_of()).most_frames(20.0) == 160
    assert ModelInputs.of(pipeline_of()).most_frames(0.1) == 4  # a training clip's length at least


def test_what_it_hears_and_reads(pipeline_of) -> None:
    assert ModelInputs.of(pipeline_of()).kind() == "Image and text to video"
    talker = ModelInputs.of(pipeline_of(hears=True))
    assert (talker.caption, talker.audio, talker.kind()) == (False, True, "Image and speech to video")


def test_classes_are_named(pipeline_of) -> None:
    assert ModelInputs.of(pipeline_of(num_class_labels=3)).classes in {
        ("0", "1", "2"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
    }
