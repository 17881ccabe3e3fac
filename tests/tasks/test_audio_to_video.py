import json
import shutil
import wave
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from heygen_hf.data import decode_frames
from heygen_hf.data.recordings import decode_recording
from heygen_hf.data.talking_faces import render_talking_faces, synthesize_speech
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.processing import FrameAudioFeatureExtractor
from heygen_hf.tasks import evaluate_recipe_run, run_recipe
from heygen_hf.tasks.audio_to_video import evaluate
from heygen_hf.tasks.audio_to_video.hearing import Hearing, describe_encoder, load_hearing
from heygen_hf.tasks.audio_to_video.recipe import AudioSection
from heygen_hf.tasks.generation import generate
from heygen_hf.tasks.recipe_planner import plan_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "audio_to_video" / "talking_faces.yaml"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=1",
    "processor.num_frames=8",
    "processor.height=32",
    "processor.width=32",
    "training.max_steps=2",
    "training.per_device_train_batch_size=4",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.sample_steps=2",
    "training.max_eval_clips=2",
    "training.compile_blocks=never",
    "training.disable_tqdm=true",
    "generation.num_inference_steps=1",
    "generation.num_samples=2",
    "evaluation.num_clips=4",
    "evaluation.num_identities=2",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    counts = {"num_train": 8, "num_validation": 2, "num_test": 6, "num_identities": 30}
    render_talking_faces(folder / "faces", **counts, image_size=32, num_frames=20, progress=False)
    return folder


def values(work: Path, *overrides: str, data: str = "faces") -> list[str]:
    places = [f"data.train={work / data}", f"data.cache_dir={work / 'cache'}"]
    return [*TINY, *places, f"output_dir={work / 'run'}", *overrides]


def train(work: Path, *overrides: str, data: str = "faces") -> Path:
    return run_recipe(RECIPE, values(work, *overrides, data=data), overwrite=True, command=["heygen-hf"]).folder


@pytest.fixture(scope="module")
def finished(work: Path) -> Path:
    return train(work)


def speech(path: Path, *, seconds: float, level: float = 0.5) -> Path:
    made = np.concatenate([synthesize_speech(i, sampling_rate=22_050, seed=0) for i in range(8)])
    samples = np.resize(made, round(seconds * 22_050)) * level
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(np.rint(samples * 32767).astype("<i2"))
    return path


def test_a_run_is_measured_and_its_card_says_how_to_use_it(finished: Path) -> None:
    figures = json.loads((finished / "metrics.json").read_text())["talking_faces"]
    assert figures["num_frames"] == 20
    assert figures["real"]["own_speech"]["correlation"] > 0.9
    assert figures["num_frames_measured"] == 19  # the first is given
    # each face is known by a clip that is not judged
    assert figures["real"]["identity"] == figures["real"]["identity"] | {"share": 1.0, "num_references": 2}
    assert figures["other_speech_differs_in"] == ["identity", "recordings"]
    assert figures["real"]["other_speech"]["correlation"] < 0.6
    assert figures["generated"]["other_speech"]["count"] >= 2
    assert -1 <= figures["generated"]["own_speech"]["correlation"] <= 1
    card = (finished / "README.md").read_text()
    assert 'pipe(image="face.png", audio="speech.wav", output_type="pt")' in card
    assert "mouth's opening" in card
    facts = json.loads((finished / "run.json").read_text())
    assert facts["reports"]["train"]["num_used"] == 8
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert any("eval_loss_given_first" in line for line in log)
    samples = sorted(path.name for path in (finished / "samples").iterdir())
    assert samples == ["sample-00.mp4", "sample-01.mp4", "samples.gif", "samples.png", "step-0000002.mp4"]
    assert decode_recording(finished / "samples" / "sample-00.mp4", sampling_rate=16_000)[0].abs().max() > 0.01


