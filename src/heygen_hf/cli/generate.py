"""`heygen-hf generate`: videos from a run's exported model."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def generate(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    prompt: Annotated[list[str] | None, typer.Option(help="What to show; repeat it for several.")] = None,
    prompt_file: Annotated[Path | None, typer.Option(help="A text file with one prompt a line.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="The first frame; one for all, or one a prompt.")] = None,
    last_image: Annotated[list[Path] | None, typer.Option(help="The last frame; likewise.")] = None,
    video: Annotated[list[Path] | None, typer.Option(help="A clip to go on from; likewise.")] = None,
    audio: Annotated[
        list[Path] | None, typer.Option(help="A recording that the video follows and carries; likewise.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="A picture, white where --video is generated anew.")] = None,
    num_videos: Annotated[int, typer.Option(help="Videos for each prompt.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Video i is made with seed + i.", min=0)] = 0,
    output_dir: Annotated[Path, typer.Option(help="Gets the .mp4 files and metadata.jsonl.")] = Path("out"),
    num_inference_steps: Annotated[int | None, typer.Option(help="Denoising steps.", min=1)] = None,
    sampler: Annotated[
        Literal["euler", "heun", "unipc", "dpmsolver++", "dopri5"] | None,
        typer.Option(help="The solver; dopri5 takes as many steps as --tolerance asks for."),
    ] = None,
    tolerance: Annotated[float | None, typer.Option(help="Of dopri5, relative and absolute.")] = None,
    guidance_scale: Annotated[
        str | None,
        typer.Option(metavar="NUMBER|NAME=NUMBER,…", help="1 is no guidance; or by condition: caption=4,audio=2."),
    ] = None,
    guidance_interval: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Guide between these timesteps only; 0 is clean, 1 noise."),
    ] = None,
    guidance_rescale: Annotated[
        float, typer.Option(help="Brings the spread back that guidance widens.", min=0, max=1)
    ] = 0.0,
    guidance_every: Annotated[int, typer.Option(help="Evaluate guidance every so many steps.", min=1)] = 1,
    skip_guidance_layer: Annotated[
        list[int] | None, typer.Option(help="Also push away from the model without this layer; may be repeated.")
    ] = None,
    block_cache_threshold: Annotated[
        float, typer.Option(help="Leave out blocks while the first changes by less than this share.", min=0)
    ] = 0.0,
    num_frames: Annotated[int | None, typer.Option(help="Frames a video, given ones included.", min=1)] = None,
    prompts_per_window: Annotated[
        bool, typer.Option("--prompts-per-window", help="The prompts are those of one long video, window by window.")
    ] = False,
    context_frames: Annotated[
        int | None, typer.Option(help="Frames each window of a long video is given of the one before; 0: no windows.")
    ] = None,
    context_noise: Annotated[float, typer.Option(help="Noise on these, as the model sees them.", min=0, max=1)] = 0.0,
    height: Annotated[int | None, typer.Option(help="Pixels.", min=1)] = None,
    width: Annotated[int | None, typer.Option(help="Pixels.", min=1)] = None,
    frame_rate: Annotated[float | None, typer.Option(help="Frames a second of the files written.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Videos made at once.", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …; a GPU if there is one.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace videos already there.")] = False,
) -> None:
    """Generate videos. Options that are left out take the sampling defaults saved with the model."""
    from heygen_hf.tasks.run_folder import RunFolder
    from heygen_hf.tasks.text_to_video import generate as generate_videos

    is_needed = not (image or video or audio) and RunFolder(run).reads_captions()
    generate_videos(
        run,
        _prompts(prompt or [], prompt_file, is_needed=is_needed),
        num_videos=num_videos,
        seed=seed,
        output_dir=output_dir,
        num_inference_steps=num_inference_steps,
        guidance_scale=_guidance(guidance_scale),
        sampler=sampler,
        rtol=tolerance,
        atol=tolerance,
        guidance_interval=guidance_interval,
        guidance_rescale=guidance_rescale,
        guidance_every=guidance_every,
        skip_guidance_layers=skip_guidance_layer,
        block_cache_threshold=block_cache_threshold,
        num_frames=num_frames,
        image=image,
        last_image=last_image,
        video=video,
        mask=mask,
        audio=audio,
        prompts_per_window=prompts_per_window,
        context_frames=context_frames,
        context_noise=context_noise,
        height=height,
        width=width,
        frame_rate=frame_rate,
        batch_size=batch_size,
        device=device,
        overwrite=overwrite,
    )


def _prompts(given: list[str], prompt_file: Path | None, *, is_needed: bool = True) -> list[str]:
    prompts = list(given)
    if prompt_file is not None:
        if not prompt_file.is_file():
            raise FileNotFoundError(f"no prompt file at {prompt_file}; expected a text file, one prompt a line")
        lines = prompt_file.read_text(encoding="utf-8").splitlines()
        prompts += [line.strip() for line in lines if line.strip()]
        if not prompts:
            raise ValueError(f"{prompt_file} has no prompts; expected one a line")
    if not prompts and is_needed:
        raise ValueError(
            'nothing to generate: give --prompt "…", --prompt-file prompts.txt, or an --image, --video or --audio to '
            "generate from"
        )
    return prompts


def _guidance(text: str | None) -> float | dict[str, float] | None:
    """`4` as a number, `caption=4,audio=2` as one for each."""
    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        return {name.strip(): float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise ValueError(f"--guidance-scale {text!r}: expected a number, or as in caption=4,audio=2") from None
