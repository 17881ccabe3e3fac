"""How much slower a step of fine-tuning is than a plain loop over the same transformer of diffusers, in one run.

A Wan of random weights, of the size asked for, gets a LoRA of rank 32 by `recipes/finetune/wan_lora.yaml`. The trainer
runs as `heygen-hf train` sets it up (cached latents and captions, noise by position, clipping, schedule, the
log; evaluation, saving and sampling off), and every few steps a twin of the transformer makes as many steps in a
hand-written loop: noise, timesteps, the noisy latents, the transformer, the squared error, backward, clipping, the same
optimiser, on batches that lie in memory. See trainer_overhead.py for how the two take turns.

    python benchmarks/finetune.py [--layers 8] [--steps 200] [section.key=value ...]

The last line is JSON: `ratio` (the trainer's seconds a step over the plain loop's, median of neighbouring blocks),
`ratio_low` and `ratio_high` (quartiles), `ratio_of_sums`, `cpu_ratio`, `trainer_ms`, `plain_ms`.
"""

import argparse
import copy
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from trainer_overhead import TakeTurns, whole_periods
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel
from transformers.trainer_utils import set_seed

from heygen_hf.data import render_moving_digits
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import load_recipe
from heygen_hf.tasks.finetuning.task import Finetuning
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.bare import build_trainer
from heygen_hf.tasks.text_to_video.encoded_data import training_data
from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "finetune" / "wan_lora.yaml"
KEPT_BATCHES = 8
TEXT_WIDTH, PROMPT_TOKENS = 64, 512


def write_pipeline(folder: Path, *, layers: int, heads: int) -> None:
    """A Wan of random weights: a small autoencoder and text encoder around a transformer of a size to be measured."""
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(
        ["red green blue moves left right up down"],
        trainers.WordLevelTrainer(special_tokens=["<pad>", "</s>", "<unk>"]),
    )
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=PROMPT_TOKENS
    )
    text = UMT5EncoderModel(UMT5Config(vocab_size=64, d_model=TEXT_WIDTH, d_kv=16, d_ff=64, num_layers=1, num_heads=4))
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = WanTransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=64,
        text_dim=TEXT_WIDTH,
        ffn_dim=heads * 64 * 4,
        num_layers=layers,
        rope_max_seq_len=64,
    )
    WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text,
        vae=vae,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)


class PlainLoop:
    """What somebody writes over diffusers' transformer, its batches in memory."""

    def __init__(self, transformer: torch.nn.Module, trainer: VideoGenerationTrainer) -> None:
        args = trainer.args
        self.transformer, self.args = transformer.to(args.device).train(), args
        self.weights = [weight for weight in transformer.parameters() if weight.requires_grad]
        kind, options = trainer.get_optimizer_cls_and_kwargs(args, trainer.model)
        self.optimizer = kind(self.weights, weight_decay=args.weight_decay, **options)
        self.autocast = torch.autocast(args.device.type, dtype=torch.bfloat16, enabled=args.bf16)
        loader = trainer._build_loader(
            trainer.train_dataset,
            batch_size=args.per_device_train_batch_size,
            collate=trainer.data_collator,
            for_training=True,
        )
        self.batches = []
        for batch, _ in zip(loader, range(KEPT_BATCHES), strict=False):
            latents = batch["pixel_values"].transpose(1, 2).contiguous().to(args.device)
            captions = batch["encoder_hidden_states"]
            captions = torch.nn.functional.pad(captions, (0, 0, 0, PROMPT_TOKENS - captions.shape[1]))
            self.batches.append((latents, captions.to(args.device, transformer.dtype)))
        self.done = 0

    def step(self) -> None:
        """One optimiser step."""
        latents, captions = self.batches[self.done % len(self.batches)]
        noise = torch.randn_like(latents)
        uniform = torch.rand(len(latents), device=latents.device)
        timestep = 3.0 * uniform / (1 + 2.0 * uniform)
        at = timestep.view(-1, 1, 1, 1, 1)
        noisy = (1 - at) * latents + at * noise
        with self.autocast:
            predicted = self.transformer(
                hidden_states=noisy.to(self.transformer.dtype),
                timestep=timestep * 1000,
                encoder_hidden_states=captions,
                return_dict=False,
            )[0]
        loss = torch.nn.functional.mse_loss(predicted.float(), noise - latents)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, self.args.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.done += 1


