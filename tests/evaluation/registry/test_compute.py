import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from drawn import boxes, colours, frame_colours
from measuring_ranks import figures, figures_of_cached_references, measure_as

from heygen_hf.evaluation.clip_figures import frame_psnr, frame_ssim
from heygen_hf.evaluation.clip_stream import ReferenceClips, hash_clips
from heygen_hf.evaluation.distributions import frechet_distance_of_features, polynomial_mmd
from heygen_hf.evaluation.features import FeaturePreprocessing, TextVideoFeatures
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, TooFewClipsError
from heygen_hf.evaluation.registry import METRICS, MetricModels, compute_metrics
from heygen_hf.types import VideoClip

FEW = MeasuringSettings(allow_too_few=True, num_resamples=30, batch_size=4)
WITHOUT_MODELS = ["psnr", "ssim", "temporal_flicker", "motion_smoothness", "dynamic_degree", "audio_video_sync"]


def models():
    return MetricModels(video_features=colours(), image_features=frame_colours(), classifier=colours(scale=20))


def test_every_figure_is_what_its_plain_function_gives():
    generated, real = boxes(12, seed=1, noise=0.1), boxes(12)
    found = compute_metrics(["fvd", "jedi", "psnr", "ssim"], generated, real, models=models(), settings=FEW)
    eyes = colours()
    assert list(found) == ["fvd", "jedi", "psnr", "ssim"]
    assert float(found["fvd"]) == pytest.approx(frechet_distance_of_features(eyes(generated), eyes(real)), rel=1e-6)
    assert float(found["jedi"]) == pytest.approx(100 * polynomial_mmd(eyes(generated), eyes(real)), rel=1e-6)
    assert float(found["psnr"]) == pytest.approx(float(frame_psnr(generated, real, data_range=1.0).mean()))
    assert float(found["ssim"]) == pytest.approx(float(frame_ssim(generated, real, data_range=1.0).mean()))


def test_fid_looks_at_frames_and_counts_them():
    generated, real = boxes(6, seed=1), boxes(8)
    figure = compute_metrics(["fid"], generated, real, models=models(), settings=FEW)["fid"]
    eyes = frame_colours()
    assert float(figure) == pytest.approx(frechet_distance_of_features(eyes(generated), eyes(real)), rel=1e-6)
    assert (figure.count, figure.details["generated_frames"], figure.minimum_count) == (6, 30, 2048)
    with pytest.raises(TooFewClipsError, match=r"fid: 30 generated frames, and below 2048"):
        compute_metrics(["fid"], generated, real, models=models())


def test_all_metrics_of_the_registry_are_measured_with_their_provenance():
    names = [name for name in METRICS if name not in ("clip_score", "content_debiased_fvd")]
    generated, real = boxes(6, seed=1, noise=0.05), boxes(6)
    clips = [VideoClip((clip * 255).to(torch.uint8), 8.0) for clip in generated]
    sounds = [torch.rand(len(clip), generator=torch.Generator().manual_seed(seed)) for seed, clip in enumerate(real)]
    found = compute_metrics(names, clips, real, sounds=sounds, models=models(), settings=FEW)
    assert list(found) == names
    for name, figure in found.items():
        low, high = figure.interval
        assert low <= figure.value <= high, name
        assert figure.count == 6
        assert figure.below_minimum == (METRICS[name].metric.minimum_count > 6)
        provenance = figure.provenance
        expected = {"frames": 5, "channels": 3, "height": 16, "width": 16, "frame_rate": 8.0}
        assert provenance.clips == expected
        assert (provenance.seed, provenance.confidence, provenance.num_resamples) == (0, 0.95, 30)
        assert {"heygen_hf", "torch"} <= set(provenance.versions)
        if METRICS[name].metric not in {METRICS[each].metric for each in WITHOUT_MODELS}:
            assert len(provenance.features["weights_hash"]) == 32
            assert "interpolation" in provenance.features["preprocessing"]
        if not METRICS[name].metric.needs_pairs:
            assert figure.noise_floor is not None
            assert figure.reference_count == 6
        assert Measurement.from_dict(json.loads(figure.to_json())).value == figure.value


