"""Recipes that train an autoencoder, and the recipe that trains a generator on what it makes."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import probe_video, render_moving_digits
from heygen_hf.pipelines.latents import encode_to_posterior, known_normalization, record_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import load_recipe, run_recipe
from heygen_hf.tasks.text_to_video.encoder_loading import load_autoencoder
from heygen_hf.tasks.text_to_video.latent_geometry import latent_geometry
from heygen_hf.tasks.video_autoencoder.latent_statistics import measure_latents
from heygen_hf.tasks.video_autoencoder.measuring import shrink
from heygen_hf.tasks.video_autoencoder.model import build_autoencoder
from heygen_hf.tasks.video_autoencoder.recipe import ModelSection
from heygen_hf.training.autoencoder.geometry import LatentSize

LTX = {
    "patch_size": 2,
    "block_out_channels": [8],
    "decoder_block_out_channels": [8],
    "down_block_types": ["LTXVideoDownBlock3D"],
    "spatio_temporal_scaling": [True],
    "decoder_spatio_temporal_scaling": [True],
    "layers_per_block": [1, 1],
    "decoder_layers_per_block": [1, 1],
    "decoder_inject_noise": [False, False],
    "upsample_residual": [False],
    "upsample_factor": [1],
    "latent_channels": 4,
}
WAN = {"base_dim": 8, "z_dim": 16, "dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True]}
COGVIDEOX = {
    "down_block_types": ["CogVideoXDownBlock3D"] * 2,
    "up_block_types": ["CogVideoXUpBlock3D"] * 2,
    "block_out_channels": [8, 8],
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "temporal_compression_ratio": 2,
}
IMAGE = {
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [8, 8],
    "norm_num_groups": 2,
    "latent_channels": 4,
}
CLASSES = {
    "AutoencoderKLLTXVideo": LTX,
    "AutoencoderKLWan": WAN,
    "AutoencoderKLCogVideoX": COGVIDEOX,
    "AutoencoderKL": IMAGE,
}
RECIPE = {
    "task": "video_autoencoder",
    "model": {"class_name": "AutoencoderKLLTXVideo", "options": LTX},
    "processor": {"num_frames": 9, "height": 16, "width": 16, "frame_position": "start"},
    "training": {
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "eval_steps": 2,
        "save_steps": 2,
        "sample_steps": 2,
        "logging_steps": 1,
        "max_eval_clips": 3,
        "warmup_steps": 0,
        "disable_tqdm": True,
        "adversarial_weight": 0.1,
        "adversarial_start_step": 2,
        "discriminator": {"hidden_sizes": [8, 8], "strides": [[1, 2], [2, 2]]},
    },
    "evaluation": {"batch_size": 4, "num_samples": 3, "interpolation_steps": 2},
}
GENERATOR = """
task: text_to_video
model: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 1, patch_size: [1, 2, 2]}
processor: {num_frames: 9, height: 16, width: 16, frame_position: start}
training: {max_steps: 2, per_device_train_batch_size: 4, eval_steps: 2, save_steps: 2, max_eval_clips: 4,
  compile_blocks: never, disable_tqdm: true}
