import shutil

import pytest
import torch

from heygen_hf.data.video import write_video
from heygen_hf.evaluation.clip_stream import VideoFiles
from heygen_hf.processing import VideoProcessor


@pytest.fixture
def folder(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for number in range(2):
        frames = (torch.rand(6, 3, 16, 16, generator=generator) * 255).to(torch.uint8)
        write_video(tmp_path / f"{number}.mp4", frames, frame_rate=8)
    return tmp_path


def test_a_folder_is_its_videos(folder):
    (folder / "notes.txt").write_text("no video")
    clips = VideoFiles(folder, max_frames=4)
    assert len(clips) == 2
    assert clips[0].frames.shape == (4, 3, 16, 16)
    assert [clip.frame_rate for clip in clips] == [8.0, 8.0]
    scaled = VideoFiles(folder, processor=VideoProcessor(num_frames=3, height=8, width=8))
    assert scaled[1].frames.shape == (3, 3, 8, 8)


def test_the_hash_is_of_contents_and_of_how_they_are_cut(folder):
    first = VideoFiles(folder).content_hash()
    (folder / "0.mp4").rename(folder / "renamed.mp4")
    assert VideoFiles(folder).content_hash() == first
    assert VideoFiles(folder, max_frames=4).content_hash() != first
    assert VideoFiles(folder, processor=VideoProcessor(num_frames=3, height=8, width=8)).content_hash() != first
    shutil.copy(folder / "1.mp4", folder / "renamed.mp4")
    assert VideoFiles(folder).content_hash() != first
    assert VideoFiles(folder).as_references().content_hash == VideoFiles(folder).content_hash()


def test_bad_input_is_one_line(folder, tmp_path):
    (folder / "2.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"2.mp4 cannot be measured: .*; replace it or leave it out"):
        VideoFiles(folder)[2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no video"):
        VideoFiles(tmp_path / "empty")
    with pytest.raises(ValueError, match="is no folder"):
        VideoFiles(tmp_path / "nowhere")
