"""Samples of families that generate from a first frame: of clips of any size, with the prompts that are asked for."""

import torch

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.finetuning.clips.first_frames import first_frame_samples
from heygen_hf.tasks.finetuning.task import Finetuning
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text_to_video.parts import Samples

PROCESSOR = VideoProcessor(num_frames=9, height=32, width=32)


class _Clips:
    """Of two buckets: a wide one of white frames, and a tall one of black."""

    texts = ("wide", "tall")

    def __len__(self) -> int:
        return 2

    def fetch(self, rows, *, epoch):
        made = [torch.full((9, 3, 16, 64), 255, dtype=torch.uint8), torch.zeros(9, 3, 64, 16, dtype=torch.uint8)]
        return [{"frames": made[row]} for row in rows]


def test_frames_of_several_buckets_are_brought_to_the_size_of_the_samples():
    found = Samples(["a", "b"], ["a", "b"], usage="")
    samples = first_frame_samples(found, _Clips(), processor=PROCESSOR, keeps_prompts=False)
    assert samples.given["image"].shape == (2, 3, 32, 32)
    assert samples.given["image"].flatten(1).mean(1).tolist() == [1.0, 0.0]
    assert samples.prompts == ["wide", "tall"]


def test_prompts_that_are_asked_for_are_kept(tiny_pipeline_folder, tmp_path):
    class Data:
        test = _Clips()

        def sample_prompts(self, count):
            return ["left out"] * count

    (tmp_path / "recipe.yaml").write_text(
        f"task: finetuning\nmodel: {{pretrained: {tiny_pipeline_folder('wan_image_to_video')}}}\n"
        "data: {train: clips}\nprocessor: {num_frames: 9, height: 32, width: 32}\n"
    )
    for overrides, expected in (
        (['generation.sample_prompts=["a green 7"]'], ["a green 7"]),
        (["generation.num_samples=2"], ["wide", "tall"]),
    ):
        task = Finetuning(load_recipe(tmp_path / "recipe.yaml", overrides))
        samples = task.samples(Data(), processor=PROCESSOR)
        assert list(samples.prompts) == expected
        assert len(samples.given["image"]) == len(expected)
