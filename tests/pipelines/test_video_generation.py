import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import DiffusionPipeline

from heygen_hf.data import build_tokenizer
from heygen_hf.models.video_transformer import (
    VideoTransformerConfig,
    VideoTransformerForVideoGeneration,
    VideoTransformerModel,
)
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor

CAPTIONS = ["a red 7 moves left", "a blue 3 moves up", "a 5"]


def build_pipeline(**overrides: object) -> VideoGenerationPipeline:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(CAPTIONS)
    values = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (2, 4, 4),
        "prediction_type": "sample",
        "sample_frames": 4,
        "sample_height": 8,
        "sample_width": 12,
        "timestep_shift": 2.0,
    }
    config = VideoTransformerConfig(**(values | overrides))
    transformer = VideoTransformerModel(config).eval()
    with torch.no_grad():
        for weight in transformer.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    processor = VideoProcessor(num_frames=4, height=8, width=12)
    pipeline = VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        processor,
        tokenizer if config.vocab_size else None,
        num_inference_steps=3,
        guidance_scale=2.0,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def pipeline() -> VideoGenerationPipeline:
    return build_pipeline()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_deterministic_for_a_seed(pipeline: VideoGenerationPipeline) -> None:
    frames = [pipeline(CAPTIONS[0], generator=seeded(s), output_type="pt").frames for s in (0, 0, 1)]
    assert torch.equal(frames[0], frames[1])
    assert not torch.allclose(frames[0], frames[2], atol=1e-2)


def test_a_batch_equals_its_items_one_by_one(pipeline: VideoGenerationPipeline) -> None:
    together = pipeline(CAPTIONS, generator=[seeded(i) for i in range(3)], output_type="pt").frames
    for i, caption in enumerate(CAPTIONS):
        alone = pipeline(caption, generator=seeded(i), output_type="pt").frames[0]
        torch.testing.assert_close(together[i], alone, atol=1e-5, rtol=1e-4)
    one_generator = seeded()
    in_turn = [pipeline(caption, generator=one_generator, output_type="pt").frames[0] for caption in CAPTIONS]
    torch.testing.assert_close(
        pipeline(CAPTIONS, generator=seeded(), output_type="pt").frames, torch.stack(in_turn), atol=1e-5, rtol=1e-4
    )


def test_guidance_is_the_formula(pipeline: VideoGenerationPipeline) -> None:
    """One step from noise: guided sample = unconditional + scale * (conditional - unconditional)."""
    latents = torch.randn(1, 4, 3, 8, 12)
    options = {"num_inference_steps": 1, "latents": latents, "output_type": "latent"}
    conditional = pipeline(CAPTIONS[0], guidance_scale=1.0, **options).frames
    with torch.no_grad():
        unconditional = pipeline.transformer(latents, torch.ones(1)).sample
    guided = pipeline(CAPTIONS[0], guidance_scale=3.0, **options).frames
    torch.testing.assert_close(guided, unconditional + 3 * (conditional - unconditional), atol=1e-4, rtol=1e-4)


def test_output_types_agree(pipeline: VideoGenerationPipeline) -> None:
    made = {
        kind: pipeline(CAPTIONS[0], generator=seeded(), output_type=kind).frames
        for kind in ("pt", "np", "pil", "latent")
    }
    assert made["pt"].shape == (1, 4, 3, 8, 12)
    assert made["np"].shape == (1, 4, 8, 12, 3)
    np.testing.assert_allclose(made["np"], made["pt"].permute(0, 1, 3, 4, 2).numpy())
    assert isinstance(made["pil"][0][0], PIL.Image.Image)
    assert made["pil"][0][0].size == (12, 8)
    torch.testing.assert_close(made["pt"], (made["latent"].clamp(-1, 1) + 1) / 2)
    assert isinstance(pipeline(CAPTIONS[0], output_type="pt", return_dict=False), tuple)


def test_several_videos_a_prompt_follow_each_other(pipeline: VideoGenerationPipeline) -> None:
    generators = [seeded(i) for i in range(4)]
    frames = pipeline(CAPTIONS[:2], num_videos_per_prompt=2, generator=generators, output_type="pt").frames
    alone = pipeline(CAPTIONS[1], generator=seeded(2), output_type="pt").frames[0]
    torch.testing.assert_close(frames[2], alone, atol=1e-5, rtol=1e-4)


def test_other_sizes(pipeline: VideoGenerationPipeline) -> None:
    frames = pipeline(CAPTIONS[0], num_frames=6, height=16, width=4, output_type="pt").frames
    assert frames.shape == (1, 6, 3, 16, 4)


