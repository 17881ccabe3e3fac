from pathlib import Path

import pytest

from heygen_hf.tasks.resuming import find_checkpoint
from heygen_hf.tasks.run_folder import RunFolder


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(ValueError, match=r"there is no checkpoint folder at .*nowhere; give one, or auto"):
        find_checkpoint(folder, str(tmp_path / "nowhere"))
    assert find_checkpoint(folder, str(tmp_path)) == tmp_path
    assert find_checkpoint(folder, "auto") is find_checkpoint(folder, None) is None


def test_a_run_without_checkpoints_starts_and_one_with_torn_ones_alone_is_not_written_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert find_checkpoint(folder, "auto") is None
    (folder.checkpoints / "checkpoint-3").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"no checkpoint in .* is whole \(1 torn\): start anew with --overwrite"):
        find_checkpoint(folder, "auto")
    assert find_checkpoint(folder, None) is None
