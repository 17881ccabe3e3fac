"""Sound in the pipeline: what is read, what each window hears, what the output carries."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.data.talking_faces import speech_level, synthesize_speech
from heygen_hf.pipelines import VideoGenerationPipeline, audio_inputs
from heygen_hf.pipelines.audio_inputs import at_speech_level, encode_sound
from heygen_hf.processing import FrameAudioFeatureExtractor
from heygen_hf.tasks.generation.sound_files import read_sounds

RATE = 8000
EXTRACTOR = FrameAudioFeatureExtractor(6, RATE, steps_per_frame=1, max_frequency=None, speech_level=0.12)
SPEECH = torch.cat([torch.from_numpy(synthesize_speech(i, sampling_rate=RATE, seed=0)) * 0.3 for i in range(3)])
IMAGE = torch.linspace(0, 1, 3 * 8 * 12).view(3, 8, 12)


@pytest.fixture(scope="module")
def pipeline(build_given_pipeline: Callable[..., VideoGenerationPipeline]) -> VideoGenerationPipeline:
    built = build_given_pipeline(audio_hidden_size=6, vocab_size=None)
    return VideoGenerationPipeline(
        built.transformer, built.scheduler, built.processor, num_inference_steps=2, frame_rate=10.0,
        audio_feature_extractor=EXTRACTOR,
    )  # fmt: skip


def call(pipeline: VideoGenerationPipeline, seed: int = 0, **options: object):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(generator=torch.Generator().manual_seed(seed), output_type="pt", **options)


def wav(path: Path, samples: torch.Tensor, *, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples.numpy() * 32767).astype("<i2"))
    return path


def test_a_file_and_its_samples_are_one_sound(pipeline: VideoGenerationPipeline, tmp_path: Path) -> None:
    file = wav(tmp_path / "speech.wav", SPEECH)
    of_file = call(pipeline, audio=file, num_frames=4)
    of_samples = call(pipeline, audio=SPEECH, audio_sampling_rate=RATE, num_frames=4)
    stereo = call(pipeline, audio=torch.stack((SPEECH, SPEECH)).numpy(), audio_sampling_rate=RATE, num_frames=4)
    torch.testing.assert_close(of_file.frames, of_samples.frames, atol=1e-2, rtol=0)
    torch.testing.assert_close(stereo.frames, of_samples.frames)
    assert not torch.allclose(of_samples.frames, call(pipeline, num_frames=4).frames, atol=1e-2)
    # The level of a recording is brought to that of training; what the video carries is what was given.
    half = call(pipeline, audio=SPEECH / 2, audio_sampling_rate=RATE, num_frames=4)
    torch.testing.assert_close(half.frames, of_samples.frames, atol=1e-2, rtol=0)
    assert of_samples.audio_sampling_rate == RATE
    assert torch.equal(of_samples.audio[0], SPEECH[: round(0.4 * RATE)])


def test_a_video_lasts_as_long_as_its_sound(pipeline: VideoGenerationPipeline) -> None:
    for seconds, frames in ((0.95, 10), (0.1, 4)):  # at least the model's own 4
        output = call(pipeline, audio=SPEECH[: round(seconds * RATE)], audio_sampling_rate=RATE, image=IMAGE)
        assert output.frames.shape[1] == frames
        assert len(output.audio[0]) == round(frames / 10 * RATE)
        assert output.audio[0][round(seconds * RATE) :].abs().sum() == 0


def test_each_window_hears_its_own_frames(pipeline: VideoGenerationPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []
    forward = pipeline.transformer.forward
    monkeypatch.setattr(
        pipeline.transformer, "forward", lambda *a, **k: (heard.append(k["audio_features"]), forward(*a, **k))[1]
    )
    options = {"audio": SPEECH, "audio_sampling_rate": RATE, "image": IMAGE, "num_frames": 9}
    whole = call(pipeline, context_frames=2, **options)
    features = pipeline.hear(SPEECH, audio_sampling_rate=RATE).features(first_frame=0, num_frames=10)
    windows = [features[:, start : start + 4] for start in (0, 2, 4, 6)]
    assert len(heard) == 8  # two steps each
    for i, window in enumerate(windows):
        torch.testing.assert_close(heard[2 * i], window)
    streamed = pipeline.stream_windows(**options, context_frames=2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.cat(list(streamed), dim=1), whole.frames)


def test_one_sound_for_all_or_one_each(pipeline: VideoGenerationPipeline) -> None:
    other = SPEECH.flip(0)
    options = {"audio_sampling_rate": RATE, "num_frames": 4}
    generators = [torch.Generator().manual_seed(0) for _ in range(4)]
    pipeline.set_progress_bar_config(disable=True)
    several = pipeline(
        audio=[SPEECH, other], image=IMAGE, num_videos_per_prompt=2, generator=generators, output_type="pt", **options
    )
    for i, sound in enumerate((SPEECH, SPEECH, other, other)):
        alone = call(pipeline, audio=sound, image=IMAGE, **options)
        torch.testing.assert_close(several.frames[i], alone.frames[0], atol=1e-5, rtol=1e-4)
        assert torch.equal(several.audio[i], alone.audio[0])
    shared = call(pipeline, audio=SPEECH, image=[IMAGE, IMAGE], **options)
    assert len(shared.frames) == len(shared.audio) == 2
    with pytest.raises(ValueError, match="audio holds 2 for 3 videos"):
        call(pipeline, audio=[SPEECH, other], image=[IMAGE] * 3, **options)


def test_guidance_by_sound(pipeline: VideoGenerationPipeline) -> None:
    options = {"audio": SPEECH, "audio_sampling_rate": RATE, "num_frames": 4, "image": IMAGE}
    plain, guided = (call(pipeline, guidance_scale={"audio": scale}, **options).frames for scale in (1.0, 2.0))
    assert not torch.allclose(plain, guided, atol=1e-2)
    torch.testing.assert_close(guided, call(pipeline, guidance_scale=2.0, **options).frames, atol=1e-4, rtol=1e-3)


def test_silence_is_said_and_stays_silent(pipeline: VideoGenerationPipeline) -> None:
    with pytest.warns(UserWarning, match="the audio is silent"):
        silent = call(pipeline, audio=torch.zeros(4000), audio_sampling_rate=RATE, num_frames=4)
    assert silent.audio[0].abs().max() == 0
    with pytest.warns(UserWarning, match="the audio is silent"):
        assert at_speech_level(SPEECH * 1e-4, EXTRACTOR).abs().max() < 1e-3  # a hiss is not made speech
    levelled = at_speech_level(SPEECH * 0.05, EXTRACTOR)
    assert speech_level(levelled.numpy(), sampling_rate=RATE) == pytest.approx(0.12, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audio": SPEECH}, "pass audio_sampling_rate"),
        ({"audio": SPEECH, "audio_sampling_rate": 0}, "audio_sampling_rate is 0"),
        ({"audio": SPEECH.double().mul(32767).short(), "audio_sampling_rate": RATE}, "divide integers"),
        ({"audio": torch.rand(800, 2), "audio_sampling_rate": RATE}, "more channels than samples"),
        ({"audio": torch.full((800,), torch.nan), "audio_sampling_rate": RATE}, "not finite"),
        ({"audio": []}, "empty list"),
        ({"audio": "nowhere.wav"}, "nowhere.wav: the file does not exist"),
    ],
)
def test_what_cannot_be_heard_is_refused(pipeline, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(pipeline, **options)


def test_a_file_without_sound_is_refused(pipeline: VideoGenerationPipeline, tmp_path: Path) -> None:
    file = write_video(tmp_path / "mute.mp4", torch.zeros(4, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"mute.mp4: it has no sound"):
        call(pipeline, audio=file)


def test_a_model_without_sound_refuses_it(build_given_pipeline: Callable[..., VideoGenerationPipeline]) -> None:
    with pytest.raises(ValueError, match="this model was trained without sound"):
        call(build_given_pipeline(), audio=SPEECH, audio_sampling_rate=RATE)


def test_sound_through_an_encoder(build_given_pipeline: Callable[..., VideoGenerationPipeline], tmp_path: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    small = {"hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    convolutions = {"conv_dim": [4, 4], "conv_kernel": [10, 8], "conv_stride": [10, 8], "num_feat_extract_layers": 2}
    config = Wav2Vec2Config(**small, **convolutions, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2)
    built = build_given_pipeline(audio_hidden_size=12, vocab_size=None)
    pipeline = VideoGenerationPipeline(
        built.transformer, built.scheduler, built.processor, num_inference_steps=2, frame_rate=10.0,
        audio_feature_extractor=FrameAudioFeatureExtractor(6, RATE, steps_per_frame=2, has_encoder=True),
        audio_encoder=Wav2Vec2Model(config).eval(),
        audio_encoder_extractor=Wav2Vec2FeatureExtractor(sampling_rate=RATE),
    )  # fmt: skip
    options = {"audio": SPEECH, "audio_sampling_rate": RATE, "num_frames": 4}
    frames = call(pipeline, **options).frames
    heard = pipeline.hear(SPEECH, audio_sampling_rate=RATE)
    assert len(heard.rows[0]) == pytest.approx(len(SPEECH) / 80, abs=2)
    assert heard.features(first_frame=0, num_frames=4).shape == (1, 4, 12)
    pipeline.save_pretrained(str(tmp_path))
    loaded = VideoGenerationPipeline.from_pretrained(str(tmp_path))
    torch.testing.assert_close(call(loaded, **options).frames, frames)
    # Less than its convolutions take: filled with silence, of which no state is kept.
    encoders = (pipeline.audio_encoder, pipeline.audio_encoder_extractor, pipeline.audio_feature_extractor)
    assert encode_sound(SPEECH[:40], *encoders).shape == (1, 6)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(audio_inputs, "_ENCODED_AT_ONCE_SECONDS", 0.5)
        assert len(encode_sound(SPEECH[: RATE // 2 + 10], *encoders)) == len(
            encode_sound(SPEECH[: RATE // 2], *encoders)
        )
        assert len(encode_sound(SPEECH[: RATE // 2 + 240], *encoders)) == RATE // 2 // 80 + 3


def test_numbers_that_are_no_sound_are_refused(pipeline: VideoGenerationPipeline) -> None:
    with pytest.raises(ValueError, match=r"audio has samples up to 32000; expected numbers in \[-1, 1\]: divide"):
        pipeline.hear(SPEECH / SPEECH.abs().max() * 32_000, audio_sampling_rate=RATE)
    assert pipeline.hear(SPEECH / SPEECH.abs().max() * 1.2, audio_sampling_rate=RATE).samples[0].max() <= 1
    for frame_rate in (0.0, -8.0, float("inf")):
        with pytest.raises(ValueError, match=r"frame_rate=.* must be above 0"):
            pipeline.hear(SPEECH, audio_sampling_rate=RATE, frame_rate=frame_rate)


def test_sound_in_one_piece_lasts_whole_patches(pipeline: VideoGenerationPipeline, tmp_path: Path) -> None:
    file = wav(tmp_path / "speech.wav", SPEECH[: round(0.9 * RATE)])
    options = {"num_videos": 1, "num_frames": None, "frame_rate": 10.0}
    assert read_sounds(pipeline, [file], **options).num_frames == [9]  # in windows, any number
    assert read_sounds(pipeline, [file], context_frames=0, **options).num_frames == [10]
