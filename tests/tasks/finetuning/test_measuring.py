"""Videos of fine-tunings are measured as those of any run, beside the clips that they are made of."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from heygen_hf.data import render_moving_digits
from heygen_hf.tasks.video_metrics import measure_videos


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return render_moving_digits(folder / "clips", num_train=2, num_validation=2, num_test=2, num_frames=9)


@pytest.fixture
def run_of(adapter, clips: Path, tmp_path: Path):
    """A copy of a family's exported adapter whose recipe knows its clips."""

    def copy_of(family: str, **data) -> Path:
        run = Path(shutil.copytree(adapter(family), tmp_path / family))
        recipe = yaml.safe_load((run / "recipe.yaml").read_text())
        recipe["data"] = {
            "train": str(clips / "train"),
            "validation": str(clips / "validation"),
            "cache_dir": str(tmp_path / "cache"),
            **data,
        }
        recipe["training"] = {"precision": "fp32"}
        (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        return run

    return copy_of


@pytest.mark.parametrize(
    ("family", "frames", "pairs"),
    [("wan", 9, "caption"), ("wan_image_to_video", 8, "first frame"), ("wan_vace", 9, "edges")],
)
def test_videos_of_an_adapter_are_measured(family, frames, pairs, run_of):
    """Those that begin with a given frame, without it."""
    run = run_of(family, **({"control": "edges"} if family == "wan_vace" else {}))
    measured = measure_videos(run, ["psnr"], num_videos=3, allow_too_few=True)
    assert [path.name for path in measured.videos] == ["00000.mp4", "00001.mp4", "00002.mp4"]
    written = json.loads(measured.file.read_text())
    assert pairs in json.dumps(written["references"])
    rows = [json.loads(line) for line in (measured.videos[0].parent / "metadata.jsonl").read_text().splitlines()]
    assert rows[0]["num_frames"] == 9
    assert rows[0].get("given", "caption").startswith(pairs)
    assert written["videos"].get("num_given_frames", 0) == 9 - frames
    again = measure_videos(run, ["psnr"], num_videos=3, allow_too_few=True)
    assert again.figures["psnr"].value == measured.figures["psnr"].value


def test_what_controls_and_cannot_be_made_is_said(run_of):
    with pytest.raises(ValueError, match=r"wan_vace generates beside a clip that controls, and no data\.control"):
        measure_videos(run_of("wan_vace"), ["psnr"], num_videos=2, allow_too_few=True)
