"""Captions, classes and sound as the transformer's condition arguments, one row per video."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.pipelines.audio_inputs import HeardAudio, hear
from heygen_hf.processing import FrameAudioFeatureExtractor

# Tokenizers without a longest input carry a number far above this.
NO_LIMIT = 1_000_000


class ConditionsMixin:
    """Reads prompts, classes and sound with the pipeline's tokenizer, extractors and encoders."""

    tokenizer: PreTrainedTokenizerBase | None
    text_encoder: PreTrainedModel | None
    transformer: PreTrainedModel
    audio_feature_extractor: FrameAudioFeatureExtractor | None
    audio_encoder: PreTrainedModel | None
    audio_encoder_extractor: Any | None

    def _expand_conditions(
        self, prompt: str | list[str] | None, class_ids: Any | None, videos_per_prompt: int
    ) -> tuple[list[str] | None, torch.Tensor | None]:
        """Prompts and classes, one per video."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        classes = None if class_ids is None else torch.as_tensor(class_ids).reshape(-1)
        if prompts is not None and not prompts:
            raise ValueError("prompt is an empty list; give at least one caption.")
        if prompts is not None and self.tokenizer is None:
            raise ValueError("prompt was given, and this model was trained without captions; leave it out.")
        if prompts is not None and classes is not None and len(prompts) != len(classes):
            raise ValueError(f"{len(prompts)} prompts were given with {len(classes)} class_ids; give one each.")
        if prompts is not None:
            prompts = [text for text in prompts for _ in range(videos_per_prompt)]
        return prompts, None if classes is None else classes.repeat_interleave(videos_per_prompt)

    def _encode_conditions(
        self, prompts: list[str] | None, classes: torch.Tensor | None, *, device: torch.device
    ) -> dict[str, torch.Tensor]:
        """The transformer's condition arguments, one row per video."""
        conditions: dict[str, torch.Tensor] = {}
        if prompts is not None:
            # Cut as in training: the tokenizer carries the longest caption the model learned from.
            limit = self.tokenizer.model_max_length
            cut = {"truncation": True, "max_length": limit} if limit < NO_LIMIT else {}
            tokens = self.tokenizer(prompts, padding=True, return_tensors="pt", **cut)
            conditions["attention_mask"] = tokens["attention_mask"].to(device)
            if self.text_encoder is None:
                conditions["input_ids"] = tokens["input_ids"].to(device)
            else:
                # A text encoder may stay on the CPU while the rest is on a GPU.
                tokens = tokens.to(self.text_encoder.device)
                encoded = self.text_encoder(tokens["input_ids"], attention_mask=tokens["attention_mask"])
                states = encoded.last_hidden_state
                conditions["encoder_hidden_states"] = states.to(device=device, dtype=self.transformer.dtype)
        if classes is not None:
            conditions["class_ids"] = classes.to(device)
        return conditions

    def hear(
        self, audio: Any, *, audio_sampling_rate: int | None = None, frame_rate: float | None = None
    ) -> HeardAudio | None:
        """The sound of a call, read and analysed; None for none.

        Args:
            audio, audio_sampling_rate: as in a call; what was heard already is taken as it is.
            frame_rate: of the videos; by default the one saved with the pipeline.

        Raises:
            ValueError: sound that cannot be read, or a model that hears none.
        """
        if audio is None or isinstance(audio, HeardAudio):
            return audio
        if self.audio_feature_extractor is None:
            raise ValueError("audio was given, and this model was trained without sound; leave it out.")
        frame_rate = self.config.frame_rate if frame_rate is None else frame_rate
        if not 0 < frame_rate < float("inf"):
            raise ValueError(f"frame_rate={frame_rate} must be above 0, in frames per second.")
        return hear(
            audio,
            sampling_rate=audio_sampling_rate,
            frame_rate=frame_rate,
            extractor=self.audio_feature_extractor,
            encoder=self.audio_encoder,
            encoder_extractor=self.audio_encoder_extractor,
        )

    def _with_sound(
        self,
        conditions: dict[str, torch.Tensor],
        heard: HeardAudio | None,
        *,
        first_frame: int = 0,
        num_frames: int,
        count: int,
    ) -> dict[str, torch.Tensor]:
        """The conditions with what is heard at a window's frames, one row for each of `count` videos."""
        if heard is None:
            return conditions
        features = heard.features(first_frame=first_frame, num_frames=num_frames)
        features = features.repeat_interleave(count // len(features), dim=0)
        return conditions | {"audio_features": features.to(self._execution_device, self.transformer.dtype)}
