import pickle

import pytest
import torch
from safetensors.torch import save_file

from heygen_hf.evaluation.features import i3d_features, load_i3d, load_video_features
from heygen_hf.evaluation.features.i3d import InceptionI3D, _pad_same


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return InceptionI3D(num_classes=5).eval()


def test_the_names_are_those_of_the_published_weights(network):
    names = set(network.state_dict())
    expected = {
        "Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7),
        "Conv3d_2c_3x3.bn.running_var": (192,),
        "Mixed_3b.b0.conv3d.weight": (64, 192, 1, 1, 1),
        "Mixed_3c.b2b.conv3d.weight": (96, 32, 3, 3, 3),
        "Mixed_4f.b1b.bn.bias": (320,),
        "Mixed_5c.b3b.conv3d.weight": (128, 832, 1, 1, 1),
        "logits.conv3d.bias": (5,),
    }
    assert set(expected) <= names
    assert {name: tuple(network.state_dict()[name].shape) for name in expected} == expected
    # 9 mixed layers of 6 units and 3 plain units, each with 6 tensors; the logits have 2
    assert len(names) == (9 * 6 + 3) * 6 + 2
    assert sum(p.numel() for p in InceptionI3D().parameters()) == 12_697_264  # with 400 classes


def test_padding_is_tensorflows_same():
    # 5 places with kernel 3 and stride 2 make 3, with a place before and one after; 6 make 3 with one after
    assert _pad_same(torch.zeros(1, 1, 5, 1, 1), (3, 1, 1), (2, 1, 1)).shape[2] == 7
    assert _pad_same(torch.ones(1, 1, 6, 1, 1), (3, 1, 1), (2, 1, 1)).flatten().tolist() == [1.0] * 6 + [0.0]


def test_weights_load_from_safetensors_and_from_torch_alike(network, tmp_path):
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, tmp_path / "i3d.safetensors")
    torch.save({"state_dict": {f"module.{name}": value for name, value in tensors.items()}}, tmp_path / "i3d.pt")
    clips = torch.rand(1, 10, 3, 32, 32)
    features = load_video_features(tmp_path / "i3d.safetensors")
    found = features(clips)
    assert found.shape == (1, 5)
    assert i3d_features(tmp_path / "i3d.pt").weights_hash == features.weights_hash
    assert features.preprocessing.value_range == (-1.0, 1.0)
    assert (features.preprocessing.height, features.preprocessing.layout) == (224, "channels_first")
    with pytest.raises(ValueError, match="needs clips of at least 10 frames, and these have 9"):
        features(clips[:, :9])


class Evil:
    def __reduce__(self):
        return (print, ("never",))


def test_files_that_are_no_weights_are_one_line(network, tmp_path, capsys):
    torch.save({"weights": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil.pt is no state dict of plain tensors"):
        load_i3d(tmp_path / "evil.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ValueError, match="no state dict"):
        load_i3d(tmp_path / "pickle.pt")
    assert "never" not in capsys.readouterr().out  # nothing of the file ran
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match="does not read as safetensors"):
        load_i3d(tmp_path / "broken.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors has no Conv3d_1a_7x7.conv3d.weight"):
        load_i3d(tmp_path / "other.safetensors")
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file({**tensors, "Mixed_3b.b0.bn.bias": torch.zeros(3)}, tmp_path / "shape.safetensors")
    with pytest.raises(ValueError, match=r"Mixed_3b.b0.bn.bias has shape \(3,\)"):
        load_i3d(tmp_path / "shape.safetensors")
    with pytest.raises(ValueError, match="is no file"):
        load_i3d(tmp_path / "nowhere.pt")
