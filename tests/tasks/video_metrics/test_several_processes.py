"""`heygen-hf evaluate --metrics` in two processes, and after a kill: the same videos as one process makes in one go."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heygen_hf.tasks.video_metrics import measure_videos

CONFIG = Path(__file__).parents[3] / "recipes" / "accelerate" / "cpu_2_processes.yaml"
METRICS = "fvd,psnr,temporal_consistency"
OPTIONS = ["--metrics", METRICS, "--allow-too-few", "--device", "cpu"]


def evaluate(run: Path, folder: Path, *options: str, launcher: tuple[str, ...] = ()) -> list[str]:
    """The command, as it is typed."""
    places = ["--videos-dir", str(folder / "videos"), "--output", str(folder / "figures.json")]
    return [sys.executable, "-m", *launcher, "heygen_hf", "evaluate", str(run), *OPTIONS, *places, *options]


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HEYGEN_HF_CACHE": str(tmp_path / "cache")}


@pytest.mark.slow  # each process imports everything anew
def test_two_processes_make_and_measure_what_one_does(run: Path, tmp_path: Path) -> None:
    launcher = ("accelerate.commands.launch", "--config_file", str(CONFIG), "-m")
    command = evaluate(run, tmp_path, "--num-videos", "5", "--batch-size", "2", launcher=launcher)
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Metrics (95 % intervals)") == 1
    assert done.stdout.count("the figures, with where each comes from") == 1

    alone = measure_videos(
        run,
        [METRICS],
        num_videos=5,
        batch_size=2,
        allow_too_few=True,
        device="cpu",
        videos_dir=tmp_path / "alone",
        output=tmp_path / "alone.json",
    )
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == [
        *(path.name for path in alone.videos),
        "metadata.jsonl",
    ]
    for path in alone.videos:
        assert (tmp_path / "videos" / path.name).read_bytes() == path.read_bytes(), path.name
    written = json.loads((tmp_path / "figures.json").read_text())["metrics"]
    for name, figure in alone.figures.items():
        assert written[name]["count"] == figure.count == 5
        assert written[name]["value"] == pytest.approx(figure.value, rel=1e-5)
    rows = (tmp_path / "alone" / "metadata.jsonl").read_text()
    assert (tmp_path / "videos" / "metadata.jsonl").read_text() == rows


@pytest.mark.slow
def test_a_killed_start_is_taken_up(run: Path, tmp_path: Path) -> None:
    videos, rows = tmp_path / "videos", tmp_path / "videos" / "metadata.jsonl"
    command = evaluate(run, tmp_path, "--num-videos", "400", "--batch-size", "1")
    process = subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if rows.is_file() and len(rows.read_text().splitlines()) >= 3:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    lines = [line for line in rows.read_text().splitlines() if json.loads(line)["file_hash"]]
    kept = len(lines)
    assert 2 <= kept < 400
    # one more was being written
    begun = {**json.loads(lines[-1]), "file_name": f"{kept:05d}.mp4", "file_hash": None}
    rows.write_text("\n".join([*lines, json.dumps(begun)]) + "\n")
    shutil.copy(videos / "00000.mp4", videos / f"{kept:05d}.mp4")
    before = [(videos / f"{number:05d}.mp4").stat().st_mtime_ns for number in range(kept)]

    options = {"batch_size": 1, "allow_too_few": True, "device": "cpu"}
    count = kept + 2
    again = measure_videos(
        run, [METRICS], num_videos=count, videos_dir=videos, output=tmp_path / "again.json", **options
    ).videos
    assert [path.stat().st_mtime_ns for path in again[:kept]] == before
    at_once = measure_videos(
        run, [METRICS], num_videos=count, videos_dir=tmp_path / "once", output=tmp_path / "once.json", **options
    ).videos
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in at_once]
