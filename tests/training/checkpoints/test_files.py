import json
from pathlib import Path

import pytest

from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.text_transformer import TextTransformerConfig
from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.training import newest_checkpoint
from heygen_hf.training.checkpoints.files import (
    check_same_architecture,
    checkpoint_problem,
    publish_checkpoint,
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