def test_callback_sees_and_replaces_the_latents(pipeline: VideoGenerationPipeline) -> None:
    steps = []

    def zero(pipe, step, timestep, tensors):
        steps.append((step, float(timestep)))
        return {"latents": torch.zeros_like(tensors["latents"])}

    frames = pipeline(CAPTIONS[0], output_type="latent", callback_on_step_end=zero).frames
    assert frames.abs().max() == 0
    assert [step for step, _ in steps] == [0, 1, 2]
    assert steps[0][1] == 1000
    with pytest.raises(ValueError, match="callback_on_step_end_tensor_inputs"):
        pipeline(CAPTIONS[0], callback_on_step_end_tensor_inputs=["noise"])


def test_interrupt_stops_after_the_step(pipeline: VideoGenerationPipeline) -> None:
    seen = []

    def stop(pipe, step, timestep, tensors):
        seen.append(step)
        pipe._interrupt = True

    pipeline(CAPTIONS[0], callback_on_step_end=stop, output_type="pt")
    assert seen == [0]


@pytest.mark.parametrize("overrides", [{}, {"objective": "ddpm", "prediction_type": "velocity"}])
def test_saved_pipeline_makes_the_same_video_in_a_clean_process(tmp_path: Path, overrides: dict) -> None:
    pipeline = build_pipeline(**overrides)
    pipeline.save_pretrained(tmp_path)
    assert {path.name for path in (tmp_path / "transformer").iterdir()} == {"config.json", "model.safetensors"}
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["num_inference_steps"] == 3
    assert index["guidance_scale"] == 2.0
    script = (
        "import sys, torch\n"
        "from heygen_hf import VideoGenerationPipeline\n"
        "pipe = VideoGenerationPipeline.from_pretrained(sys.argv[1])\n"
        "video = pipe('a red 7 moves left', generator=torch.Generator().manual_seed(0), output_type='pt').frames\n"
        "torch.save(video, sys.argv[1] + '/video.pt')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120, capture_output=True)
    theirs = torch.load(tmp_path / "video.pt", weights_only=True)
    assert torch.equal(theirs, pipeline(CAPTIONS[0], generator=seeded(), output_type="pt").frames)


def test_components_load_on_their_own(tmp_path: Path) -> None:
    pipeline = build_pipeline()
    pipeline.save_pretrained(tmp_path)
    model = VideoTransformerForVideoGeneration.from_pretrained(tmp_path, subfolder="transformer")
    for name, weight in pipeline.transformer.state_dict().items():
        assert torch.equal(model.transformer.state_dict()[name], weight)
    again = DiffusionPipeline.from_pretrained.__func__(VideoGenerationPipeline, tmp_path)
    assert isinstance(again, VideoGenerationPipeline)
    assert again.processor.to_dict() == pipeline.processor.to_dict()
    assert again.tokenizer(CAPTIONS[0])["input_ids"] == pipeline.tokenizer(CAPTIONS[0])["input_ids"]


def test_classes_instead_of_captions() -> None:
    pipeline = build_pipeline(vocab_size=None, num_class_labels=3)
    latents = torch.randn(2, 4, 3, 8, 12)
    frames = pipeline(class_ids=[0, 2], latents=latents, output_type="pt").frames
    assert frames.shape[0] == 2
    assert not torch.allclose(
        frames[:1], pipeline(class_ids=[1], latents=latents[:1], output_type="pt").frames, atol=1e-3
    )
    with pytest.raises(ValueError, match="trained without captions"):
        pipeline("a caption")


def test_bad_input_says_what_to_do(pipeline: VideoGenerationPipeline) -> None:
    with pytest.raises(ValueError, match=r"num_frames=5 does not fit this model: the nearest that work are \[4, 6\]"):
        pipeline("a 5", num_frames=5)
    with pytest.raises(ValueError, match="num_inference_steps=0"):
        pipeline("a 5", num_inference_steps=0)
    with pytest.raises(ValueError, match="2 generators were given for 1 videos"):
        pipeline("a 5", generator=[seeded(), seeded()])
    with pytest.raises(ValueError, match="empty list"):
        pipeline([])
    with pytest.raises(ValueError, match="latents has shape"):
        pipeline("a 5", latents=torch.zeros(1, 2))


def test_compressed_sizes_follow_the_autoencoder() -> None:
    pipeline = build_pipeline(temporal_compression=4, spatial_compression=8, patch_size=(1, 2, 2), sample_frames=9)
    assert pipeline.clip_shape(num_frames=17, height=32, width=64) == (5, 3, 4, 8)
    with pytest.raises(ValueError, match=r"num_frames=16 .* \[13, 17\]"):
        pipeline.clip_shape(num_frames=16, height=32, width=64)