def build(work: Path, overrides: list[str], *, steps: int) -> tuple[VideoGenerationTrainer, torch.nn.Module]:
    """The trainer as the recipe's task builds it, and a twin of its transformer."""
    quiet = {
        "output_dir": work / "run",
        "model.pretrained": work / "pipeline",
        "data.train": work / "clips" / "train",
        "data.validation": work / "clips" / "validation",
        "data.cache_dir": work / "cache",
        "processor.num_frames": 9,
        "processor.height": 96,
        "processor.width": 96,
        "processor.target_fps": "null",
        "model.condition_dropout": 0.0,
        "training.max_steps": steps,
        "training.gradient_accumulation_steps": 1,
        "training.gradient_checkpointing": "false",
        "training.per_device_train_batch_size": 2,
        "training.compile_blocks": "never",
        "training.eval_strategy": "no",
        "training.eval_on_start": "false",
        "training.save_strategy": "no",
    }
    recipe = load_recipe(RECIPE, [*(f"{key}={value}" for key, value in quiet.items()), *overrides])
    parts, run = Finetuning(recipe), RunFolder(recipe.output_dir)
    parts.check()
    arguments = parts.build_arguments(run)
    processor = VideoProcessor(**asdict(recipe.processor))
    data = parts.prepare(processor=processor, is_main=True)
    tokenizer, encoders = parts.build_tokenizer(data), parts.load_encoders()
    encoded = training_data(recipe, data, encoders, processor=processor, tokenizer=tokenizer, device=arguments.device)
    encoded.train.fill(batch_size=4)
    set_seed(recipe.seed)
    model = parts.build_model(processor=processor, tokenizer=tokenizer)
    twin = copy.deepcopy(model.transformer)
    trainer = build_trainer(
        parts,
        model,
        arguments,
        encoded,
        processor=processor,
        tokenizer=tokenizer,
        callbacks=[JsonLinesLog(run.log)],
    )
    return trainer, twin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="section.key=value")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--heads", type=int, default=6, help="of 64 features each")
    parser.add_argument("--steps", type=int, default=200, help="of the trainer, warm-up included")
    parser.add_argument("--block", type=int, default=5, help="steps of a turn")
    parser.add_argument("--warm-up", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        torch.manual_seed(0)
        write_pipeline(work / "pipeline", layers=options.layers, heads=options.heads)
        render_moving_digits(
            work / "clips", num_train=32, num_validation=2, num_test=2, num_frames=9, image_size=96, digit_size=60
        )
        trainer, twin = build(work, options.overrides, steps=options.steps)
        plain = PlainLoop(twin, trainer)
        warm_up = whole_periods(
            steps=options.steps,
            warm_up=options.warm_up,
            logging_steps=int(trainer.args.logging_steps),
            block=options.block,
        )
        turns = TakeTurns(plain, block=options.block, warm_up=warm_up, device=trainer.args.device)
        trainer.add_callback(turns)
        trainer.train()
    ratios = turns.ratios(0)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        json.dumps(
            {
                "ratio": round(middle, 4),
                "ratio_low": round(low, 4),
                "ratio_high": round(high, 4),
                "ratio_of_sums": round(turns.ratio_of_sums(0), 4),
                "cpu_ratio": round(statistics.median(turns.ratios(1)), 4),
                "trainer_ms": round(1e3 * statistics.median(wall for wall, _ in turns.trainer_seconds), 2),
                "plain_ms": round(1e3 * statistics.median(wall for wall, _ in turns.bare_seconds), 2),
                "pairs": len(ratios),
                "weights": sum(weight.numel() for weight in twin.parameters()),
                "threads": torch.get_num_threads(),
                "device": trainer.args.device.type,
            }
        )
    )


if __name__ == "__main__":
    main()
