"""Every metric as an `evaluate` module: it loads by path, without a network, and gives what its function gives."""

import importlib
from pathlib import Path

import evaluate
import pytest
import torch

import heygen_hf.evaluation.metrics as metrics
from heygen_hf.evaluation import METRICS, metric_path
from heygen_hf.evaluation.text_metrics import bleu, rouge

FOLDER = Path(metrics.__file__).parent
NAMES = sorted(path.name for path in FOLDER.iterdir() if (path / f"{path.name}.py").is_file())
TEXTS = {"attribute_accuracy", "bleu", "rouge", "perplexity", "retrieval_recall", "audio_video_sync"}
FEW = {"allow_too_few": True, "num_resamples": 10}


def load(name, tmp_path):
    return evaluate.load(str(FOLDER / name), experiment_id=tmp_path.name, cache_dir=str(tmp_path))


def function(name):
    return getattr(importlib.import_module(f"heygen_hf.evaluation.metrics.{name}"), name)


@pytest.mark.parametrize("name", NAMES)
def test_loads_by_path_and_describes_itself(name, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluate.config.HF_EVALUATE_OFFLINE", True)
    module = load(name, tmp_path)
    assert len(module.description) > 40
    assert "predictions" in module.inputs_description
    assert not type(module).__name__.startswith("ClipEvaluate")  # the metric itself, not what it is made from


def test_each_metric_of_the_registry_has_a_module_and_texts_and_sounds_too():
    assert {METRICS[name].module for name in METRICS} | TEXTS == set(NAMES)
    assert {metric_path(name) for name in [*METRICS, *TEXTS]} == {str(FOLDER / name) for name in NAMES}
    assert metric_path("is") == metric_path("inception_score")
    with pytest.raises(ValueError, match=r"there is no metric 'fvdd'; known are .*fvd"):
        metric_path("fvdd")


@pytest.fixture(scope="module")
def clips():
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(6, 4, 3, 16, 16, generator=generator)
    return (real + 0.1 * torch.rand(real.shape, generator=generator)).clamp(0, 1), real


WITHOUT_REFERENCES = (
    "temporal_flicker",
    "motion_smoothness",
    "dynamic_degree",
    "subject_consistency",
    "temporal_consistency",
)


@pytest.mark.parametrize(
    "name", ["fvd", "jedi", "psnr", "ssim", "perceptual_distance", "identity_similarity", *WITHOUT_REFERENCES]
)
def test_compute_gives_what_the_function_gives(name, clips, tmp_path):
    generated, real = clips
    found = load(name, tmp_path).compute(predictions=generated, references=real, **FEW)
    expected = function(name)(generated, real, **FEW)
    assert found[name] == found["value"] == expected.value
    assert found["interval"] == list(expected.interval)
    assert found["provenance"]["features"] == (expected.to_dict()["provenance"]["features"])


def test_clips_may_come_in_batches(clips, tmp_path):
    generated, real = clips
    module = load("fvd", tmp_path)
    for start in range(0, 6, 2):
        module.add_batch(predictions=generated[start : start + 2], references=real[start : start + 2], **FEW)
    at_once = function("fvd")(generated, real, **FEW).value
    assert module.compute()["fvd"] == pytest.approx(at_once, rel=1e-5)  # a network rounds by the size of its batches
    paired = load("psnr", tmp_path)
    for ours, theirs in zip(generated, real, strict=True):
        paired.add(prediction=ours, reference=theirs)
    assert paired.compute()["psnr"] == pytest.approx(function("psnr")(generated, real).value)
    module.add_batch(predictions=generated[:1], **FEW)
    with pytest.raises(ValueError, match="mixed clips: generated clip 0 has"):
        module.add_batch(predictions=torch.rand(1, 4, 3, 8, 8))


def test_the_minimum_holds_here_too(clips, tmp_path):
    generated, real = clips
    module = load("fvd", tmp_path)
    with pytest.raises(ValueError, match="fvd: 6 generated clips, and below 256"):
        module.compute(predictions=generated, references=real)
    assert module.compute(predictions=generated, references=real, **FEW)["below_minimum"]  # it starts anew


def test_texts_sounds_and_retrieval(tmp_path):
    written, wanted = ["a red seven moves left", "a blue one"], ["a red seven moves right", "a blue one"]
    module = load("bleu", tmp_path)
    assert module.compute(predictions=written, references=wanted)["bleu"] == bleu(written, wanted)
    several = [[text, "something else"] for text in wanted]
    assert module.compute(predictions=written, references=several)["bleu"] == bleu(written, several)
    assert load("rouge", tmp_path).compute(predictions=written, references=wanted) == rouge(written, wanted)
    assert load("perplexity", tmp_path).compute(predictions=[[1.0], [1.0, 1.0]])["perplexity"] == pytest.approx(2.71828)
    found = load("retrieval_recall", tmp_path).compute(
        predictions=[[0.9, 0.1], [0.8, 0.2]], references=[[0], [1]], ks=[1]
    )
    assert (found["recall_at_1"], found["gallery_size"]) == (0.5, 2)
    motion = torch.sin(torch.arange(60) * 0.7).tolist()
    sync = load("audio_video_sync", tmp_path).compute(
        predictions=[motion] * 2, references=[motion] * 2, max_offset_frames=3
    )
    assert sync["correlation"] == pytest.approx(1.0)
    assert (sync["in_sync"], sync["distance"], sync["count"]) == (1.0, None, 2)
