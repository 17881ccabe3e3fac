"""The trainer of autoencoders: learning, exact resume with a discriminator, averages, and diffusers' classes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLCogVideoX, AutoencoderKLLTXVideo, AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from transformers import TrainerCallback

from heygen_hf.training import JsonLinesLog
from heygen_hf.training.autoencoder.arguments import VideoAutoencoderTrainingArguments
from heygen_hf.training.autoencoder.geometry import latent_size
from heygen_hf.training.autoencoder.optimizer import split_kernels
from heygen_hf.training.autoencoder.reconstruction import ReconstructingAutoencoder, decode, in_slices
from heygen_hf.training.autoencoder.trainer import VideoAutoencoderTrainer, kl_per_value


def wan(**more: object) -> AutoencoderKLWan:
    sizes = {"base_dim": 8, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True]}
    return AutoencoderKLWan(**(sizes | {"scale_factor_spatial": 2} | more))


def ltx() -> AutoencoderKLLTXVideo:
    return AutoencoderKLLTXVideo(
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        down_block_types=("LTXVideoDownBlock3D",) * 3,
        layers_per_block=(1,) * 4,
        decoder_layers_per_block=(1,) * 4,
        spatio_temporal_scaling=(True,) * 3,
        decoder_spatio_temporal_scaling=(True,) * 3,
        decoder_inject_noise=(False,) * 4,
        upsample_residual=(False,) * 3,
        upsample_factor=(1,) * 3,
        patch_size=1,
    )


def small(latent_channels: int = 4) -> AutoencoderKLLTXVideo:
    """The fastest of them: half the frames, a quarter of the pixels."""
    return AutoencoderKLLTXVideo(
        latent_channels=latent_channels,
        block_out_channels=(8,),
        decoder_block_out_channels=(8,),
        down_block_types=("LTXVideoDownBlock3D",),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        upsample_residual=(False,),
        upsample_factor=(1,),
        patch_size=2,
    )


def cogvideox() -> AutoencoderKLCogVideoX:
    return AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 3,
        up_block_types=("CogVideoXUpBlock3D",) * 3,
        block_out_channels=(8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
    )


def image() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=2,
        latent_channels=2,
    )


AUTOENCODERS: dict[str, Callable[[], torch.nn.Module]] = {
    "wan": wan,
    "wan_of_patches": lambda: wan(patch_size=2, in_channels=12, out_channels=12, scale_factor_spatial=4),
    "ltx": ltx,
    "cogvideox": cogvideox,
    "image": image,
}


class Clips(torch.utils.data.Dataset):
    """12 clips of a square that moves, functions of their index."""

    def __init__(self, size: int = 8, count: int = 12) -> None:
        self.size, self.count = size, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        clip = torch.full((5, 3, self.size, self.size), -1.0)
        for t in range(5):
            clip[t, index % 3, index % 4 : index % 4 + 4, (index + t) % 5 : (index + t) % 5 + 3] = 1.0
        return {"pixel_values": clip}


ADVERSARY = {
    "adversarial_weight": 0.1,
    "adversarial_start_step": 2,
    "discriminator": {"hidden_sizes": [8, 8], "strides": [[1, 2], [1, 2]], "norm_type": "spectral"},
}


def build_trainer(folder: Path, autoencoder: torch.nn.Module | None = None, **overrides) -> VideoAutoencoderTrainer:
    torch.manual_seed(0)
    options = {n: overrides.pop(n) for n in ("callbacks", "measures", "write_samples", "features") if n in overrides}
    values = {
        "output_dir": str(folder),
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 3,
        "eval_strategy": "no",
        "warmup_steps": 0,
        "precision": "fp32",
        "optimizer": "adamw",
        "disable_tqdm": True,
    }
    return VideoAutoencoderTrainer(
        small() if autoencoder is None else autoencoder,
        VideoAutoencoderTrainingArguments(**(values | overrides)),
        train_dataset=Clips(),
        eval_dataset=Clips(count=6),
        **options,
    )


def weights_of(trainer: VideoAutoencoderTrainer) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])


def read_log(path: Path) -> list[dict[str, float]]:
    return [entry for line in path.read_text().splitlines() if "loss" in (entry := json.loads(line))]


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_every_class_is_trained_saved_and_loaded(tmp_path: Path, name: str) -> None:
    size = 16 if name == "ltx" else 8
    trainer = build_trainer(tmp_path, AUTOENCODERS[name](), ema_decay=0.5)
    clip = torch.rand(1, 9, 3, size, size) * 2 - 1
    before = weights_of(trainer).clone()
    loss = trainer.compute_loss(trainer.model.train(), {"pixel_values": clip})
    loss.backward()
    missing = [key for key, weight in trainer.model.named_parameters() if weight.grad is None]
    assert not missing
    trainer.create_optimizer().step()
    assert not torch.equal(before, weights_of(trainer))
    trainer.autoencoder.save_pretrained(tmp_path / "export")
    loaded = type(trainer.autoencoder).from_pretrained(tmp_path / "export")
    found = ReconstructingAutoencoder(loaded.eval())(clip)[0]
    assert found.shape == clip.shape
    torch.testing.assert_close(found, trainer.reconstruct(clip).clips)


def test_it_learns_with_muon_and_names_every_part(tmp_path: Path) -> None:
    trainer = build_trainer(
        tmp_path / "run",
        max_steps=30,
        optimizer="muon",
        muon_learning_rate=2e-2,
        learning_rate=1e-2,
        temporal_consistency_weight=0.5,
        save_strategy="no",
        callbacks=[JsonLinesLog(tmp_path / "log.jsonl")],
    )
    kernels, others = split_kernels(trainer.model)
    assert kernels
    assert len(kernels) + len(others) == len(list(trainer.model.parameters()))
    trainer.train()
    entries = read_log(tmp_path / "log.jsonl")
    assert sum(entry["loss"] for entry in entries[-5:]) < 0.6 * sum(entry["loss"] for entry in entries[:5])
    entry = entries[-1]
    whole = entry["loss_pixel_l1"] + entry["loss_pixel_l2"]
    whole += 0.5 * entry["loss_temporal_consistency"] + 1e-4 * entry["loss_kl"]
    assert entry["loss"] == pytest.approx(whole, rel=1e-4)
    assert entry["tokens_per_second"] > entry["samples_per_second"] > 0


def test_a_resumed_run_ends_where_a_straight_one_does(tmp_path: Path) -> None:
    options = {"ema_decay": 0.9, "optimizer": "muon", **ADVERSARY}
    straight = build_trainer(tmp_path / "straight", **options, callbacks=[JsonLinesLog(tmp_path / "log.jsonl")])
    start = weights_of(straight).clone()
    judge_at_start = straight.adversary.model.state_dict()["scales.0.classifier.weight"].clone()
    straight.train()
    build_trainer(tmp_path / "resumed", **options, callbacks=[_StopAtStepThree()]).train()
    resumed = build_trainer(tmp_path / "resumed", **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "resumed" / "checkpoint-3"))
    assert not torch.equal(start, weights_of(straight))
    assert torch.equal(weights_of(straight), weights_of(resumed))
    ours, theirs = straight.adversary.model.state_dict(), resumed.adversary.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(judge_at_start, ours["scales.0.classifier.weight"])
    with straight.ema_weights(), resumed.ema_weights():
        assert torch.equal(weights_of(straight), weights_of(resumed))
    entries = read_log(tmp_path / "log.jsonl")
    assert [step for step, entry in enumerate(entries) if "loss_discriminator" in entry] == [2, 3, 4, 5]
    assert {"loss_adversarial", "loss_adversarial_weight"} <= entries[-1].keys()


class _StopAtStepThree(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 3


def test_accumulated_batches_draw_what_one_batch_draws(tmp_path: Path) -> None:
    runs = []
    for name, size, accumulated in (("whole", 4, 1), ("parts", 2, 2)):
        trainer = build_trainer(
            tmp_path / name,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            max_steps=3,
            save_strategy="no",
            adam_epsilon=1e-3,
        )
        trainer.train()
        runs.append(weights_of(trainer))
    torch.testing.assert_close(*runs, rtol=1e-4, atol=1e-5)


def test_the_posterior_draw_is_a_function_of_its_key() -> None:
    model = ReconstructingAutoencoder(wan())
    clip = Clips()[0]["pixel_values"][None]
    same = clip.repeat(2, 1, 1, 1, 1)
    twice = model(same, noise_keys=[(0, 1, 3, 5), (0, 1, 3, 6)])[0]
    again = model(clip, noise_keys=[(0, 1, 3, 6)])[0]
    assert not torch.allclose(twice[0], twice[1])
    torch.testing.assert_close(twice[1:], again)


def test_the_divergence_counts_every_value() -> None:
    mean, logvar = torch.randn(2, 3, 4, 2, 2), torch.randn(2, 3, 4, 2, 2)
    normal = torch.distributions.Normal(mean, (0.5 * logvar).exp())
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).flatten(1).mean(1)
    torch.testing.assert_close(kl_per_value(mean, logvar), wanted)
    theirs = DiagonalGaussianDistribution(torch.cat((mean, logvar), dim=2).transpose(1, 2)).kl()
    assert theirs.shape != (2,)  # one axis of a video is left over


def test_a_pixel_beyond_the_clamp_finds_its_way_back() -> None:
    autoencoder = wan()
    with torch.no_grad():
        autoencoder.decoder.conv_out.bias.fill_(-3.0)  # everything is blacker than black
    latents = torch.randn(1, 3, 4, 4, 4, requires_grad=True)
    clip = decode(autoencoder, latents)
    assert clip.min() == clip.max() == -1
    (clip + 1).abs().mean().backward(retain_graph=True)  # as wanted: nothing to do
    assert autoencoder.decoder.conv_out.bias.grad.abs().max() == 0
    (clip - 1).square().mean().backward()
    assert (autoencoder.decoder.conv_out.bias.grad < 0).all()
    with torch.no_grad():
        torch.testing.assert_close(decode(autoencoder, latents), clip)


@pytest.mark.parametrize(
    ("name", "frames", "said"),
    [
        ("wan", 8, "num_frames=8 does not fit: AutoencoderKLWan takes 4n . 1 frames; the nearest are 5 and 9"),
        ("ltx", 8, "takes 8n . 1 frames; the nearest are 1 and 9"),
        (
            "cogvideox",
            13,
            "takes 8n . 1 frames; the nearest are 9 and 17",
        ),  # an even count of latents is decoded otherwise
    ],
)
def test_frames_that_do_not_fit_are_refused_with_the_nearest(name: str, frames: int, said: str) -> None:
    autoencoder = AUTOENCODERS[name]()
    with pytest.raises(ValueError, match=said):
        latent_size(autoencoder, num_frames=frames, height=16, width=16)
    found = latent_size(autoencoder, num_frames=9, height=16, width=16)
    assert found.clip == (9, 3, 16, 16)
    assert found.compression_ratio == 9 * 3 * 256 / torch.Size(found.latents).numel()


def test_sides_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"5 frames of 9x9 do not fit.*nearest squares are 8 and 10"):
        latent_size(wan(), num_frames=5, height=9, width=9)
    trainer = build_trainer(tmp_path)
    with pytest.raises(ValueError, match="num_frames=4 does not fit"):
        trainer.compute_loss(trainer.model, {"pixel_values": torch.zeros(1, 4, 3, 8, 8)})


def test_evaluation_measures_the_average_from_the_posteriors_mean(tmp_path: Path) -> None:
    def mean_error(ours: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (ours - target).abs().flatten(1).mean(1)

    trainer = build_trainer(
        tmp_path, learning_rate=1e-2, ema_decay=0.99, measures={"error": mean_error}, save_strategy="no", **ADVERSARY
    )
    trainer.train()
    first = trainer.evaluate()
    assert first["eval_error"] == pytest.approx(first["eval_pixel_l1"], rel=1e-5)
    assert first == pytest.approx(
        trainer.evaluate() | {n: v for n, v in first.items() if "per_sec" in n or "runt" in n}
    )
    assert "eval_adversarial" not in first
    trainer.ema = None
    assert trainer.evaluate()["eval_loss"] != first["eval_loss"]


def test_tiles_and_slices_are_left_behind_with_the_context() -> None:
    torch.manual_seed(0)
    autoencoder = wan().eval()
    clip = torch.rand(2, 5, 3, 32, 32) * 2 - 1
    model = ReconstructingAutoencoder(autoencoder)
    with torch.no_grad():
        whole = model(clip)[0]
        with in_slices(autoencoder, slicing=True):
            torch.testing.assert_close(model(clip)[0], whole, rtol=1e-4, atol=1e-5)
        with in_slices(autoencoder, tiling=True, tile_size=24):
            tiled = model(clip)[0]
    assert tiled.shape == whole.shape
    assert not torch.equal(tiled, whole)
    assert not autoencoder.use_tiling
    assert not autoencoder.use_slicing
    assert autoencoder.tile_sample_min_height == 256


def test_samples_are_written_without_touching_the_run(tmp_path: Path) -> None:
    steps: list[int] = []

    def write(step: int) -> None:
        steps.append(step)
        torch.rand(3)

    plain = build_trainer(tmp_path / "plain", save_strategy="no")
    plain.train()
    sampling = build_trainer(tmp_path / "sampling", save_strategy="no", sample_steps=2, write_samples=write)
    sampling.train()
    assert steps == [2, 4, 6]
    assert torch.equal(weights_of(plain), weights_of(sampling))


def test_the_perceptual_loss_takes_any_network_and_says_what_it_lacks(tmp_path: Path) -> None:
    trainer = build_trainer(
        tmp_path,
        perceptual_weight=0.5,
        perceptual_model="given below",
        features=torch.nn.Conv2d(3, 4, 3),
        save_strategy="no",
        max_steps=1,
    )
    trainer.train()
    assert "loss_perceptual" in trainer.state.log_history[0]
    with pytest.raises(ValueError, match="set perceptual_model"):
        build_trainer(tmp_path, perceptual_weight=0.5)
    with pytest.raises(ValueError, match="nothing loads from perceptual_model=nowhere"):
        build_trainer(tmp_path, perceptual_weight=0.5, perceptual_model="nowhere")


def test_a_checkpoint_of_another_autoencoder_is_refused(tmp_path: Path) -> None:
    build_trainer(tmp_path, max_steps=3).train()
    with pytest.raises(ValueError, match="its latent_channels is 4, the recipe's is 3"):
        build_trainer(tmp_path, small(latent_channels=3)).train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    with pytest.raises(ValueError, match="was trained without a discriminator"):
        build_trainer(tmp_path, **ADVERSARY).train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
