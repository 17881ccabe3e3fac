"""A recipe with an autoencoder and a text encoder: cached by the command line, trained on, and made into videos."""

import json
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_hook
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import build_tokenizer, render_moving_digits
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.latents import decode_latents, encode_to_posterior, known_normalization, normalize_latents
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import load_recipe, run_recipe
from heygen_hf.tasks.clip_data import prepare_data
from heygen_hf.tasks.recipe_cacher import cache_recipe
from heygen_hf.tasks.text_to_video import evaluate, generate
from heygen_hf.tasks.text_to_video.encoded_data import EncodedCaptions, training_data
from heygen_hf.tasks.text_to_video.encoders import load_encoders
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry, latent_geometry
from heygen_hf.tasks.text_to_video.model import build_model, build_tokenizer_for

RECIPE = """
task: text_to_video
model: {hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 1, patch_size: [1, 4, 4]}
processor: {num_frames: 9, height: 16, width: 16, frame_position: start}
data: {label_columns: [colour]}
training:
  max_steps: 4
  per_device_train_batch_size: 4
  eval_steps: 2
  save_steps: 2
  sample_steps: 4
  logging_steps: 1
  max_eval_clips: 4
  compile_blocks: never
  disable_tqdm: true
generation: {num_inference_steps: 2, num_samples: 2, batch_size: 8}
evaluation: {videos_per_unseen_combination: 1, judge_max_steps: 2}
"""
SHORT = ["evaluation.enabled=false", "training.sample_steps=0", "training.eval_steps=100", "training.save_steps=100"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips, a tiny autoencoder (4 channels, 2:1 in time and space) and a tiny text encoder."""
    from diffusers import AutoencoderKLWan
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("latents")
    render_moving_digits(
        folder / "digits",
        **{"num_train": 12, "num_validation": 4, "num_test": 6},
        **{"image_size": 16, "digit_size": 8, "num_frames": 9, "progress": False},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "attn_scales": []}
        AutoencoderKLWan(**size, temperal_downsample=[True]).save_pretrained(folder / "vae")
        tokenizer = build_tokenizer(["a red 7 moves left"])
        tokenizer.save_pretrained(folder / "bert")
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder / "bert")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def values(work: Path, *more: str, name: str = "run", cache: str = "cache") -> list[str]:
    return [
        f"model.autoencoder={work / 'vae'}",
        f"model.text_encoder={work / 'bert'}",
        f"data.train={work / 'digits'}",
        f"data.cache_dir={work / cache}",
        f"output_dir={work / name}",
        *more,
    ]


def run_command(work: Path, *arguments: str):
    return CliRunner().invoke(app, ["data", "cache", str(work / "recipe.yaml"), *arguments], catch_exceptions=False)


@contextmanager
def encoder_calls() -> Iterator[list[str]]:
    """The class of every encoder that runs: the autoencoder's encoding half and the text encoder."""
    calls: list[str] = []

    def note(module: torch.nn.Module, *_: object) -> None:
        runs = not next(module.parameters(), torch.empty(0)).is_meta  # there it only tells shapes
        if runs and type(module).__name__ in ("WanEncoder3d", "BertModel"):
            calls.append(type(module).__name__)

    handle = register_module_forward_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


@pytest.fixture(scope="module")
def cached(work: Path) -> str:
    """What the command says the first time."""
    with encoder_calls() as calls:
        result = run_command(work, *values(work))
    assert result.exit_code == 0
    assert set(calls) == {"WanEncoder3d", "BertModel"}
    return result.stdout


def training_clips(work: Path, *more: str, cache: str = "cache"):
    """The training data of a recipe, with its encoders and its recipe."""
    recipe = load_recipe(work / "recipe.yaml", values(work, *more, cache=cache))
    processor = VideoProcessor(**asdict(recipe.processor))
    data = prepare_data(recipe.data, processor=processor, seed=recipe.seed, is_main=False)
    encoders = load_encoders(recipe.model)
    options = {"processor": processor, "tokenizer": build_tokenizer_for(recipe, data), "device": torch.device("cpu")}
    return training_data(recipe, data, encoders, **options), data, encoders


def test_the_command_fills_once_says_so_and_verifies(work: Path, cached: str) -> None:
    assert "train latents: 12 of 12 encoded" in cached
    assert "validation latents: 4 of 4 encoded" in cached
    assert "train text embeddings:" in cached
    with encoder_calls() as calls:
        again = run_command(work, *values(work), "--verify")
    assert calls == []
    assert "train latents: 0 of 12 encoded" in again.stdout
    assert "latents: all of 16 encodings are whole" in again.stdout
    shard = next((work / "cache").glob("latents-*/shard-*"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-4] + b"\x7f\xff\x7f\xff")
    mended = run_command(work, *values(work), "--verify")
    assert "1 damaged shards, set aside" in mended.stdout
    assert "train latents: 0 of 12 encoded" in run_command(work, *values(work)).stdout


def test_trained_evaluated_and_generated_from_without_encoding(work: Path, cached: str, tmp_path: Path) -> None:
    with encoder_calls() as calls:
        run = run_recipe(work / "recipe.yaml", values(work))
    assert "WanEncoder3d" not in calls
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert any("eval_loss" in entry for entry in log)
    assert run.metrics["attribute_accuracy_real"]
    assert (run.folder / "samples" / "step-0000004.mp4").is_file()
    assert (run.folder / "README.md").is_file()

    pipeline = VideoGenerationPipeline.from_pretrained(run.folder)
    assert pipeline.transformer.config.num_channels == 4
    assert pipeline.clip_shape() == (5, 4, 8, 8)
    assert type(pipeline.text_encoder).__name__ == "BertModel"
    prompt = json.loads((run.folder / "reference.json").read_text())["prompt"]
    frames = pipeline(prompt, generator=torch.Generator().manual_seed(0), output_type="pt").frames
    assert frames.shape == (1, 9, 3, 16, 16)
    assert torch.equal(frames, load_file(run.folder / "reference.safetensors")["frames"])
    other = pipeline("a blue 1 moves up", generator=torch.Generator().manual_seed(0), output_type="pt").frames
    assert not torch.equal(frames, other)  # it reads the caption
    (video,) = generate(run.folder, ["a red 7 moves left"], output_dir=tmp_path / "videos")
    assert video.stat().st_size > 0
    assert evaluate(run.folder, limit=1)["settings"]["num_videos"] == 1


def test_the_pipeline_undoes_what_training_saw(work: Path, cached: str) -> None:
    shown, data, encoders = training_clips(work, "data.cache.dtype=float32", cache="exact")
    vae = encoders.autoencoder
    latents = torch.stack([shown.train[i]["latents"] for i in range(4)])
    frames = torch.stack([data.train[i]["frames"] for i in range(4)])
    with torch.no_grad():
        means, _ = encode_to_posterior(vae, data.train.buckets.processors[0].normalize(frames))
        decoded = decode_latents(vae, latents)
        plain = vae.decode(means.transpose(1, 2), return_dict=False)[0].transpose(1, 2)
        undone = normalize_latents(vae, means.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(latents, undone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(decoded, plain, rtol=1e-3, atol=1e-3)
    # the statistics are those of the training clips: each channel has mean 0 and spread 1
    everything = torch.stack([shown.train[i]["latents"] for i in range(len(shown.train))]).transpose(0, 2).flatten(1)
    torch.testing.assert_close(everything.mean(1), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(everything.std(1, correction=0), torch.ones(4), rtol=0, atol=1e-3)


def test_at_learning_rate_0_neither_weights_nor_normalisation_change(work: Path, cached: str) -> None:
    still = [*SHORT, "training.learning_rate=0", "training.muon_learning_rate=0", "training.max_steps=2"]
    first = run_recipe(work / "recipe.yaml", values(work, *still, name="still")).folder
    pretrained = [f"model.pretrained={first}", "model.autoencoder=null", "model.text_encoder=null"]
    second = run_recipe(work / "recipe.yaml", values(work, *still, *pretrained, name="stiller")).folder
    for part in ("transformer/model", "vae/diffusion_pytorch_model", "text_encoder/model"):
        before, after = (load_file(folder / f"{part}.safetensors") for folder in (first, second))
        assert before.keys() == after.keys()
        assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    configs = [json.loads((folder / "vae" / "config.json").read_text()) for folder in (first, second)]
    assert len(configs[0]["latents_mean"]) == 4
    assert configs[0]["latents_mean"] == configs[1]["latents_mean"]
    assert configs[0]["latents_std"] == configs[1]["latents_std"]
    references = [load_file(folder / "reference.safetensors")["frames"] for folder in (first, second)]
    assert torch.equal(*references)


def test_what_is_missing_is_encoded_while_training_once_and_to_the_same_run(work: Path, cached: str) -> None:
    short = [*SHORT, "training.max_steps=3"]  # an epoch
    filled = run_recipe(work / "recipe.yaml", values(work, *short, name="filled")).folder
    with encoder_calls() as calls:
        mixed = run_recipe(work / "recipe.yaml", values(work, *short, name="mixed", cache="new")).folder
    assert "WanEncoder3d" in calls
    one, other = (load_file(folder / "transformer" / "model.safetensors") for folder in (filled, mixed))
    assert all(torch.allclose(weight, other[name], atol=1e-3) for name, weight in one.items())
    accounts = dict(cache_recipe(work / "recipe.yaml", values(work, cache="new"))["train"])
    assert accounts["latents"].num_present == 12


def test_workers_encode_what_is_missing_on_the_cpu(work: Path) -> None:
    options = [*SHORT, "data.num_workers=2", "training.max_steps=3"]
    run_recipe(work / "recipe.yaml", values(work, *options, name="workers", cache="by_workers"))
    accounts = dict(cache_recipe(work / "recipe.yaml", values(work, cache="by_workers"))["train"])
    assert accounts["latents"].num_present == 12
    assert accounts["text_embeddings"].num_present > 0


def test_a_changed_encoder_leaves_a_cache_behind_that_is_deleted_only_when_asked(work: Path, cached: str) -> None:
    values_now = values(work, "data.cache.dtype=float32", "model.text_encoder=null", cache="superseded")
    run_command(work, *values(work, "model.text_encoder=null", cache="superseded"))
    named = run_command(work, *values_now)
    assert "dtype bfloat16" in named.stdout
    assert "--delete-superseded" in named.stdout
    assert len(list((work / "superseded").glob("latents-*"))) == 2
    assert "deleted: latents-" in run_command(work, *values_now, "--delete-superseded").stdout
    assert len(list((work / "superseded").glob("latents-*"))) == 1


def test_a_killed_fill_goes_on_where_it_was(work: Path) -> None:
    arguments = [*values(work, "data.cache.batch_size=1", cache="killed"), "model.text_encoder=null"]

    def fill() -> None:
        torch.set_num_threads(1)  # a forked process has no other threads
        cache_recipe(work / "recipe.yaml", arguments)

    process = multiprocessing.get_context("fork").Process(target=fill)
    process.start()
    try:
        while process.is_alive() and not list((work / "killed").glob("latents-*/shard-*")):
            time.sleep(0.002)
    finally:
        process.kill()
        process.join()
    accounts = cache_recipe(work / "recipe.yaml", arguments)
    latents = [dict(accounts[split])["latents"] for split in ("train", "validation")]
    assert latents[0].num_present > 0
    assert [account.num_present + account.num_encoded for account in latents] == [12, 4]
    assert not any(account.problems for account in latents)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["processor.num_frames=8"], r"num_frames=8 does not fit: .* 2n \+ 1 frames, .* are 7 and 9"),
        (["processor.num_frames=7"], "num_frames=7 does not fit: the autoencoder drops .* nearest .* are 5 and 9"),
        (["processor.height=20"], "height=20 does not fit: .* multiples of 2, .* a patch 4 .* are 16 and 24"),
        (["data.buckets=[[9,16,16],[8,16,16]]"], r"the bucket 8x16x16 in data: num_frames=8 does not fit"),
        (["model.num_channels=3"], "model.num_channels is 3 and the encoder's is 4"),
        (["model.autoencoder=nowhere"], "nothing loads from model.autoencoder=nowhere"),
        (["model.text_encoder=nowhere"], "nothing loads from model.text_encoder=nowhere"),
        (["data.augmentation={horizontal_flip_prob: 0.5}"], "data.augmentation changes clips .* drop one of them"),
        (["data.streaming=true"], "data.streaming=true .* set data.streaming=false"),
        (["data.cache.variants_per_clip=2"], "variants_per_clip=2 has nothing to vary"),
        (["data.cache.batch_size=0"], "batch_size must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_encoded_is_one_line_before_anything_is(work: Path, overrides: list[str], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        run_recipe(work / "recipe.yaml", values(work, *overrides, name="bad", cache="bad"))
    assert "\n" not in str(caught.value)
    assert not list((work / "bad").glob("latents-*"))


def test_a_pretrained_model_of_other_clips_is_refused(work: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "patch_size": (1, 4, 4)}
    processor = VideoProcessor(num_frames=9, height=16, width=16)
    for name, fields in (("pixels", {}), ("latents", {"num_channels": 4, "spatial_compression": 2})):
        VideoTransformerForVideoGeneration(VideoTransformerConfig(**sizes, **fields)).save_pretrained(work / name)
    section = {"pretrained": str(work / "pixels"), "autoencoder": str(work / "vae")}
    with pytest.raises(ValueError, match=r"takes clips of 3 channels, and model.autoencoder=.*vae makes 4: name"):
        build_model(section, processor=processor, tokenizer=None)
    with pytest.raises(ValueError, match=r"makes latents, and no autoencoder is beside it: set model.autoencoder"):
        build_model({"pretrained": str(work / "latents")}, processor=processor, tokenizer=None)


def test_a_recipe_without_encoders_has_nothing_to_cache(work: Path) -> None:
    with pytest.raises(ValueError, match=r"set model\.autoencoder, model\.text_encoder or both"):
        cache_recipe(work / "recipe.yaml", [f"data.train={work / 'digits'}"])


def test_an_image_autoencoder_encodes_frame_by_frame_with_its_scaling_factor(work: Path) -> None:
    from diffusers import AutoencoderKL

    types = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    vae = AutoencoderKL(**types, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, latent_channels=3)
    vae.save_pretrained(work / "image_vae" / "vae")  # as it lies in a pipeline
    assert latent_geometry(str(work / "image_vae")) == LatentGeometry(3, temporal_compression=1, spatial_compression=2)
    more = [f"model.autoencoder={work / 'image_vae'}", "model.text_encoder=null", "processor.num_frames=8"]
    shown, data, encoders = training_clips(work, *more, "data.cache.dtype=float32", cache="images")
    latents = shown.train[0]["latents"]
    assert latents.shape == (8, 3, 8, 8)
    frame = data.train.buckets.processors[0].normalize(data.train[0]["frames"])[5:6]
    with torch.no_grad():
        alone = encoders.autoencoder.encode(frame).latent_dist.mean[0]
        decoded = decode_latents(encoders.autoencoder, latents[None])
        plain = encoders.autoencoder.decode(alone[None]).sample
    torch.testing.assert_close(latents[5], alone * 0.18215, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(decoded[0, 5:6], plain, rtol=1e-3, atol=1e-4)


def test_normalisation_is_the_autoencoders_own_where_it_has_one() -> None:
    from diffusers import AutoencoderKLLTXVideo, AutoencoderKLWan

    with torch.device("meta"):
        wan = AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[True])
        small = AutoencoderKLWan(base_dim=4, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[True])
    shift, scale = known_normalization(wan, 16)
    assert shift[0].item() == pytest.approx(-0.7571)
    assert scale[0].item() == pytest.approx(2.8184)
    assert known_normalization(small, 4) is None  # the defaults of 16 channels are not its own
    blocks = {"block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8), "latent_channels": 4}
    layers = {"layers_per_block": (1, 1, 1), "decoder_layers_per_block": (1, 1, 1)}
    flags = {"spatio_temporal_scaling": (True, True), "decoder_spatio_temporal_scaling": (True, True)}
    more = {"decoder_inject_noise": (False,) * 3, "upsample_residual": (False,) * 2, "upsample_factor": (1, 1)}
    types = {"down_block_types": ("LTXVideoDownBlock3D",) * 2}
    ltx = AutoencoderKLLTXVideo(**blocks, **layers, **flags, **more, **types)
    ltx.latents_mean.fill_(2.0)
    assert known_normalization(ltx, 4)[0].tolist() == [2.0] * 4  # held as buffers


def test_statistics_that_are_not_the_autoencoders_own_are_told(work: Path, cached: str, capsys) -> None:
    shutil.copytree(work / "vae", work / "foreign_vae")
    config = json.loads((work / "vae" / "config.json").read_text())
    config |= {"latents_mean": [0.0] * 4, "latents_std": [50.0] * 4}
    (work / "foreign_vae" / "config.json").write_text(json.dumps(config))
    training_clips(work, f"model.autoencoder={work / 'foreign_vae'}")  # normalised otherwise, it is the same cache
    assert "normalised latents have a spread of 0.0" in capsys.readouterr().out
    training_clips(work)
    assert "have a spread of" not in capsys.readouterr().out


def test_variants_and_samples_of_the_posterior_differ_by_epoch(work: Path) -> None:
    random = ["processor.num_frames=5", "processor.frame_position=random", "model.text_encoder=null"]
    more = [*random, "data.cache.variants_per_clip=2", "data.cache.posterior=sample"]
    shown, _, _ = training_clips(work, *more, cache="variants")
    first, second, third = (shown.train.fetch([0], epoch=epoch)[0]["latents"] for epoch in range(3))
    assert first.shape == (3, 4, 8, 8)
    assert not torch.equal(first, second)
    assert not torch.equal(first, third)  # the same frames, another draw of the posterior
    assert torch.equal(first, shown.train.fetch([0], epoch=0)[0]["latents"])
    assert torch.equal(*(shown.validation.fetch([0], epoch=epoch)[0]["latents"] for epoch in (0, 1)))


def test_encoded_captions_come_under_the_models_names(work: Path, cached: str) -> None:
    shown, _, _ = training_clips(work)
    from heygen_hf.data import VideoTextCollator

    batch = EncodedCaptions(VideoTextCollator(shown.train.clips.buckets.processors[0]))(
        [shown.train[0], shown.train[1]]
    )
    assert batch.keys() == {"pixel_values", "encoder_hidden_states", "attention_mask"}
    assert batch["encoder_hidden_states"].dtype == torch.float32
    assert batch["encoder_hidden_states"].shape[-1] == 16
