"""The model of a run as a folder that loads with `from_pretrained`."""

from collections.abc import Sequence

import torch
from safetensors.torch import save_file

from heygen_hf.data import write_video
from heygen_hf.hub import write_sample_strips
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.run_folder import RunFolder, write_json
from heygen_hf.tasks.video_files import sample_videos, to_uint8


def export_run(
    folder: RunFolder,
    pipeline: VideoGenerationPipeline,
    *,
    prompts: Sequence[str],
    seed: int,
    batch_size: int,
    precision: str,
) -> None:
    """Write the pipeline with the weights it holds now, its reference output and its sample videos.

    `reference.safetensors` holds the frames the model in memory made for one prompt, in float32 without autocast;
    whoever loads the folder can make them again and compare (`reference.json` says how).
    """
    pipeline.transformer.eval()
    pipeline.to(pipeline.transformer.device)  # encoders may have waited on the CPU
    # The choice of attention is this machine's; where the model is loaded, transformers' default applies.
    attention = pipeline.transformer.config._attn_implementation
    pipeline.transformer.set_attn_implementation("sdpa")
    pipeline.save_pretrained(str(folder.path), safe_serialization=True)
    frames = pipeline(prompts[0], generator=torch.Generator().manual_seed(seed), output_type="pt").frames
    save_file({"frames": frames.contiguous()}, str(folder.path / "reference.safetensors"))
    config = pipeline.config
    write_json(
        folder.path / "reference.json",
        {
            "prompt": prompts[0],
            "seed": seed,
            "num_inference_steps": config.num_inference_steps,
            "guidance_scale": config.guidance_scale,
            "output_type": "pt",
            "dtype": "float32",
        },
    )
    pipeline.transformer.set_attn_implementation(attention)

    seeds = [seed + i for i in range(len(prompts))]
    videos = to_uint8(
        sample_videos(pipeline, prompts, seeds=seeds, batch_size=batch_size, precision=precision, description="samples")
    )
    folder.samples.mkdir(parents=True, exist_ok=True)
    for i, video in enumerate(videos):
        write_video(folder.samples / f"sample-{i:02d}.mp4", video, frame_rate=config.frame_rate)
    write_sample_strips(folder.samples / "samples.png", list(videos), list(prompts))