def test_the_noise_floor_is_between_halves_of_the_real_clips():
    real = boxes(40)
    eyes = colours()
    same = compute_metrics(["fvd"], boxes(40, seed=1), real, models=MetricModels(video_features=eyes), settings=FEW)
    noisy = compute_metrics(
        ["fvd"], boxes(40, seed=1, noise=0.5), real, models=MetricModels(video_features=eyes), settings=FEW
    )
    assert same["fvd"].value < 3 * same["fvd"].noise_floor
    assert noisy["fvd"].value > 3 * noisy["fvd"].noise_floor
    assert same["fvd"].noise_floor == noisy["fvd"].noise_floor  # it knows nothing of the generated clips
    assert same["fvd"].details["noise_floor_clips"] == [20, 20]


def test_metrics_without_references_say_what_real_clips_get():
    real = boxes(8)
    alone = compute_metrics(["temporal_flicker"], boxes(8, noise=0.3), settings=FEW)["temporal_flicker"]
    beside = compute_metrics(["temporal_flicker"], boxes(8, noise=0.3), real, settings=FEW)["temporal_flicker"]
    assert alone.reference_value is None
    assert alone.value == beside.value
    itself = compute_metrics(["temporal_flicker"], real, settings=FEW)["temporal_flicker"]
    assert beside.reference_value == itself.value


def test_batches_and_order_of_metrics_change_nothing():
    generated, real = boxes(11, seed=1, noise=0.1), boxes(9)
    figures = [
        compute_metrics(
            names,
            iter(generated),
            iter(real),
            models=MetricModels(video_features=colours(), classifier=colours(scale=20)),
            settings=MeasuringSettings(allow_too_few=True, num_resamples=10, batch_size=size),
        )
        for names, size in ((["fvd", "is", "temporal_flicker"], 2), (["temporal_flicker", "is", "fvd"], 64))
    ]
    for name, figure in figures[0].items():
        assert figure.value == pytest.approx(figures[1][name].value, rel=1e-5)
        assert figure.interval == pytest.approx(figures[1][name].interval, rel=1e-4)


def test_metrics_share_what_a_network_saw():
    eyes = colours()
    shared = MetricModels(video_features=eyes)
    compute_metrics(["fvd", "jedi"], boxes(5, seed=1), boxes(5), models=shared, settings=FEW)
    assert eyes.network.calls == 10


def test_references_are_looked_at_once(tmp_path):
    generated, real = boxes(8, seed=1), boxes(8)
    settings = MeasuringSettings(allow_too_few=True, num_resamples=10, cache_dir=tmp_path / "cache")

    class Untouchable:
        def __iter__(self):
            raise AssertionError("the references were read again")

    def measure(clips, *, eyes=None, content=None, options=settings):
        references = ReferenceClips(clips, content or hash_clips(real))
        networks = MetricModels(video_features=eyes or colours())
        return compute_metrics(["fvd"], generated, references, models=networks, settings=options)["fvd"]

    first = measure(real)
    assert not first.provenance.reference_cached
    assert first.provenance.reference_hash == hash_clips(real)
    again = measure(Untouchable())
    assert again.provenance.reference_cached
    assert (again.value, again.interval, again.noise_floor) == (first.value, first.interval, first.noise_floor)
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".json", ".safetensors"]
    # other clips, other weights or other halves are others
    for change in (
        {"content": hash_clips(generated)},
        {"eyes": colours(scale=2)},
        {"options": MeasuringSettings(allow_too_few=True, seed=1, cache_dir=tmp_path / "cache")},
    ):
        with pytest.raises(AssertionError, match="read again"):
            measure(Untouchable(), **change)
    # a damaged file is no statistics: computed again, and written over
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    assert measure(real).value == first.value
    assert measure(Untouchable()).value == first.value


