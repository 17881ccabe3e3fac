"""Videos longer than a model's window: each window starts from the last frames of the one before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.pipelines.denoising import SAMPLING_DEFAULTS
from heygen_hf.pipelines.given_frames import GivenClips, place_given
from heygen_hf.pipelines.given_inputs import read_given

# What the sampling loop takes beside frames, with the defaults of a call.
_LOOP_OPTIONS: dict[str, Any] = {
    "class_ids": None,
    "audio": None,
    "audio_sampling_rate": None,
    "frame_rate": None,
    "num_videos_per_prompt": 1,
    "height": None,
    "width": None,
    **SAMPLING_DEFAULTS,
    "generator": None,
    "callback_on_step_end": None,
    "callback_on_step_end_tensor_inputs": ("latents",),
}


@dataclass(frozen=True)
class WindowPlan:
    """How a video is cut into windows.

    Attributes:
        window_frames: what the model makes at once.
        context_frames: of these, the last frames of the window before, given.
    """

    window_frames: int
    context_frames: int

    def count(self, num_frames: int, *, known: int = 0) -> int:
        """Windows of a video of `num_frames`, of which `known` are given."""
        if known >= self.window_frames:
            done, first = known, 0
        else:
            done, first = self.window_frames, 1
        return first + max(0, -(-(num_frames - done) // (self.window_frames - self.context_frames)))


def learned_to_continue(config: VideoTransformerConfig) -> bool:
    """Whether a model learned to go on from several given frames."""
    return bool({"prefix", "random", "each"} & set(config.given_frame_patterns or ()))


def plan_windows(
    config: VideoTransformerConfig, *, window_frames: int | None = None, context_frames: int | None = None
) -> WindowPlan:
    """The windows of a model: as long as the clips it learned from, half of it context.

    With an autoencoder that compresses time the context must fill whole latents: 1 + c n frames.

    Raises:
        ValueError: a context that leaves nothing to generate, or fills no whole latents.
    """
    window = config.sample_frames if window_frames is None else window_frames
    compression = config.temporal_compression
    if context_frames is None:
        # 1 + c (n - 1) frames of the n latents that are half of the window's, or one; whole blocks, where there are any
        total = (window - 1) // compression + 1
        latents = max(1, total // 2)
        block = config.patch_size[0] * (config.attention_block or 1)
        if config.attention_block is not None and block < total:
            latents = max(block, latents // block * block)
        context_frames = (latents - 1) * compression + 1
    if not 1 <= context_frames < window:
        raise ValueError(
            f"context_frames={context_frames} must lie between 1 and {window - 1}: a window has {window} frames, and "
            "some must be left to generate."
        )
    if (context_frames - 1) % compression:
        below = (context_frames - 1) // compression * compression + 1
        raise ValueError(
            f"context_frames={context_frames} fills no whole number of latents; the nearest that do are {below} and "
            f"{below + compression}."
        )
    return WindowPlan(window, context_frames)


class LongVideoMixin:
    """The windows of a pipeline, made of its sampling loop."""

    def makes_windows(self, num_frames: int | None, context_frames: int | None = None) -> bool:
        """Whether a call makes a video of so many frames in windows, or at once."""
        config = self.transformer.config
        if num_frames is None or num_frames <= config.sample_frames:
            return False
        return bool(context_frames) or (context_frames is None and learned_to_continue(config))

    @torch.no_grad()
    def stream_windows(
        self, prompt: str | list[str] | None = None, *, num_frames: int, **options: Any
    ) -> Iterator[torch.Tensor]:
        """Make a video of any length, window by window, in the memory of one.

        A window holds as many frames as the clips the model learned from. Each after the first is given the last
        `context_frames` of the one before, clean, and adds the others; what it was given is not made anew, so frames
        in the overlap are those of the window before, to the last bit. What the last window makes beyond `num_frames`
        is left out. With an autoencoder the context is encoded anew from the frames. A model that is causal in time
        makes a window block by block, see `heygen_hf.pipelines.causal_video`; positions start anew with every window,
        so that none is beyond those learned.

        Args:
            prompt: as in a call.
            num_frames: of the whole video, what is given included.
            context_frames: of each window, by default half of it; 1 + c n with an autoencoder that compresses time.
            context_noise: standard deviation of noise on the context as the model sees it (its output stays clean),
                for a model that learned with `training.given_noise`.
            prompts_per_window: in place of `prompt`, what each window shows: for every window in turn a caption, or one
                for each video; the last goes on to the end. What came before is known from the context alone.
            others: as in a call; a `video` longer than a window comes out as it is, and goes on from its last
                `context_frames`; one shorter than `context_frames` is the context as a whole.

        Yields:
            New frames on the CPU, `(videos, frames, channels, height, width)` in [0, 1].

        Example:
            >>> for frames in pipe.stream_windows("a red 7 moves left", num_frames=64):
            ...     write(frames)
        """
        defaults = {"image": None, "last_image": None, "video": None, "context_frames": None, "context_noise": 0.0}
        defaults["prompts_per_window"] = None
        known = set(defaults) | set(_LOOP_OPTIONS)
        unknown = [name for name in options if name not in known]
        if unknown:
            raise ValueError(f"stream_windows has no argument {unknown[0]!r}; known are {', '.join(sorted(known))}.")
        for frames in self._windows(prompt, num_frames=num_frames, **{**defaults, **_LOOP_OPTIONS, **options}):
            yield self.processor.postprocess(frames, output_type="pt")

    def _windows(
        self,
        prompt: str | list[str] | None,
        *,
        num_frames: int,
        context_frames: int | None,
        context_noise: float,
        image: Any | None,
        last_image: Any | None,
        video: Any | None,
        height: int | None,
        width: int | None,
        prompts_per_window: Sequence[str | list[str]] | None = None,
        **options: Any,
    ) -> Iterator[torch.Tensor]:
        """`stream_windows` as the processor normalises, on the CPU."""
        config = self.transformer.config
        plan = plan_windows(config, context_frames=context_frames or None)
        height = config.sample_height if height is None else height
        width = config.sample_width if width is None else width
        found = read_given(self.processor, image=image, last_image=last_image, video=video, height=height, width=width)
        lengths = {len(clip) for clip in found.get("video", found.get("image", []))}
        if len(lengths) > 1:
            raise ValueError(
                f"the clips of video have {sorted(lengths)} frames; videos made in windows need one length: make them "
                "one by one (batch_size 1)."
            )
        known = lengths.pop() if lengths else 0
        if num_frames <= known:
            raise ValueError(f"{known} frames are given and num_frames is {num_frames}: nothing is left to generate.")
        if last_image is not None and num_frames != plan.window_frames:
            raise ValueError(
                f"last_image closes a video of one window, which has {plan.window_frames} frames; num_frames is "
                f"{num_frames}."
            )
        repeats = options["num_videos_per_prompt"]
        later: list[str | list[str]] = []
        if prompts_per_window is not None:
            if prompt is not None:
                raise ValueError("prompt and prompts_per_window were both given; leave one out.")
            prompt, *later = _check_prompts(prompts_per_window, plan.count(num_frames, known=known))
        conditions, count = self._prepare(prompt, found, options)
        shape = self.clip_shape(num_frames=plan.window_frames, height=height, width=width)
        groups = count // repeats

        # 1. What is given, up to the first window.
        done = 0
        noise_std = context_noise if self.makes_blocks(options) else 0.0
        if known >= plan.window_frames:
            clips = torch.stack([found["video"][i % len(found["video"])] for i in range(groups)])
            clips = clips.repeat_interleave(repeats, dim=0)
            yield clips
            done, given = known, GivenClips.prefix(clips[:, -plan.context_frames :], num_frames=plan.window_frames)
            del clips
        else:
            given = place_given(found, count=groups, repeats=repeats, num_frames=plan.window_frames) if found else None

        # 2. Window by window.
        while True:
            heard = self._with_sound(
                conditions,
                options["audio"],
                first_frame=done - plan.context_frames if done else 0,
                num_frames=plan.window_frames,
                count=count,
            )
            latents = self._denoise(
                (count, *shape), heard, given=given, latents=None, options=options, noise_std=noise_std
            )
            window = self._decode(latents, given).cpu()
            del latents
            new = window[:, plan.context_frames if done else 0 :][:, : num_frames - done]
            done += new.shape[1]
            yield new
            if done >= num_frames or self._interrupt:
                break
            if later:
                prompts, classes = self._expand_conditions(later.pop(0), options["class_ids"], repeats)
                conditions = self._encode_conditions(prompts, classes, device=self._execution_device)
            given = GivenClips.prefix(window[:, -plan.context_frames :].clone(), num_frames=plan.window_frames)
            noise_std = context_noise
            del window, new
        self.maybe_free_model_hooks()


def _check_prompts(prompts: Sequence[str | list[str]], windows: int) -> list[str | list[str]]:
    """Prompts of windows, none without a window and all for as many videos."""
    if isinstance(prompts, str) or not prompts:
        raise ValueError(f"prompts_per_window is {prompts!r}; expected a caption, or a list of them, for each window.")
    if len(prompts) > windows:
        raise ValueError(
            f"prompts_per_window holds {len(prompts)} and the video has {windows} windows; raise num_frames or give "
            "fewer."
        )
    counts = {1 if isinstance(some, str) else len(some) for some in prompts}
    if len(counts) > 1:
        raise ValueError(f"the windows of prompts_per_window have {sorted(counts)} captions; expected as many in each.")
    return list(prompts)