def test_the_export_hears_as_in_training(finished: Path) -> None:
    reference = json.loads((finished / "reference.json").read_text())
    held = load_file(finished / "reference.safetensors")
    pipeline = VideoGenerationPipeline.from_pretrained(str(finished))
    pipeline.set_progress_bar_config(disable=True)
    options = {name: reference[name] for name in ("num_frames", "audio_sampling_rate", "output_type")}
    options |= {"image": [held["image"]], "audio": [held["audio"]]}
    frames = pipeline(generator=torch.Generator().manual_seed(reference["seed"]), **options).frames
    assert torch.equal(frames, held["frames"])
    # The first frame is the face that was given, and the sound is heard.
    torch.testing.assert_close(frames[0, 0], held["image"], atol=1e-5, rtol=0)
    extractor = pipeline.audio_feature_extractor
    assert (extractor.hidden_size, extractor.speech_level) == (96, 0.12)
    assert pipeline.tokenizer is None
    assert pipeline.transformer.config.audio_hidden_size == 96


def test_generate_writes_videos_with_their_sound(finished: Path, tmp_path: Path, capsys) -> None:
    face = tmp_path / "face.png"
    Image.fromarray(np.full((48, 64, 3), 120, np.uint8)).save(face)  # of another size: the processor's policy
    long, short = speech(tmp_path / "long.wav", seconds=0.7), speech(tmp_path / "short.wav", seconds=0.1)
    files = generate(finished, [], image=[face], audio=[long, short], output_dir=tmp_path / "out")
    lengths = [len(decode_frames(file, range(frames)).frames) for file, frames in zip(files, (18, 8), strict=True)]
    assert lengths == [18, 8]
    assert "short.wav lasts 0.10 s and its video 0.32 s: silence at its end" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["num_frames"] for row in rows] == [18, 8]
    assert [(row["image"], row["audio"]) for row in rows] == [("face.png", "long.wav"), ("face.png", "short.wav")]
    given, carried = (decode_recording(file, sampling_rate=16_000)[0] for file in (long, files[0]))
    assert len(carried) == pytest.approx(0.72 * 16_000, abs=1100)  # in packets of 1024
    together = min(len(given), len(carried))
    assert np.corrcoef(given[:together], carried[:together])[0, 1] > 0.95
    # Less than the recording: cut, and said.
    generate(finished, [], image=[face], audio=[long], num_frames=8, output_dir=tmp_path / "cut")
    assert "long.wav lasts 0.70 s and its video 0.32 s: the rest is cut off" in capsys.readouterr().out


