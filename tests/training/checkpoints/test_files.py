import json
from contextlib import suppress
from pathlib import Path

import pytest

from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.text_transformer import TextTransformerConfig
from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.training import newest_checkpoint
from heygen_hf.training.checkpoints import files
from heygen_hf.training.checkpoints.files import (
    check_same_architecture,
    checkpoint_problem,
    discard_checkpoint,
    drop_later,
    drop_oldest,
    publish_checkpoint,
    tidy_checkpoints,
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    staged = tmp_path / ".staging"
    staged.mkdir()
    (staged / "model.safetensors").write_bytes(b"12345")
    (staged / "config.json").write_text(
        VideoTransformerConfig(hidden_size=32, num_attention_heads=2).to_json_string(use_diff=False)
    )
    publish_checkpoint(staged, tmp_path / "checkpoint-3")
    assert not staged.exists()
    return tmp_path / "checkpoint-3"


def test_a_published_checkpoint_is_whole(checkpoint: Path) -> None:
    assert checkpoint_problem(checkpoint) is None
    assert json.loads((checkpoint / "complete.json").read_text())["files"]["model.safetensors"]["bytes"] == 5


def test_every_kind_of_damage_is_noticed(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(b"12346")
    assert "model.safetensors is damaged" in checkpoint_problem(checkpoint)
    weights.write_bytes(b"1234")
    assert "model.safetensors has 4 bytes instead of 5" in checkpoint_problem(checkpoint)
    weights.unlink()
    assert "model.safetensors is missing" in checkpoint_problem(checkpoint)
    (checkpoint / "complete.json").write_text("{")
    assert "not readable" in checkpoint_problem(checkpoint)
    (checkpoint / "complete.json").unlink()
    assert "never finished" in checkpoint_problem(checkpoint)


def test_newest_passes_over_torn_ones_and_counts_by_number(checkpoint: Path) -> None:
    root = checkpoint.parent
    (root / "checkpoint-20").mkdir()
    (root / "checkpoint-x").mkdir()
    newest, warnings = newest_checkpoint(root)
    assert newest == checkpoint
    assert len(warnings) == 1
    assert "checkpoint-20" in warnings[0]
    assert newest_checkpoint(root / "nothing") == (None, [])


def test_another_architecture_is_refused_by_the_field_that_differs(checkpoint: Path) -> None:
    check_same_architecture(checkpoint, VideoTransformerConfig(hidden_size=32, num_attention_heads=2))
    with pytest.raises(ValueError, match="hidden_size is 32, the recipe's is 64"):
        check_same_architecture(checkpoint, VideoTransformerConfig(hidden_size=64, num_attention_heads=2))


def test_parts_of_a_model_are_compared_by_what_they_are(tmp_path: Path) -> None:
    def fusion(hidden_size: int) -> MultimodalFusionConfig:
        text = TextTransformerConfig(vocab_size=20, hidden_size=hidden_size, num_hidden_layers=1, num_attention_heads=2)
        return MultimodalFusionConfig(text_config=text, hidden_size=16, num_attention_heads=2)

    saved = json.loads(fusion(32).to_json_string(use_diff=False))
    # What a save writes into the parts, and no architecture is.
    saved["text_config"] |= {"dtype": "float32", "architectures": ["TextTransformerModel"], "_name_or_path": "x"}
    checkpoint = tmp_path / "checkpoint-1"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps(saved))
    check_same_architecture(checkpoint, fusion(32))
    with pytest.raises(ValueError, match="text_config"):
        check_same_architecture(checkpoint, fusion(64))


class KilledError(BaseException):
    """Ends a call where a kill would."""


def dying_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Stop at the n-th call that flushes, renames, makes or removes something; before it, as a kill may."""
    count = 0

    def counted(function):
        def wrapped(*args, **options):
            nonlocal count
            count += 1
            if count == call:
                raise KilledError
            return function(*args, **options)

        return wrapped

    monkeypatch.setattr(files, "_flush", counted(files._flush))
    for name in ("replace", "mkdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr(files.shutil, "rmtree", counted(files.shutil.rmtree))


def stage(root: Path, content: bytes) -> Path:
    staged = root / ".staging" / "checkpoint-3"
    staged.mkdir(parents=True)
    (staged / "model.safetensors").write_bytes(content)
    (staged / "part").mkdir()
    (staged / "part" / "0.bin").write_bytes(content * 2)
    return staged


@pytest.mark.parametrize("replacing", [False, True], ids=["new", "of the same step"])
def test_a_save_killed_at_any_instant_leaves_a_whole_checkpoint(tmp_path: Path, replacing: bool) -> None:
    finished = 0
    for call in range(1, 30):
        root = tmp_path / str(call)
        publish_checkpoint(stage(root, b"older"), root / "checkpoint-1")
        if replacing:
            publish_checkpoint(stage(root, b"old"), root / "checkpoint-3")
        staged = stage(root / "x", b"new").rename(root / ".staging" / "checkpoint-3")
        (root / "x" / ".staging").rmdir(), (root / "x").rmdir()
        with pytest.MonkeyPatch.context() as monkeypatch:
            dying_at(monkeypatch, call)
            try:
                publish_checkpoint(staged, root / "checkpoint-3")
                finished += 1
            except KilledError:
                pass
        tidy_checkpoints(root)
        newest, warnings = newest_checkpoint(root)
        assert warnings == []
        held = (newest / "model.safetensors").read_bytes()
        assert held in ((b"old", b"new") if replacing else (b"older", b"new")), call
        assert {path.name for path in root.iterdir()} <= {"checkpoint-1", "checkpoint-3"}
    assert 0 < finished < 25  # the last calls came to their end


def test_a_deletion_killed_at_any_instant_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    for call in range(1, 8):
        root = tmp_path / str(call)
        publish_checkpoint(stage(root, b"12345"), root / "checkpoint-3")
        with pytest.MonkeyPatch.context() as monkeypatch:
            dying_at(monkeypatch, call)
            with suppress(KilledError):
                discard_checkpoint(root / "checkpoint-3")
        tidy_checkpoints(root)
        assert {path.name for path in root.iterdir()} <= {"checkpoint-3"}
        left = root / "checkpoint-3"
        assert not left.exists() or checkpoint_problem(left) is None


def test_the_oldest_go_first_and_what_is_held_stays(tmp_path: Path) -> None:
    for step in (2, 4, 10, 20):
        publish_checkpoint(stage(tmp_path, b"1"), tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-30").mkdir()  # of no use, whatever its number
    drop_oldest(tmp_path, keep=None, held=[])
    assert len(list(tmp_path.glob("checkpoint-*"))) == 5
    drop_oldest(tmp_path, keep=3, held=[tmp_path / "checkpoint-4", tmp_path / "checkpoint-2"])
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4", "checkpoint-20"}
    drop_oldest(tmp_path, keep=1, held=[tmp_path / "checkpoint-4"])
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-4"}


def test_one_that_cannot_be_deleted_is_a_warning(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    assert drop_later(checkpoint.parent, step=1, held=[]) == []
    assert capsys.readouterr().out == "warning: checkpoint-3 could not be deleted (Device or resource busy)\n"
    assert drop_later(checkpoint.parent, step=1, held=[checkpoint]) == []
    monkeypatch.undo()
    assert drop_later(checkpoint.parent, step=3, held=[]) == []
    assert drop_later(checkpoint.parent, step=2, held=[]) == ["checkpoint-3"]
