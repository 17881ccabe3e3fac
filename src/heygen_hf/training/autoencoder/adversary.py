"""The discriminator that an autoencoder is trained against: its loss, its optimiser, its part of a checkpoint."""

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from heygen_hf.losses import VideoGenerationLoss
from heygen_hf.models.video_discriminator import VideoDiscriminatorConfig, VideoDiscriminatorModel
from heygen_hf.training.autoencoder.arguments import VideoAutoencoderTrainingArguments

DISCRIMINATOR_FILE = "discriminator.safetensors"
OPTIMIZER_FILE = "discriminator_optimizer.pt"


class Adversary:
    """A 3-D patch discriminator with an AdamW of its own.

    Attributes:
        loss: the generator's loss with the discriminator's judgement in it.
    """

    def __init__(
        self, args: VideoAutoencoderTrainingArguments, *, accelerator: Accelerator, features: Any | None
    ) -> None:
        self.accelerator = accelerator
        self.accumulation_steps = args.gradient_accumulation_steps
        self.model = VideoDiscriminatorModel(VideoDiscriminatorConfig(**args.discriminator)).to(args.device).train()
        self.loss = VideoGenerationLoss(
            **args.pixel_weights,
            adversarial=args.adversarial_weight,
            features=features,
            discriminator=self.model,
            adversarial_kind=args.adversarial_kind,
            gradient_penalty=args.discriminator_gradient_penalty,
        )
        # A momentum of 0.5: the opponent moves, and old gradients mislead (Radford et al. 2015).
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=args.discriminator_learning_rate, betas=(0.5, 0.9), weight_decay=0.0
        )

    def learn(self, reconstruction: torch.Tensor, target: torch.Tensor, *, context: Any) -> dict[str, torch.Tensor]:
        """One micro-batch; the weights move at the last one of the optimiser step.

        Args:
            context: of the forward pass, for mixed precision.

        Returns:
            The parts of its loss by name.
        """
        with context:
            output = self.loss.discriminator_loss(reconstruction, target)
        (output.loss / self.accumulation_steps).backward()
        if self.accelerator.sync_gradients:
            if self.accelerator.num_processes > 1:
                for weight in self.model.parameters():
                    weight.grad = self.accelerator.reduce(weight.grad, reduction="mean")
            self.optimizer.step()
            self.optimizer.zero_grad()
        return output.parts

    def save(self, folder: Path) -> None:
        """Write weights and optimiser into a checkpoint."""
        weights = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        save_file(weights, str(folder / DISCRIMINATOR_FILE), metadata={"format": "pt"})
        torch.save(self.optimizer.state_dict(), folder / OPTIMIZER_FILE)

    def load(self, folder: Path) -> None:
        """Read what `save` wrote.

        Raises:
            ValueError: the checkpoint has no discriminator, or another one.
        """
        if not (folder / DISCRIMINATOR_FILE).is_file():
            raise ValueError(
                f"{folder.name} was trained without a discriminator: resume it with adversarial_weight=0, or start "
                "anew from its weights in another output_dir."
            )
        try:
            self.model.load_state_dict(load_file(str(folder / DISCRIMINATOR_FILE)))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(f"the discriminator of {folder.name} is another one ({reason}).") from error
        self.optimizer.load_state_dict(torch.load(folder / OPTIMIZER_FILE, weights_only=True))
