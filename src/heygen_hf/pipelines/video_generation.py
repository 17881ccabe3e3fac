"""Captions (or classes, or given frames, or sound) to video."""

from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from transformers import FeatureExtractionMixin, PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.models.video_transformer import VideoTransformerModel
from heygen_hf.pipelines.audio_inputs import HeardAudio, check_count
from heygen_hf.pipelines.causal_video import CausalVideoMixin
from heygen_hf.pipelines.clip_sizes import ClipSizesMixin
from heygen_hf.pipelines.conditions import ConditionsMixin
from heygen_hf.pipelines.denoising import DenoisingMixin
from heygen_hf.pipelines.given_frames import GivenClips, count_given, place_given
from heygen_hf.pipelines.given_inputs import read_given
from heygen_hf.pipelines.guidance import guidance_of
from heygen_hf.pipelines.latents import check_decoded, check_geometry, decode_latents
from heygen_hf.pipelines.long_video import LongVideoMixin
from heygen_hf.pipelines.output import StepEndCallback, VideoGenerationPipelineOutput
from heygen_hf.pipelines.published import PublishedRepoMixin
from heygen_hf.pipelines.schedulers import Sampler
from heygen_hf.processing import FrameAudioFeatureExtractor, VideoProcessor


class VideoGenerationPipeline(
    PublishedRepoMixin,
    ConditionsMixin,
    CausalVideoMixin,
    DenoisingMixin,
    LongVideoMixin,
    ClipSizesMixin,
    DiffusionPipeline,
):
    """Generates video with a `VideoTransformerModel`.

    Args:
        transformer: the denoiser.
        scheduler: any of diffusers'; predictions are converted to the kind it takes.
        processor: the `VideoProcessor` the model was trained with.
        tokenizer: for captions; with `text_encoder` its hidden states condition the model, else the token ids do.
        text_encoder: optional; anything that returns `last_hidden_state`.
        vae: optional autoencoder of diffusers; without it the transformer works on pixels.
        audio_feature_extractor: for a model that hears: what it hears at each frame.
        audio_encoder, audio_encoder_extractor: where it hears the hidden states of an audio encoder: any of
            transformers that returns `last_hidden_state`, and its feature extractor.
        num_inference_steps, guidance_scale, frame_rate: defaults of a call and of what is written, saved with the
            pipeline.

    Raises:
        ValueError: an autoencoder of other latents than the transformer's clips.
    """

    model_cpu_offload_seq = "text_encoder->audio_encoder->transformer->vae"
    _optional_components = [  # noqa: RUF012 - diffusers' own declaration
        *("tokenizer", "text_encoder", "vae"),
        *("audio_feature_extractor", "audio_encoder", "audio_encoder_extractor"),
    ]
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012

    def __init__(
        self,
        transformer: VideoTransformerModel,
        scheduler: SchedulerMixin,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None = None,
        text_encoder: PreTrainedModel | None = None,
        vae: Any | None = None,
        num_inference_steps: int = 30,
        guidance_scale: float | dict[str, float] = 1.0,
        frame_rate: float = 8.0,
        audio_feature_extractor: FrameAudioFeatureExtractor | None = None,
        audio_encoder: PreTrainedModel | None = None,
        audio_encoder_extractor: FeatureExtractionMixin | None = None,
    ) -> None:
        super().__init__()
        if vae is not None and transformer is not None:
            check_geometry(vae, transformer.config)
        self.register_modules(
            transformer=transformer,
            scheduler=scheduler,
            processor=processor,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            vae=vae,
            audio_feature_extractor=audio_feature_extractor,
            audio_encoder=audio_encoder,
            audio_encoder_extractor=audio_encoder_extractor,
        )
        self.register_to_config(
            num_inference_steps=num_inference_steps, guidance_scale=guidance_scale, frame_rate=frame_rate
        )
        self._guidance_scale = guidance_scale
        self._num_timesteps = self._num_function_evaluations = self._num_rows = self._num_reused = 0
        self._interrupt = False
        self._warned_of: set[str] = set()

    @property
    def clip_config(self) -> Any:
        """What the network says of its clips: their size as it was trained, what it hears."""
        return self.transformer.config

    @property
    def guidance_scale(self) -> float | dict[str, float]:
        """Of the running or last call."""
        return self._guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the running or last call evaluates the model twice a step."""
        scale = self._guidance_scale
        return any(value != 1.0 for value in (scale.values() if isinstance(scale, dict) else [scale]))

    @property
    def num_timesteps(self) -> int:
        """Evaluations of the running or last call's last window."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Set `pipe._interrupt = True` in a callback to stop after the step."""
        return self._interrupt

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        *,
        class_ids: list[int] | torch.Tensor | None = None,
        image: Any | None = None,
        last_image: Any | None = None,
        video: Any | None = None,
        mask: Any | None = None,
        audio: Any | None = None,
        audio_sampling_rate: int | None = None,
        frame_rate: float | None = None,
        num_videos_per_prompt: int = 1,
        num_frames: int | None = None,
        context_frames: int | None = None,
        context_noise: float = 0.0,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        sampler: Sampler | None = None,
        guidance_scale: float | dict[str, float] | None = None,
        guidance_interval: tuple[float, float] | None = None,
        guidance_rescale: float = 0.0,
        guidance_every: int = 1,
        skip_guidance_layers: list[int] | None = None,
        skip_guidance_scale: float = 1.0,
        block_cache_threshold: float = 0.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: Literal["pil", "np", "pt", "latent"] = "pil",
        return_dict: bool = True,
        callback_on_step_end: StepEndCallback | None = None,
        callback_on_step_end_tensor_inputs: list[str] | tuple[str, ...] = ("latents",),
    ) -> VideoGenerationPipelineOutput | tuple[Any]:
        r"""Generate `len(prompt) * num_videos_per_prompt` videos; those of one prompt follow each other.

        Frames that are given stand at timestep 0 and come out as they went in, resized by the processor's policy.

        Args:
            prompt: a caption or several; None for an unconditional or class-conditional model.
            class_ids: one class per video, for a model with classes.
            image, last_image: the first and the last frame: a PIL image, a path, an array `(height, width, channels)`
                or a tensor `(channels, height, width)`, uint8 or in [0, 1]; a list holds one for each prompt.
            video: the start of the video, to go on from: a list of images, an array `(frames, height, width,
                channels)` or a tensor `(frames, channels, height, width)`; a list of those holds one for each prompt.
                With `mask` it is the whole video.
            mask: 1 or white where `video` is generated anew, `(frames,)`, `(height, width)` or `(frames, height,
                width)`, or a list. The model generates whole patches, of which the part outside the mask is put back.
            audio: what is heard from the first frame on, for a model trained with sound: a path (any file with sound),
                samples `(samples,)` or `(channels, samples)` in [-1, 1], or a list with one for each prompt. It is
                resampled, its channels averaged, and brought to the level of the speech that the model learned from.
                A sound longer than the video is cut, after a shorter one is silence.
            audio_sampling_rate: of samples.
            frame_rate: at which the video will be shown, and so what is heard when; by default that saved with the
                pipeline.
            num_frames, height, width: of the video, by default those the model was trained for; multiples of the
                patch (times the autoencoder's compression). With sound, as many frames as it lasts: in windows if there
                are more than the model's and it learned to go on, else the next number that the patch divides.
            context_frames: makes a video of more frames than the model's window in windows, each given the last
                `context_frames` of the one before, see `stream_windows`; any number of frames works then. By default
                half a window for a model that learned to go on from given frames; others, and 0, make all at once.
            context_noise: see `stream_windows`.
            num_inference_steps, guidance_scale: by default those saved with the pipeline. 1.0 is no guidance;
                above, predictions are pushed away from the unconditional ones. A dict guides by single conditions:
                "caption", "class", "audio" and "image" (the given frames), see `Guidance`.
            sampler: "euler", "heun", "unipc" or "dpmsolver++", see `build_scheduler`; by default the pipeline's own
                scheduler. "dopri5" solves the flow to `rtol` and `atol` in as many evaluations as that takes, whatever
                `num_inference_steps` says (the extra `ode`; see `OdeRun`).
            guidance_interval, guidance_rescale, guidance_every, skip_guidance_layers, skip_guidance_scale: see
                `Guidance`.
            block_cache_threshold: leave blocks out while the first one changes by less than this share, see
                `BlockCache`; 0 is off.
            generator: one for all (noise is drawn video by video, so a batch holds the same videos as single calls
                made in turn) or one per video.
            latents: the starting noise, shaped like the transformer's clips, instead of drawing it.
            output_type: see `VideoGenerationPipelineOutput`.
            callback_on_step_end: called `(pipeline, step, timestep, tensors)` after each step; tensors it returns
                replace the loop's.

        Raises:
            ValueError: an argument that does not fit the model, with the expectation.
        """
        heard = self.hear(audio, audio_sampling_rate=audio_sampling_rate, frame_rate=frame_rate)
        if heard is not None and num_frames is None and mask is None:
            num_frames = self.frames_for(heard, context_frames=context_frames)
        options = {
            "class_ids": class_ids,
            "audio": heard,
            "num_videos_per_prompt": num_videos_per_prompt,
            "height": height,
            "width": width,
            "num_inference_steps": num_inference_steps,
            "sampler": sampler,
            "guidance_scale": guidance_scale,
            "guidance_interval": guidance_interval,
            "guidance_rescale": guidance_rescale,
            "guidance_every": guidance_every,
            "skip_guidance_layers": skip_guidance_layers,
            "skip_guidance_scale": skip_guidance_scale,
            "block_cache_threshold": block_cache_threshold,
            "rtol": rtol,
            "atol": atol,
            "generator": generator,
            "callback_on_step_end": callback_on_step_end,
            "callback_on_step_end_tensor_inputs": callback_on_step_end_tensor_inputs,
        }
        config = self.transformer.config
        if self.makes_windows(num_frames, context_frames) and latents is None and mask is None:
            if output_type == "latent":
                raise ValueError("a video made in windows has no latents of its own; choose another output_type.")
            windows = self._windows(
                prompt,
                num_frames=num_frames,
                context_frames=context_frames,
                context_noise=context_noise,
                image=image,
                last_image=last_image,
                video=video,
                **options,
            )
            frames: Any = self.processor.postprocess(torch.cat(list(windows), dim=1), output_type=output_type)
            return self._output(frames, heard=heard, num_frames=num_frames) if return_dict else (frames,)

        # 1. What to generate, and what of it is given.
        height = config.sample_height if height is None else height
        width = config.sample_width if width is None else width
        found = read_given(
            self.processor, image=image, last_image=last_image, video=video, mask=mask, height=height, width=width
        )
        if num_frames is None:
            num_frames = self._default_frames(found)
        conditions, count = self._prepare(prompt, found, options)
        shape = self.clip_shape(num_frames=num_frames, height=height, width=width)
        conditions = self._with_sound(conditions, heard, num_frames=num_frames, count=count)
        given_clips = None
        if found:
            given_clips = place_given(
                found, count=count // num_videos_per_prompt, repeats=num_videos_per_prompt, num_frames=num_frames
            )

        # 2. Denoise, and to frames.
        latents = self._denoise(
            (count, *shape),
            conditions,
            given=given_clips,
            latents=latents,
            options=options,
            noise_std=context_noise if self.makes_blocks(options) else 0.0,
        )
        frames = latents
        if output_type != "latent":
            frames = self.processor.postprocess(self._decode(latents, given_clips), output_type=output_type)
        self.maybe_free_model_hooks()
        return self._output(frames, heard=heard, num_frames=num_frames) if return_dict else (frames,)

    def _output(
        self, frames: Any, *, heard: HeardAudio | None, num_frames: int | None
    ) -> VideoGenerationPipelineOutput:
        output = VideoGenerationPipelineOutput(
            frames=frames,
            num_function_evaluations=self._num_function_evaluations,
            num_rows=self._num_rows,
            num_reused=self._num_reused,
        )
        if heard is not None and num_frames is not None:
            tracks = heard.tracks(num_frames)
            output.audio = [tracks[i * len(tracks) // len(frames)] for i in range(len(frames))]
            output.audio_sampling_rate = heard.extractor.sampling_rate
        return output

    def _prepare(
        self, prompt: str | list[str] | None, found: dict[str, list[torch.Tensor]], options: dict[str, Any]
    ) -> tuple[dict[str, torch.Tensor], int]:
        """Check a call's numbers, note its guidance, encode its conditions; also how many videos there will be."""
        self._check_callback_inputs(options["callback_on_step_end_tensor_inputs"])
        steps = options["num_inference_steps"]
        if steps is not None and steps < 1:
            raise ValueError(f"num_inference_steps={steps} must be at least 1.")
        self._guidance_scale = guidance_of(options, default_scale=self.config.guidance_scale).scale
        self._num_function_evaluations = self._num_rows = self._num_reused = 0
        self._interrupt = False
        repeats = options["num_videos_per_prompt"]
        prompts, classes = self._expand_conditions(prompt, options["class_ids"], repeats)
        conditions = self._encode_conditions(prompts, classes, device=self._execution_device)
        rows = prompts if prompts is not None else classes
        heard = self.hear(
            options.get("audio"),
            audio_sampling_rate=options.get("audio_sampling_rate"),
            frame_rate=options.get("frame_rate"),
        )
        options["audio"] = heard
        given = count_given(found, num_prompts=None if rows is None else len(rows) // repeats)
        if heard is not None:
            given = len(heard.samples) if rows is None and given == 1 else given
            check_count(heard.samples, num_videos=given)
        return conditions, given * repeats

    def _decode(self, latents: torch.Tensor, given: GivenClips | None) -> torch.Tensor:
        """Video as the processor normalises it, what was given in its place.

        Raises:
            ValueError: the autoencoder makes videos of another size than the transformer's configuration says.
        """
        video = decode_latents(self.vae, latents).to(latents.device) if self.vae is not None else latents
        if self.vae is not None:
            check_decoded(video, latents, config=self.transformer.config, made_by=type(self.vae).__name__)
        video = video.clamp(-1, 1)
        return video if given is None else given.paste(video)