generation: {num_inference_steps: 2, num_samples: 2}
evaluation: {enabled: false}
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips of 9 frames, a recipe, and its finished run."""
    folder = tmp_path_factory.mktemp("autoencoder")
    render_moving_digits(
        folder / "digits",
        **{"num_train": 10, "num_validation": 4, "num_test": 5, "num_workers": 1},
        **{"image_size": 16, "digit_size": 8, "num_frames": 9, "progress": False},
    )
    recipe = RECIPE | {"data": {"train": str(folder / "digits"), "cache_dir": str(folder / "cache")}}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    with torch.random.fork_rng():
        run_recipe(folder / "recipe.yaml", [f"output_dir={folder / 'run'}"], command=["heygen-hf", "train", "x.yaml"])
    return folder


def read_metrics(run: Path) -> dict[str, dict]:
    return {figure["name"]: figure for figure in json.loads((run / "metrics.json").read_text())["figures"]}


def test_a_run_leaves_everything_that_was_asked_for(work: Path) -> None:
    run = work / "run"
    figures = read_metrics(run)
    assert figures["PSNR"]["count"] == 5
    assert figures["PSNR"]["interval"][0] <= figures["PSNR"]["value"] <= figures["PSNR"]["interval"][1]
    assert -1 <= figures["SSIM"]["value"] <= 1
    assert figures["compression"]["value"] == 9 * 3 * 16 * 16 / (5 * 4 * 4 * 4)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    last = [entry for entry in log if "loss" in entry][-1]
    assert {f"loss_{part}" for part in ("pixel_l1", "pixel_l2", "kl", "adversarial", "discriminator")} <= last.keys()
    assert {"eval_psnr", "eval_ssim", "eval_kl"} <= next(e for e in log if "eval_loss" in e).keys()
    shown = probe_video(run / "samples" / "step-0000002.mp4")
    assert (shown.height, shown.width) == (2 * 16, 3 * 16)  # inputs above reconstructions
    assert probe_video(run / "samples" / "interpolation.mp4").width == 4 * 16
    card = (run / "README.md").read_text()
    for words in ("AutoencoderKLLTXVideo", "PSNR", "reconstructions.png", "9×3×16×16"):
        assert words in card


def test_the_folder_knows_the_statistics_of_its_latents(work: Path) -> None:
    autoencoder = load_autoencoder(str(work / "run"))
    stored = json.loads((work / "run" / "metrics.json").read_text())["latent_statistics"]
    shift, scale = known_normalization(autoencoder, 4)
    torch.testing.assert_close(shift, torch.tensor(stored["mean"]))
    torch.testing.assert_close(scale, torch.tensor(stored["std"]))
    assert stored["clips"] == 10
    processor = VideoProcessor.from_pretrained(str(work / "run"))
    assert processor.num_frames == 9


def test_evaluate_repeats_the_figures(work: Path) -> None:
    before = read_metrics(work / "run")["PSNR"]["value"]
    output = work / "again.json"
    result = CliRunner().invoke(app, ["evaluate", str(work / "run"), "--output", str(output)])
    assert result.exit_code == 0, result.output
    again = {figure["name"]: figure for figure in json.loads(output.read_text())["figures"]}
    assert again["PSNR"]["value"] == pytest.approx(before, abs=1e-3)


def test_a_finished_run_is_left_alone_and_a_longer_one_goes_on(work: Path, capsys) -> None:
    recipe = work / "recipe.yaml"
    run_recipe(recipe, [f"output_dir={work / 'run'}"], resume="auto")
    assert "is finished" in capsys.readouterr().out
    (work / "run" / "README.md").unlink()  # as if killed before it was written
    run_recipe(recipe, [f"output_dir={work / 'run'}"], resume="auto")
    assert "is finished" not in capsys.readouterr().out
    assert (work / "run" / "README.md").is_file()
    with pytest.raises(ValueError, match=r"model\.options changed"):
        run_recipe(recipe, [f"output_dir={work / 'run'}", "model.options.latent_channels=3"], resume="auto")


def test_the_plan_says_what_becomes_of_a_clip(work: Path) -> None:
    output = work / "plan.json"
    result = CliRunner().invoke(app, ["plan", str(work / "recipe.yaml"), "--no-step", "--json", str(output)])
    assert result.exit_code == 0, result.output
    plan = json.loads(output.read_text())
    assert plan["latent_size"] == [5, 4, 4, 4]
    assert plan["compression_ratio"] == 21.6
    assert plan["batches"]["max_steps"] == 4


def test_a_generator_is_trained_on_its_latents(work: Path, capsys) -> None:
    (work / "generator.yaml").write_text(GENERATOR)
    overrides = [
        f"model.autoencoder={work / 'run'}",
        f"data.train={work / 'digits'}",
        f"data.cache_dir={work / 'cache'}",
        f"output_dir={work / 'generator'}",
    ]
    run_recipe(work / "generator.yaml", overrides)
    said = capsys.readouterr().out
    assert "which the autoencoder lacks" not in said  # it brings its own mean and spread
    assert "have a spread of" not in said  # and they are right
    assert latent_geometry(str(work / "generator")).channels == 4
    generated = CliRunner().invoke(
        app,
        ["generate", str(work / "generator"), "--prompt", "a red 7 moves left", "--output-dir", str(work / "videos")],
    )
    assert generated.exit_code == 0, generated.output
    assert probe_video(work / "videos" / "00000.mp4").num_frames == 9


@pytest.mark.parametrize("name", CLASSES)
def test_statistics_are_those_of_the_clips_and_survive_loading(tmp_path: Path, name: str) -> None:
    autoencoder = build_autoencoder(ModelSection(class_name=name, options=CLASSES[name], initial_std=0.02)).eval()
    clips = [torch.rand(2, 9, 3, 16, 16) * 2 - 1 for _ in range(2)]
    mean, std, count = measure_latents(autoencoder, clips)
    posterior, logvar = encode_to_posterior(autoencoder, torch.cat(clips))
    assert count == 4
    values = posterior.transpose(0, 2).flatten(1)
    torch.testing.assert_close(mean.float(), values.mean(1), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(std.float(), values.std(1, correction=0), rtol=1e-3, atol=1e-5)
    assert (0.5 * logvar).exp().mean().item() == pytest.approx(0.02, rel=0.2)
    if name == "AutoencoderKLLTXVideo":  # other classes have the published models' numbers as defaults
        assert known_normalization(autoencoder, len(mean)) is None
    record_normalization(autoencoder, mean, std)
    autoencoder.save_pretrained(tmp_path)
    shift, scale = known_normalization(load_autoencoder(str(tmp_path)), len(mean))
    torch.testing.assert_close(shift, mean.float())
    torch.testing.assert_close(scale, std.float())


def test_shrunken_frames_have_no_more_values_than_the_latents() -> None:
    clips = torch.rand(2, 9, 3, 16, 16) * 2 - 1
    blurred = shrink(clips, size=LatentSize(clip=(9, 3, 16, 16), latents=(5, 4, 4, 4)))
    assert blurred.shape == clips.shape
    assert blurred.std() < clips.std()
    same = shrink(clips, size=LatentSize(clip=(9, 3, 16, 16), latents=(9, 3, 16, 16)))
    torch.testing.assert_close(same, clips, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("processor.num_frames=8", r"section processor: num_frames=8 does not fit.*2n . 1 frames.*7 and 9"),
        ("processor.height=18", r"9 frames of 18x16 do not fit"),
        ("model.class_name=AutoencoderKLWann", r"did you mean AutoencoderKLWan\?"),
        ("model.options.latent_chanels=4", r"did you mean latent_channels\?"),
        ("model.options.patch_size=two", r"model.options do not make an AutoencoderKLLTXVideo"),
        ("model.pretrained=nowhere", r"options describe a fresh autoencoder"),
        ("data.streaming=true", r"no clips to measure on"),
        ("data.buckets=[[9, 16, 16]]", r"clips of one size"),
        ("training.perceptual_weight=1", r"set perceptual_model"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(work: Path, override: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run_recipe(work / "recipe.yaml", [override, f"output_dir={work / 'refused'}"])
    assert not (work / "refused" / "recipe.yaml").exists()


def test_a_pretrained_autoencoder_is_gone_on_from(work: Path) -> None:
    autoencoder = build_autoencoder(ModelSection(pretrained=str(work / "run")))
    exported = load_autoencoder(str(work / "run"))
    assert all(torch.equal(a, b) for a, b in zip(autoencoder.parameters(), exported.parameters(), strict=True))


@pytest.mark.parametrize("name", ["autoencoder_moving_digits", "autoencoder_video_folder"])
def test_recipes_that_ship_describe_what_works(name: str) -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes" / "video_autoencoder"
    recipe = load_recipe(folder / f"{name}.yaml")
    from heygen_hf.tasks.video_autoencoder.model import size_of_latents

    size = size_of_latents(recipe, build_autoencoder(recipe.model))
    assert size.compression_ratio >= 16
