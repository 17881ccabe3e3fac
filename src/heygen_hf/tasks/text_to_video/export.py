"""The model of a run as a folder that loads with `from_pretrained`."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors.torch import save_file

from heygen_hf.data import write_video
from heygen_hf.hub import hash_model_files, write_sample_strips
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation import GIVEN, sample_videos, to_uint8
from heygen_hf.tasks.run_folder import RunFolder, write_json


def export_run(
    folder: RunFolder,
    pipeline: VideoGenerationPipeline,
    *,
    prompts: Sequence[str] | None,
    seed: int,
    batch_size: int,
    precision: str,
    given: Mapping[str, Any] | None = None,
    texts: Sequence[str] | None = None,
) -> None:
    """Write the pipeline with the weights it holds now, its reference output and its sample videos.

    `reference.safetensors` holds the frames the model in memory made for one prompt, in float32 without autocast;
    whoever loads the folder can make them again and compare (`reference.json` says how). What else the pipeline was
    given is beside them, under its names.

    Args:
        prompts: None for a model without captions.
        given: further arguments of the pipeline, see `sample_videos`; tensors and numbers.
        texts: what is shown in the samples, a line for each; by default the prompts.
    """
    given = given or {}
    texts = list(prompts or []) if texts is None else list(texts)
    pipeline.transformer.eval()
    pipeline.to(pipeline.transformer.device)  # encoders may have waited on the CPU
    # The choice of attention is this machine's; where the model is loaded, transformers' default applies.
    attention = pipeline.transformer.config._attn_implementation
    pipeline.transformer.set_attn_implementation("sdpa")
    pipeline.save_pretrained(str(folder.path), safe_serialization=True)
    prompt = None if prompts is None else prompts[0]
    first = {name: value[:1] if name in GIVEN else value for name, value in given.items()}
    # Compiled blocks round in their own way; whoever loads the folder has none.
    with torch.compiler.set_stance("force_eager"):
        frames = pipeline(prompt, generator=torch.Generator().manual_seed(seed), output_type="pt", **first).frames
    tensors = {name: value[0].contiguous() for name, value in first.items() if name in GIVEN}
    save_file({"frames": frames.contiguous(), **tensors}, str(folder.path / "reference.safetensors"))
    config = pipeline.config
    write_json(
        folder.path / "reference.json",
        {
            "prompt": prompt,
            "seed": seed,
            "num_inference_steps": config.num_inference_steps,
            "guidance_scale": config.guidance_scale,
            "output_type": "pt",
            "dtype": "float32",
            "device": pipeline.transformer.device.type,
            "compiled": False,
            "files": hash_model_files(folder.path),
            **{name: value for name, value in given.items() if name not in GIVEN},
        },
    )
    pipeline.transformer.set_attn_implementation(attention)

    seeds = [seed + i for i in range(len(texts))]
    options = {"batch_size": batch_size, "precision": precision, "description": "samples"}
    videos = to_uint8(sample_videos(pipeline, prompts, seeds=seeds, **options, **given))
    tracks: list[dict[str, Any]] = [{}] * len(videos)
    heard = pipeline.hear(given.get("audio"), audio_sampling_rate=given.get("audio_sampling_rate"))
    if heard is not None:
        rate = heard.extractor.sampling_rate
        tracks = [{"audio": one, "sampling_rate": rate} for one in heard.tracks(videos.shape[1])]
    folder.samples.mkdir(parents=True, exist_ok=True)
    for i, video in enumerate(videos):
        write_video(folder.samples / f"sample-{i:02d}.mp4", video, frame_rate=config.frame_rate, **tracks[i])
    write_sample_strips(folder.samples / "samples.png", list(videos), texts)
