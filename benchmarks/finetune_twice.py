"""What a second fine-tuning does to a first: the validation loss on both sets of clips, for several ways to go on.

A Wan-shaped pipeline of random weights is trained whole on moving digits of all colours but two, then a LoRA on the
first of these (A, red by default), and then, from there, for as many steps each on the second (B, blue):

- `plain`: the same adapter trained on;
- `beside`: a new adapter beside the first, which is frozen;
- `orthogonal`: the same, the new one kept from reading what the first reads (`peft.previous`);
- `replay`: `plain` with a share of A's clips (`data.replay`);
- `towards_before`: `orthogonal` with a share of A's clips on which it is held to what the first adapter predicts
  (`data.prior` with target "base");
- `orthogonal_replay`: both.

All through recipes, as a user would; about four minutes of a CPU core for each seed. The loss is that of held-out clips
at fixed timesteps and noise, the mean over `--seeds` seeds of everything that is drawn.

    python benchmarks/finetune_twice.py [--seeds 0 1 --pretraining-steps 500 --steps 200 --share 0.3]

The last line is JSON: by state (`pretrained`, `first`, and each way) the loss on A and on B; by way `forgotten`, the
share of what the first fine-tuning had gained on A that the second lost, and `gained`, what it gained on B as a share
of what `plain` gained.
"""

import argparse
import contextlib
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from heygen_hf.data import build_tokenizer, render_moving_digits
from heygen_hf.data.cache.encoding_statistics import latent_statistics
from heygen_hf.pipelines.latents import record_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import load_recipe, run_recipe
from heygen_hf.tasks.finetuning import Finetuning, bare_training
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.encoded_data import encode_data

SIZE = {"num_frames": 9, "height": 32, "width": 32}
RANK, FIRST, SECOND = 8, "red", "blue"
WAYS = ("plain", "beside", "orthogonal", "replay", "towards_before", "orthogonal_replay")


def build_pipeline(folder: Path, *, captions: list[str], seed: int) -> None:
    """A Wan of random weights, whose text encoder knows the words of the captions."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer(captions)
    text = UMT5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    autoencoder = AutoencoderKLWan(
        base_dim=8, z_dim=8, dim_mult=[1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True],
        latents_mean=None, latents_std=None,
    )  # fmt: skip
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=4, attention_head_dim=24, in_channels=8, out_channels=8, text_dim=32,
        freq_dim=64, ffn_dim=192, num_layers=3, rope_max_seq_len=32,
    )  # fmt: skip
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0)
    WanPipeline(tokenizer, UMT5EncoderModel(text), autoencoder, scheduler, transformer).save_pretrained(folder)


def split_by_colour(folder: Path, digits: Path) -> None:
    """`A/`, `B/` and `others/` with `train/` and `validation/` each."""
    for split in ("train", "validation"):
        rows = [json.loads(line) for line in (digits / split / "metadata.jsonl").read_text().splitlines()]
        for name, colours in (("A", [FIRST]), ("B", [SECOND]), ("others", None)):
            mine = [row for row in rows if (row["colour"] in (colours or ())) == (colours is not None)]
            if colours is None:
                mine = [row for row in mine if row["colour"] not in (FIRST, SECOND)]
            (folder / name / split).mkdir(parents=True)
            for row in mine:
                shutil.copy(digits / split / row["file_name"], folder / name / split)
            lines = [json.dumps({"file_name": row["file_name"], "text": row["text"]}) for row in mine]
            (folder / name / split / "metadata.jsonl").write_text("\n".join(lines) + "\n")


class Runs:
    """The recipes of one seed, in a folder of their own."""

    def __init__(self, work: Path, options: argparse.Namespace, *, seed: int) -> None:
        self.work, self.options, self.seed = work, options, seed
        digits = work / "digits"
        counts = {"num_train": options.clips, "num_validation": options.clips // 3, "num_test": 1}
        render_moving_digits(digits, image_size=32, digit_size=14, num_frames=9, seed=seed, progress=False, **counts)
        split_by_colour(work, digits)
        captions = [json.loads(line)["text"] for line in (digits / "train" / "metadata.jsonl").read_text().splitlines()]
        build_pipeline(work / "base", captions=captions, seed=seed)
        self._measure_latents()

    def _recipe(self, name: str, clips: str, *, pretrained: Path, **sections: Any) -> Path:
        training = {"per_device_train_batch_size": 8, "precision": "fp32", "lr_scheduler_type": "constant"}
        training |= {"warmup_steps": 0, "eval_on_start": False, "logging_steps": 50, "save_steps": 10_000}
        training |= {"eval_steps": 10_000, "max_eval_clips": None, "disable_tqdm": True, "compile_blocks": "never"}
        values = {
            "task": "finetuning",
            "output_dir": str(self.work / name),
            "seed": self.seed,
            "model": {"pretrained": str(pretrained), "dtype": "float32"},
            "data": {
                "train": str(self.work / clips / "train"),
                "validation": str(self.work / clips / "validation"),
                "cache_dir": str(self.work / "cache"),
                "cache": {"dtype": "float32", "batch_size": 16},
                **sections.pop("data", {}),
            },
            "processor": {**SIZE, "frame_position": "start"},
            "training": training | sections.pop("training", {}),
            "generation": {"num_inference_steps": 1, "num_samples": 1, "guidance_scale": 1.0},
            **sections,
        }
        path = self.work / f"{name}.yaml"
        path.write_text(json.dumps(values))
        return path

    def _measure_latents(self) -> None:
        """Write the mean and the spread of latents into the autoencoder, the same for every run that follows."""
        recipe = load_recipe(self._recipe("measured", "others", pretrained=self.work / "base"))
        parts, processor = Finetuning(recipe), VideoProcessor(**SIZE, frame_position="start")
        data = parts.prepare(processor=processor, is_main=True)
        tokenizer, encoders = parts.build_tokenizer(data), parts.load_encoders()
        encoded = encode_data(recipe, data, encoders, processor=processor, tokenizer=tokenizer)
        encoded.fill(batch_size=16)
        keys = sorted(set(encoded.splits["train"].latent_keys()))
        record_normalization(encoders.autoencoder, *latent_statistics(encoded.caches["latents"], keys))
        encoders.autoencoder.save_pretrained(self.work / "base" / "vae")

    def train(self, name: str, clips: str, *, pretrained: Path, **sections: Any) -> Path:
        """Run a recipe, and give the run's folder."""
        run_recipe(self._recipe(name, clips, pretrained=pretrained, **sections))
        return self.work / name

    def losses(self, pretrained: Path, adapter: Path | None) -> dict[str, float]:
        """The validation loss on A and on B, of a pipeline with an adapter or without."""
        found = {}
        for clips in ("A", "B"):
            peft = {"peft": {"r": _rank(adapter), "pretrained": str(adapter)}} if adapter is not None else {}
            recipe = load_recipe(self._recipe(f"judged_{clips}", clips, pretrained=pretrained, **peft))
            folder = RunFolder(self.work / f"judged_{clips}")
            found[clips] = bare_training(recipe).build_trainer(recipe, folder).evaluate()["eval_loss"]
        return found


