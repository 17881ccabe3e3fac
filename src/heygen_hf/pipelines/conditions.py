"""Captions and classes as the transformer's condition arguments, one row per video."""

from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Tokenizers without a longest input carry a number far above this.
NO_LIMIT = 1_000_000


class ConditionsMixin:
    """Reads prompts and classes with the pipeline's `tokenizer` and `text_encoder`."""

    tokenizer: PreTrainedTokenizerBase | None
    text_encoder: PreTrainedModel | None
    transformer: PreTrainedModel

    def _expand_conditions(
        self, prompt: str | list[str] | None, class_ids: Any | None, videos_per_prompt: int
    ) -> tuple[list[str] | None, torch.Tensor | None]:
        """Prompts and classes, one per video."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        classes = None if class_ids is None else torch.as_tensor(class_ids).reshape(-1)
        if prompts is not None and not prompts:
            raise ValueError("prompt is an empty list; give at least one caption.")
        if prompts is not None and self.tokenizer is None:
            raise ValueError("this pipeline has no tokenizer: it cannot read prompts.")
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