def test_too_few_clips_are_refused_and_the_override_is_recorded():
    generated, real = boxes(6, seed=1), boxes(300)
    networks = MetricModels(video_features=colours())
    with pytest.raises(TooFewClipsError, match="fvd: 6 generated clips, and below 256 it means nothing"):
        compute_metrics(["fvd"], generated, real, models=networks)
    with pytest.raises(TooFewClipsError, match="fvd: 6 reference clips"):
        compute_metrics(["fvd"], real, generated, models=networks)
    allowed = compute_metrics(["fvd"], generated, real, models=networks, settings=FEW)["fvd"]
    assert allowed.below_minimum
    assert allowed.to_dict()["below_minimum"]
    enough = compute_metrics(["fvd"], boxes(256), real, models=networks, settings=MeasuringSettings(num_resamples=2))
    assert not enough["fvd"].below_minimum


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["fdv"], {}, r"there is no metric 'fdv'; did you mean fvd\?"),
        ([], {}, "no metrics are asked for"),
        (["psnr", "psnr"], {"references": boxes(4)}, "psnr is asked for twice"),
        (["fvd"], {}, "fvd compares with real clips; give references"),
        (["clip_score"], {}, "clip_score compares clips with their prompts; give prompts"),
        (["clip_score"], {"prompts": ["a"] * 4}, "clip_score needs CLIP or a like model"),
        (["is"], {}, "is needs a classifier of videos"),
        (["content_debiased_fvd"], {"references": boxes(4)}, "content_debiased_fvd needs a VideoMAE"),
        (["psnr"], {"references": boxes(3)}, "psnr needs the reference of each clip, and there are fewer than clips"),
        (["psnr"], {"references": boxes(9)}, "psnr needs the reference of each clip, and there are more than clips"),
        (["ssim"], {"references": boxes(4, edge=18)}, "reference clip 0 has 5 frames of 18x18 .* generated ones have"),
        (["fvd"], {"references": boxes(4, frames=6)}, "cut all to one length"),
        (["psnr"], {"references": boxes(4) * 2 - 1}, "expected \\[0, 1\\], or uint8"),
    ],
)
def test_bad_input_is_one_line(names, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        compute_metrics(names, boxes(4), options.pop("references", None), settings=FEW, **options)
    assert "\n" not in str(caught.value)


class Words(nn.Module):
    """Texts and frames in one space: the first word's colour, and the mean colour."""

    config = None
    colours = {"red": (1.0, 0, 0), "green": (0, 1.0, 0), "grey": (1.0, 1.0, 1.0)}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def get_text_features(self, input_ids):
        return input_ids.float()

    def get_image_features(self, pixel_values):
        return pixel_values.mean((2, 3)) * self.weight


def test_the_clip_score_is_the_cosine_to_the_prompt():
    def tokenizer(texts, **_):
        return {"input_ids": torch.tensor([Words.colours[text] for text in texts])}

    eyes = TextVideoFeatures(Words(), tokenizer, name="words", preprocessing=FeaturePreprocessing(layout="images"))
    red = torch.zeros(3, 3, 8, 8)
    red[:, 0] = 1
    prompts = ["red", "green", "grey"]
    networks = MetricModels(text_video_features=eyes)
    figure = compute_metrics(["clip_score"], [red] * 3, prompts=prompts, models=networks, settings=FEW)["clip_score"]
    assert figure.value == pytest.approx((1 + 0 + 3**-0.5) / 3, abs=1e-6)
    assert (figure.unit, figure.details["lowest"]) == ("cosine", pytest.approx(0, abs=1e-6))
    with pytest.raises(ValueError, match="there are 3 prompts for 2 generated clips"):
        compute_metrics(["clip_score"], [red] * 2, prompts=prompts, models=networks, settings=FEW)


def test_no_clips_are_too_few():
    with pytest.raises(TooFewClipsError, match="0 generated clips"):
        compute_metrics(["temporal_flicker"], [], settings=FEW)


def test_two_processes_measure_what_one_does(tmp_path):
    """This one and another."""
    cached = figures_of_cached_references(tmp_path / "cache")
    script = Path(__file__).with_name("measuring_ranks.py")
    other = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.PIPE)
    try:
        ours, read, ours_cached, message = measure_as(0, tmp_path)
    finally:
        _, error = other.communicate(timeout=120)
    assert other.returncode == 0, error.decode()
    assert ours == figures()[0]  # to the last bit: means and covariances are of clips in their order
    theirs = json.loads((tmp_path / "other.json").read_text())
    assert theirs["figures"] == json.loads(json.dumps(ours))
    # what one process has from the cache and another has not is looked at by both
    assert ours_cached == theirs["cached"] == cached
    assert theirs["message"].startswith("generated clip 1 has pixels")
    assert message == "another process could not measure its clips; its own message says why"  # and no one waits
    assert (read, theirs["read"]) == ([0, 2, 4, 6, 8, 10, 12], [1, 3, 5, 7, 9, 11])