def _rank(adapter: Path) -> int:
    from safetensors.torch import load_file

    tensors = load_file(adapter / "pytorch_lora_weights.safetensors")
    return next(tensor.shape[0] for name, tensor in tensors.items() if name.endswith("lora_A.weight"))


def run_seed(work: Path, options: argparse.Namespace, *, seed: int) -> dict[str, dict[str, float]]:
    """Losses on A and on B of every state."""
    runs = Runs(work, options, seed=seed)
    pretrained = runs.train(
        "pretrained",
        "others",
        pretrained=work / "base",
        training={"max_steps": options.pretraining_steps, "learning_rate": 2e-3},
    )
    found = {"pretrained": runs.losses(pretrained, None)}
    lora = {"r": RANK, "lora_alpha": RANK}
    training = {"max_steps": options.steps, "learning_rate": options.learning_rate}
    first = runs.train("first", "A", pretrained=pretrained, peft=lora, training=training)
    found["first"] = runs.losses(pretrained, first)
    earlier = {"train": str(work / "A" / "train"), "share": options.share}
    go_on, beside = lora | {"pretrained": str(first)}, lora | {"previous": [str(first)]}
    ways: dict[str, dict[str, Any]] = {
        "plain": {"peft": go_on},
        "beside": {"peft": beside | {"orthogonal": False}},
        "orthogonal": {"peft": beside},
        "replay": {"peft": go_on, "data": {"replay": earlier}},
        "towards_before": {"peft": beside, "data": {"prior": earlier | {"target": "base"}}},
        "orthogonal_replay": {"peft": beside, "data": {"replay": earlier}},
    }
    for name in WAYS:
        second = runs.train(name, "B", pretrained=pretrained, training=training, **ways[name])
        found[name] = runs.losses(pretrained, second)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--clips", type=int, default=360, help="training clips of all colours together")
    parser.add_argument("--pretraining-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=200, help="of each fine-tuning")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--share", type=float, default=0.3, help="of A's clips, where some are shown again")
    options = parser.parse_args()

    per_seed = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
            per_seed.append(run_seed(Path(work), options, seed=seed))
    mean = {
        state: {clips: sum(found[state][clips] for found in per_seed) / len(per_seed) for clips in ("A", "B")}
        for state in per_seed[0]
    }
    before, first = mean["pretrained"], mean["first"]
    ways = {
        name: {
            "forgotten": (mean[name]["A"] - first["A"]) / (before["A"] - first["A"]),
            "gained": (first["B"] - mean[name]["B"]) / (first["B"] - mean["plain"]["B"]),
        }
        for name in WAYS
    }
    print(f"{'':18}{'loss on A':>10}{'loss on B':>10}{'forgotten':>11}{'gained':>8}")
    for state, losses in mean.items():
        of = (
            "".join(f"{ways[state][name]:>{width}.0%}" for name, width in (("forgotten", 11), ("gained", 8)))
            if state in ways
            else ""
        )
        print(f"{state:18}{losses['A']:>10.4f}{losses['B']:>10.4f}{of}")
    print(json.dumps({"losses": mean, "ways": ways, "per_seed": per_seed, "options": vars(options)}))


if __name__ == "__main__":
    main()
