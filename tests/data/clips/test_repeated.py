import pytest
import torch

from heygen_hf.data import RepeatedClips, load_video_dataset, prepare_clips, write_video
from heygen_hf.processing import VideoProcessor


@pytest.fixture
def clips(tmp_path):
    rows = []
    for i in range(2):
        write_video(tmp_path / f"{i}.mp4", torch.randint(0, 255, (12, 3, 16, 16), dtype=torch.uint8), lossless=True)
        rows.append(f'{{"file_name": "{i}.mp4", "text": "clip {i}"}}')
    (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    processor = VideoProcessor(num_frames=4, height=16, width=16, frame_position="random")
    dataset, _ = prepare_clips(
        load_video_dataset(tmp_path, split=None),
        processor=processor,
        seed=0,
        cache_dir=tmp_path / "cache",
        progress=False,
    )
    return dataset


def test_repetitions_are_the_epochs_to_come(clips) -> None:
    repeated = RepeatedClips(clips, times=3)
    assert len(repeated) == 6
    repeated.set_epoch(2)
    shown = repeated.__getitems__(range(6))
    assert [item["text"] for item in shown] == ["clip 0", "clip 1"] * 3
    for index, item in enumerate(shown):
        clips.set_epoch(2 * 3 + index // 2)
        assert torch.equal(item["frames"], clips[index % 2]["frames"])


def test_random_frames_differ_between_repetitions(clips) -> None:
    repeated = RepeatedClips(clips, times=8)
    firsts = {tuple(repeated[i]["frames"].flatten().tolist()) for i in range(0, 16, 2)}
    assert len(firsts) > 1


def test_refuses_zero(clips) -> None:
    with pytest.raises(ValueError, match="times=0"):
        RepeatedClips(clips, times=0)
