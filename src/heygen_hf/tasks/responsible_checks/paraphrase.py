"""Does the same wish in other words get the same video? Paraphrases of a run's prompts, with the seeds they had."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heygen_hf.evaluation import Measurement, Provenance, VideoFeatures, VideoFiles, load_video_features
from heygen_hf.evaluation.clip_stream import read_batches
from heygen_hf.evaluation.features import TextVideoFeatures
from heygen_hf.evaluation.robustness import PARAPHRASES, paraphrase, read_paraphrases
from heygen_hf.tasks.responsible_checks.document import Check, not_applicable
from heygen_hf.tasks.responsible_checks.falls import (
    distance_figure,
    fall_figure,
    fall_table,
    features_of,
    note_on_falls,
    over_all_comparisons,
    unrelated_distance,
    worst_fall,
)
from heygen_hf.tasks.responsible_checks.judging import Judging, judging_of
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.subject import CheckedVideos
from heygen_hf.tasks.video_metrics.generating import WantedVideo

TITLE = "Prompts in other words (same seeds, 95 % intervals)"
_CONVENTION = (
    "figures of videos of paraphrased prompts beside those of the same prompts and seeds as they were; the fall over "
    "pairs of videos, prompts resampled; p by the sign test or by sign flips, over all falls by Holm's method"
)


def check_paraphrases(videos: CheckedVideos, options: CheckOptions) -> Check:
    """Make the videos of paraphrased prompts and compare them with the others.

    Raises:
        ValueError: no prompt can be said otherwise.
    """
    run = videos.run
    if run is None or videos.prompts is None:
        return not_applicable("paraphrase", TITLE, "The model reads no prompts.", subject=videos.facts)
    kinds = _paraphrases(videos.prompts, options)
    network = load_video_features(options.video_features, device=options.device)
    judging = judging_of(run.folder, videos.recipe, processor=run.processor) if videos.labels else None
    texts = options.models.texts() if options.models is not None and "clip_score" in options.metrics else None
    before = _figures(videos.clips, videos.prompts, videos.labels, judging, texts)
    seen = features_of(videos.clips, network)
    unrelated = unrelated_distance(seen, videos.prompts)

    figures: list[Measurement] = []
    details: dict[str, Any] = {}
    for kind, said in kinds.items():
        places = [place for place, text in enumerate(said) if text is not None]
        if not places:
            details[kind] = {"count": 0, "example": None}
            continue
        wanted = [WantedVideo(said[place], run.wanted[place].seed) for place in places]
        beside = videos.clips.paths[0].parent
        folder = beside.with_name(f"{beside.name}_paraphrased") / kind
        made = VideoFiles(replace(run, wanted=wanted).make_videos(folder))
        # judged by what was meant: the prompt as it was, and its labels
        prompts = [videos.prompts[place] for place in places]
        labels = {column: [values[place] for place in places] for column, values in videos.labels.items()}
        after = _figures(made, prompts, labels, judging, texts)
        named = {"kind": kind, "example": {"prompt": prompts[0], "paraphrase": wanted[0].prompt}}
        details[kind] = {"count": len(places), "example": named["example"]}
        found = [
            fall_figure(
                name,
                before[name][places],
                values,
                provenance=_provenance(judging if is_judged else texts, options),
                details=named,
                is_share=is_judged,
                unit="share" if is_judged else "cosine",
                prompts=prompts,
            )
            for name, values in after.items()
            for is_judged in [name != "clip_score"]
        ]
        moved = features_of(made, network)
        found.append(
            distance_figure(seen[places], moved, unrelated, provenance=_provenance(network, options), details=named)
        )
        figures += found
    figures = over_all_comparisons(figures)
    columns, rows = fall_table(figures, by="kind")
    return Check(
        name="paraphrase",
        title=TITLE,
        summary=_summary(figures),
        columns=columns,
        rows=rows,
        figures=figures,
        notes=[*note_on_falls(figures), *_notes(kinds, videos.prompts)],
        subject=videos.facts,
        details={"kinds": details},
    )


def _paraphrases(prompts: Sequence[str], options: CheckOptions) -> dict[str, list[str | None]]:
    """Kind → a paraphrase for each prompt, None where there is none."""
    if options.paraphrases is None:
        made = {kind: [paraphrase(prompt, kind) for prompt in prompts] for kind in PARAPHRASES}
    else:
        given = read_paraphrases(options.paraphrases)
        most = max((len(given.get(prompt, ())) for prompt in prompts), default=0)
        if not most:
            raise ValueError(
                f"{Path(options.paraphrases).name} has no paraphrase of any prompt of these videos, such as "
                f"{prompts[0]!r}; write the prompts as they are in the captions"
            )
        made = {
            f"given_{number + 1}": [
                given[prompt][number] if number < len(given.get(prompt, ())) else None for prompt in prompts
            ]
            for number in range(most)
        }
    if not any(text is not None for said in made.values() for text in said):
        raise ValueError("no prompt can be said otherwise by rule; give --paraphrases FILE, or leave paraphrase out")
    return made


def _figures(
    clips: VideoFiles,
    prompts: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    judging: Judging | None,
    texts: TextVideoFeatures | None,
) -> dict[str, np.ndarray]:
    """Name → a figure a video."""
    found: dict[str, np.ndarray] = {}
    if judging is not None:
        found = {f"accuracy, {column}": values for column, values in judging.hits(clips, labels).items()}
    if texts is not None:
        scores = []
        for batch in read_batches(clips, batch_size=16, prompts=prompts):
            asked = texts.texts(batch.prompts or [])
            scores.append((texts.clips(batch.clips) * asked[:, None]).sum(-1).double().mean(1))
        found["clip_score"] = torch.cat(scores).numpy()
    return found


def _provenance(network: VideoFeatures | TextVideoFeatures | Judging | None, options: CheckOptions) -> Provenance:
    return Provenance(
        convention=_CONVENTION,
        features=None if network is None else network.describe(),
        seed=options.draw_seed,
        num_resamples=1000,
        confidence=0.95,
        options={"paraphrases": "by rule" if options.paraphrases is None else Path(options.paraphrases).name},
    )


def _notes(kinds: Mapping[str, Sequence[str | None]], prompts: Sequence[str]) -> list[str]:
    examples = []
    for kind, said in kinds.items():
        place = next((place for place, text in enumerate(said) if text is not None), None)
        if place is not None:
            examples.append(f"{kind}: “{prompts[place]}” → “{said[place]}”")
    none = [kind for kind, said in kinds.items() if all(text is None for text in said)]
    notes = ["; ".join(examples) + "."]
    if none:
        notes.append(f"No prompt can be said otherwise by {', '.join(none)}.")
    return notes


def _summary(figures: Sequence[Measurement]) -> str:
    worst = worst_fall(figures)
    if worst is not None:
        low, high = worst.details["fall_interval"]
        return (
            f"The largest fall is by {worst.details['kind']}: {worst.name} from {worst.reference_value:.1%} to "
            f"{worst.value:.1%}, by {worst.details['fall']:.1%} [{low:.1%}, {high:.1%}], "
            f"p {worst.details['p_value_over_all_comparisons']:.2g} over all falls."
        )
    if any(figure.unit == "share" for figure in figures):
        return "No accuracy falls by more than chance would make it."
    furthest = max(figures, key=lambda figure: figure.details.get("relative") or 0.0)
    relative = furthest.details.get("relative")
    far = f"{furthest.value:.3g}" if relative is None else f"{relative:.0%} of the distance of unrelated videos"
    return f"Videos move most by {furthest.details['kind']}: {far}."
