"""Samplers, guidance and block caching of a finished run of text to video, at several numbers of steps.

For each way of sampling, from the same noise: evaluations of the velocity, passes of each video through the transformer
(guidance makes several of an evaluation), seconds a video, the root mean square distance of pixels in [0, 1] to a
reference of 200 Heun steps, and how many videos show what their captions say by the run's judges. Prints JSON last.

    python benchmarks/few_steps.py outputs/moving_digits --videos 96
    python benchmarks/few_steps.py outputs/moving_digits --parts caching
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from heygen_hf.evaluation import AttributeJudges
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks import load_recipe
from heygen_hf.tasks.clip_data import prepare_data
from heygen_hf.tasks.generation import fast_math, load_pipeline
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.evaluation import EvaluationPrompt, evaluation_prompts

PARTS: dict[str, list[dict[str, Any]]] = {
    "samplers": [
        {"sampler": sampler, "num_inference_steps": steps}
        for sampler in ("euler", "heun", "unipc", "dpmsolver++")
        for steps in (4, 8, 20, 50)
    ]
    + [{"sampler": "dopri5", "rtol": tolerance, "atol": tolerance} for tolerance in (1e-1, 1e-2)],
    "guidance": [
        {"num_inference_steps": 20},
        {"num_inference_steps": 20, "guidance_interval": (0.8, 1.0)},
        {"num_inference_steps": 20, "guidance_interval": (0.0, 0.95)},
        {"num_inference_steps": 20, "guidance_every": 2},
        {"num_inference_steps": 20, "guidance_rescale": 0.7},
        {"num_inference_steps": 20, "guidance_scale": 1.0},
    ],
    "caching": [
        {"num_inference_steps": 50, "block_cache_threshold": threshold} for threshold in (0.0, 0.02, 0.05, 0.1, 0.2)
    ],
}
REFERENCE = {"sampler": "heun", "num_inference_steps": 200}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run with label columns and judges")
    parser.add_argument("--videos", type=int, default=96)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--reference-steps", type=int, default=REFERENCE["num_inference_steps"])
    options = parser.parse_args()

    folder = RunFolder(options.run)
    recipe, pipeline = load_recipe(folder.recipe), load_pipeline(options.run)
    judges = AttributeJudges.from_pretrained(folder.judges)
    data = prepare_data(recipe.data, processor=pipeline.processor, seed=recipe.seed, is_main=True)
    every = evaluation_prompts(data, recipe.data.label_columns, per_unseen=10, per_seen=1)
    unseen = [prompt for prompt in every if prompt.group == "unseen"]
    prompts = [unseen[i * len(unseen) // options.videos] for i in range(options.videos)]

    reference, _ = sample(pipeline, prompts, {**REFERENCE, "num_inference_steps": options.reference_steps})
    rows = []
    for part in options.parts:
        for way in PARTS[part]:
            videos, row = sample(pipeline, prompts, way)
            row = {"part": part, **way, **row, "distance": round(distance(videos, reference), 4)}
            row["all_correct"] = round(accuracy(judges, videos, prompts), 4)
            rows.append(row)
            print(row, flush=True)
    print(json.dumps({"run": options.run.name, "videos": len(prompts), "rows": rows}))


def sample(
    pipeline: VideoGenerationPipeline, prompts: list[EvaluationPrompt], way: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    """The videos, video i with seed i, and what each cost."""
    videos, started, output = [], time.perf_counter(), None
    with fast_math(pipeline.device.type, "auto"):
        for start in range(0, len(prompts), 32):
            some = [prompt.text for prompt in prompts[start : start + 32]]
            generators = [torch.Generator().manual_seed(start + i) for i in range(len(some))]
            output = pipeline(some, generator=generators, output_type="pt", **way)
            videos.append(output.frames.cpu())
    assert output is not None
    seconds = (time.perf_counter() - started) / len(prompts)
    return torch.cat(videos), {
        "evaluations": output.num_function_evaluations,
        "passes": output.num_rows,
        "reused": output.num_reused,
        "seconds_per_video": round(seconds, 4),
    }


def distance(videos: torch.Tensor, reference: torch.Tensor) -> float:
    return float((videos - reference).square().mean(dim=(1, 2, 3, 4)).sqrt().mean())


def accuracy(judges: AttributeJudges, videos: torch.Tensor, prompts: list[EvaluationPrompt]) -> float:
    found = judges.predict(videos * 2 - 1)
    right = []
    for i, prompt in enumerate(prompts):
        right.append(all(str(found[column][i]) == label for column, label in prompt.labels.items()))
    return sum(right) / len(right)


if __name__ == "__main__":
    main()
