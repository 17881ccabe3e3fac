"""`heygen-hf evaluate`: measure a run's exported model, or a folder of videos."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_REPO",
            help="A run's folder, for example outputs/moving_digits; with --metrics also USER/NAME[@REVISION] on the "
            "Hub, or a folder of videos.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="section.key=value", help="Values laid over the run's recipe, such as data.train=other/place."
        ),
    ] = None,
    num_videos_per_prompt: Annotated[
        int | None, typer.Option(help="Videos for each prompt; the recipe's where left out.", min=1)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many prompts.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The recipe's where left out.", min=0)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--json",
            help="The file of the figures, or of the checks; see above where it lies by default.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics of the videos, such as fvd,psnr,temporal_consistency: fvd, content_debiased_fvd, jedi, fid, "
            "is, psnr, ssim, perceptual_distance, temporal_flicker, motion_smoothness, dynamic_degree, "
            "subject_consistency, temporal_consistency, clip_score, audio_video_sync, identity_similarity.",
            rich_help_panel="With --metrics",
        ),
    ] = None,
    checks: Annotated[
        str | None,
        typer.Option(
            help="Is it fair, steady, and no copy? Any of groups,paraphrase,corruption,memorization; written to "
            "RUN/checks.json, of a folder of videos nowhere.",
            rich_help_panel="With --checks (and --metrics of single videos, for groups)",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,…",
            help="Columns of the metadata to compare groups by; by default the recipe's label columns.",
            rich_help_panel="With --checks (and --metrics of single videos, for groups)",
        ),
    ] = None,
    paraphrases: Annotated[
        Path | None,
        typer.Option(
            help='A file of {"prompt": "…", "paraphrases": ["…"]} lines, in place of paraphrases by rule.',
            rich_help_panel="With --checks (and --metrics of single videos, for groups)",
        ),
    ] = None,
    training_data: Annotated[
        Path | None,
        typer.Option(
            help="A folder of the training clips; of a run by default its recipe's.",
            rich_help_panel="With --checks (and --metrics of single videos, for groups)",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="A folder of real videos. Of a run by default its recipe's test clips (or validation clips), and the "
            "videos are made of the captions of these.",
            rich_help_panel="With --metrics",
        ),
    ] = None,
    num_videos: Annotated[
        int | None,
        typer.Option(help="By default 256 of a run, all of a folder.", min=1, rich_help_panel="With --metrics"),
    ] = None,
    allow_too_few: Annotated[
        bool,
        typer.Option(
            "--allow-too-few",
            help="Measure below a metric's minimum count too; the result says so.",
            rich_help_panel="With --metrics",
        ),
    ] = False,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[METRIC=]NAME_OR_FOLDER",
            help="The network that a metric looks through: 'embedded', a folder, a name on the Hub, or a file of I3D's "
            "weights, such as clip_score=openai/clip-vit-base-patch32. Without METRIC= that of FVD and JEDi.",
            rich_help_panel="With --metrics",
        ),
    ] = None,
    videos_dir: Annotated[
        Path | None,
        typer.Option(
            help="Where a run's videos are kept, and found the next time: a new folder, or one of an earlier "
            "evaluate. By default RUN/evaluation/generated; of another seed, or of the captions of --reference, "
            "generated_… beside it.",
            rich_help_panel="With --metrics",
        ),
    ] = None,
    checkpoints: Annotated[
        bool,
        typer.Option(
            "--checkpoints",
            help="Of each of the run's checkpoints, with a plot against the step.",
            rich_help_panel="With --metrics",
        ),
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Videos made at once; the recipe's where left out.", min=1, rich_help_panel="With --metrics"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="By default a GPU if there is one.", rich_help_panel="With --metrics")
    ] = None,
) -> None:
    """Measure a run's model with its recipe's data, print the table and write it as JSON.

    With --metrics: make videos with the run's exported weights, video i with seed + i (none is made twice), or take
    those of a folder, with prompts in its metadata.jsonl, metadata.csv or .txt files, and measure them. Each figure
    comes with its interval, its counts, the noise floor of the references, and in the JSON with all that it depends on.
    On several processes: `accelerate launch --config_file recipes/accelerate/<machine>.yaml -m heygen_hf evaluate …`

    With --checks: of the same videos, is one group worse off than chance would make it, does the same wish in other
    words get the same video, do worse inputs spoil it, and are there copies of training clips among them?

    What is found is written to RUN/metrics.json (with values laid over the recipe RUN/evaluation/overridden.json), with
    --metrics to RUN/evaluation/metrics_….json, with --checkpoints to RUN/evaluation/checkpoints_….json and a plot
    beside it as .png, and with --checks to RUN/checks.json. Of a repository on the Hub RUN is
    outputs/USER--NAME@COMMIT; of a folder of videos nothing is written without --output.
    """
    of_metrics = {
        "reference": reference,
        "num_videos": num_videos,
        "allow_too_few": allow_too_few or None,
        "features": features,
        "videos_dir": videos_dir,
        "checkpoints": checkpoints or None,
        "batch_size": batch_size,
        "device": device,
    }
    of_recipes = {"num_videos_per_prompt": num_videos_per_prompt, "limit": limit}
    of_checks = {"groups": groups and [groups], "paraphrases": paraphrases, "training_data": training_data}
    if output is not None:
        from heygen_hf.tasks.video_metrics.output_file import require_writable

        require_writable(output)
    if checks is not None:
        # intervals say what few videos are worth, so no count is too few for a check
        others = {name: of_metrics.pop(name) for name in ("allow_too_few", "checkpoints")}
        _refuse(of_recipes | others, "does not go with --checks; leave it out")
        if overrides:
            raise ValueError(f"{overrides[0]} does not go with --checks; --reference names other clips")
        from heygen_hf.tasks.responsible_checks import run_checks

        asked: dict[str, Any] = {name: value for name, value in (of_metrics | of_checks).items() if value is not None}
        run_checks(run, [checks], metrics=[metrics] if metrics else [], seed=seed, output=output, **asked)
        return
    _refuse(of_checks, "goes with --checks; name some, or leave it out")
    if metrics is None:
        _refuse(of_metrics, "goes with --metrics; name some, or leave it out")
        from heygen_hf.tasks import evaluate_recipe_run

        evaluate_recipe_run(
            run, overrides or [], num_videos_per_prompt=num_videos_per_prompt, limit=limit, seed=seed, output=output
        )
        return
    _refuse(of_recipes, "does not go with --metrics; --num-videos says how many videos are made")
    if overrides:
        raise ValueError(f"{overrides[0]} does not go with --metrics; --reference names other clips")
    from heygen_hf.tasks.video_metrics import measure_checkpoints, measure_videos

    given: dict[str, Any] = {name: value for name, value in of_metrics.items() if value is not None}
    measure: Callable[..., Any] = measure_checkpoints if given.pop("checkpoints", False) else measure_videos
    measure(run, [metrics], seed=seed, output=output, **given)


def _refuse(options: dict[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"--{name.replace('_', '-')} {why}")