def test_generate_refuses_sound_that_is_none(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"notes.wav: not a readable recording"):
        generate(finished, [], audio=[tmp_path / "notes.wav"], output_dir=tmp_path / "out")
    sound = speech(tmp_path / "a.wav", seconds=0.3)
    PIL.Image.new("RGB", (16, 16)).save(tmp_path / "face.png")
    with pytest.raises(ValueError, match="2 --audio files for 3 videos"):
        generate(finished, [], image=[tmp_path / "face.png"] * 3, audio=[sound] * 2, output_dir=tmp_path / "out")
    with pytest.raises(ValueError, match="trained without captions; leave --prompt out"):
        generate(finished, ["a face"], output_dir=tmp_path / "out")
    with pytest.raises(ValueError, match="frame_rate is 12, and this model learned to hear at 25"):
        generate(finished, [], audio=[sound], frame_rate=12, output_dir=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_generate_says_that_there_is_nothing_to_hear(finished: Path, tmp_path: Path, capsys) -> None:
    generate(finished, [], frame_rate=12, output_dir=tmp_path / "out")
    assert "this model follows sound, and none is given" in capsys.readouterr().out


def test_a_run_is_measured_anew(finished: Path, tmp_path: Path) -> None:
    kept = (finished / "metrics.json").read_text()
    first = evaluate(finished, output=tmp_path / "figures.json")
    assert first["talking_faces"]["real"] == json.loads(kept)["talking_faces"]["real"]
    part = evaluate_recipe_run(finished, limit=3)
    assert part["talking_faces"]["num_videos"] == 3
    assert (finished / "evaluation" / "partial.json").is_file()
    assert (finished / "metrics.json").read_text() == kept
    muted = finished.parent / "faces" / "test" / "00000.mp4"
    kept_file = muted.read_bytes()
    _mute(muted)
    try:
        (finished / "recipe.yaml").rename(tmp_path / "recipe.yaml")
        text = (tmp_path / "recipe.yaml").read_text()
        (finished / "recipe.yaml").write_text(text.replace("max_bad_share: 0.1", "max_bad_share: 0.2"))
        again = evaluate(finished, output=tmp_path / "muted.json")
    finally:
        (tmp_path / "recipe.yaml").replace(finished / "recipe.yaml")
        muted.write_bytes(kept_file)
    assert again["talking_faces"]["num_silent"] == 0
    with pytest.raises(ValueError, match="num_videos_per_prompt: a run of audio_to_video is measured without"):
        evaluate_recipe_run(finished, num_videos_per_prompt=2)


def test_the_plan_of_the_recipe(work: Path, finished: Path) -> None:
    found = plan_recipe(RECIPE, values(work), measure=False)
    assert found["totals"]["used"] == 8
    assert found["batches"]["steps_per_epoch"] == 2
    with pytest.raises(ValueError, match=r"'name', which is not among data.label_columns"):
        plan_recipe(RECIPE, values(work, "evaluation.identity_column=name"), measure=False)


def test_clips_without_sound_are_left_out_and_counted(work: Path, finished: Path, capsys) -> None:
    if not (work / "mixed").exists():
        shutil.copytree(work / "faces", work / "mixed")
        _mute(work / "mixed" / "train" / "00003.mp4")
    with pytest.raises(ValueError, match=r"1 of 8 train clips have no sound .*'00003.mp4': it has no sound track"):
        train(work, "data.max_bad_share=0.1", f"output_dir={work / 'refused'}", data="mixed")
    folder = train(work, "data.max_bad_share=0.2", f"output_dir={work / 'fewer'}", data="mixed")
    report = json.loads((folder / "run.json").read_text())["reports"]["train"]
    assert report["num_used"] == 7
    assert report["skipped"][0]["reason"] == "it has no sound track"
    assert "1 of 8 train clips have no sound and are left out" in capsys.readouterr().out


def _mute(path: Path) -> None:
    from heygen_hf.data import write_video

    write_video(path, decode_frames(path, range(20)).frames, frame_rate=25, lossless=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("generation.frame_rate=8", "the clips have 25 frames a second and generation.frame_rate is 8"),
        ("processor.frame_position=uniform", "frame_position=uniform"),
        ("data.augmentation={speed_prob: 0.5}", "speed_prob changes time"),
        ("evaluation.identity_column=name", "'name', which is not among data.label_columns"),
        ("model.audio_hidden_size=7", "audio_hidden_size is 7 and the audio section's is 96"),
        ("audio.encoder=nowhere/at_all", "nothing loads from audio.encoder=nowhere/at_all"),
        ("audio.speech_level=0", "speech_level must lie in"),
        ("audio.sampling_rate=17000", "sampling_rate is 17000"),
        ("data.streaming=true", "stream"),
        ("evaluation.num_frames=400", "has 20 frames and 400 are wanted"),
    ],
)
def test_what_cannot_work_is_refused_before_training(work: Path, finished: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(work, f"output_dir={work / 'refused'}", override)


def test_a_run_goes_on_where_it_was(work: Path, finished: Path) -> None:
    off = ["training.save_steps=1", "training.sample_steps=0", "evaluation.measure=none", f"output_dir={work / 'cut'}"]
    folder = train(work, *off)
    before = load_file(folder / "transformer" / "model.safetensors")
    shutil.rmtree(folder / "checkpoints" / "checkpoint-2")
    (folder / "README.md").unlink()
    run_recipe(RECIPE, values(work, *off), resume="auto")
    after = load_file(folder / "transformer" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (folder / "README.md").is_file()


def test_an_encoder_is_known_by_its_options_too() -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    small |= {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "conv_dim": [4]}
    small |= {"conv_kernel": [20], "conv_stride": [20], "num_feat_extract_layers": 1}
    extractor = FrameAudioFeatureExtractor(8, has_encoder=True)
    described = []
    for activation in ("gelu", "relu", "gelu"):
        torch.manual_seed(0)
        model = Wav2Vec2Model(Wav2Vec2Config(**small, hidden_act=activation))
        described.append(describe_encoder(Hearing(extractor, model, Wav2Vec2FeatureExtractor())))
    assert described[0] == described[2] != described[1]


def test_what_is_no_audio_encoder_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, Wav2Vec2FeatureExtractor

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertModel(BertConfig(**small, vocab_size=9))
    model.save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is a BertModel, which encodes no sound"):
        load_hearing(AudioSection(encoder=str(tmp_path)))
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"nothing loads from audio.encoder=.*safetensors"):
        load_hearing(AudioSection(encoder=str(tmp_path)))


def test_captions_an_audio_encoder_and_no_given_frames(work: Path, finished: Path, tmp_path: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    convolutions = {"conv_dim": [4, 4], "conv_kernel": [20, 16], "conv_stride": [20, 16], "num_feat_extract_layers": 2}
    config = Wav2Vec2Config(**small, **convolutions, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2)
    Wav2Vec2Model(config).save_pretrained(tmp_path / "encoder")
    Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(tmp_path / "encoder")
    folder = train(
        work,
        f"audio.encoder={tmp_path / 'encoder'}",
        "audio.steps_per_frame=2",
        "data.caption_column=text",
        "training.given_frames=null",
        "training.sample_steps=0",
        "evaluation.num_clips=2",
        f"output_dir={work / 'encoded'}",
    )
    pipeline = VideoGenerationPipeline.from_pretrained(str(folder))
    assert type(pipeline.audio_encoder).__name__ == "Wav2Vec2Model"
    assert pipeline.transformer.config.audio_hidden_size == 16
    assert pipeline.transformer.config.conditions == ("caption", "audio")
    assert json.loads((folder / "metrics.json").read_text())["settings"]["first_frame_given"] is False
    sound = speech(tmp_path / "speech.wav", seconds=0.3)
    [file] = generate(folder, ["a face with black hair speaks"], audio=[sound], output_dir=tmp_path / "out")
    assert len(decode_frames(file, range(8)).frames) == 8


def test_latents_hear_the_frames_they_stand_for(work: Path, finished: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderKLWan

    size = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "attn_scales": []}
    AutoencoderKLWan(**size, temperal_downsample=[True]).save_pretrained(tmp_path / "vae")
    folder = train(
        work,
        f"model.autoencoder={tmp_path / 'vae'}",
        "model.patch_size=[1,4,4]",
        "processor.num_frames=9",
        "training.max_steps=1",
        "training.sample_steps=0",
        "evaluation.measure=none",
        f"output_dir={work / 'latents'}",
    )
    pipeline = VideoGenerationPipeline.from_pretrained(str(folder))
    assert pipeline.transformer.config.temporal_compression == 2
    assert pipeline.transformer.audio_proj.in_features == 2 * 96
    sound = speech(tmp_path / "speech.wav", seconds=0.5)
    [file] = generate(folder, [], audio=[sound], output_dir=tmp_path / "out")
    assert len(decode_frames(file, range(13)).frames) == 13  # in windows of 9
    with pytest.raises(ValueError, match=r"evaluation\.measure=none"):
        evaluate(folder)
