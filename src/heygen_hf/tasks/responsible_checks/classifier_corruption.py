"""How a model that is shown clips (a classifier, a retrieval or captioning model) does when they are worse."""

from typing import Any

import torch
from tqdm.auto import tqdm

from heygen_hf.evaluation import Measurement, Provenance
from heygen_hf.evaluation.robustness import CLIP_CORRUPTIONS, SEVERITIES
from heygen_hf.hub import MetricResult
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.responsible_checks.corrupted_inputs import InputCorruption, corrupting, takes_clips
from heygen_hf.tasks.responsible_checks.document import Check, not_applicable
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.severity_table import COLUMNS, TITLE, severity_rows, severity_summary
from heygen_hf.tasks.responsible_checks.supervised import SupervisedRun

_CONVENTION = (
    "the figures of the run's own measure on its held-out clips, each clip corrupted (after Hendrycks and Dietterich "
    "2019) before the model sees it"
)


def check_input_corruption(run: SupervisedRun, options: CheckOptions) -> Check:
    """The run's own figures, of its held-out clips as they are and worse."""
    why = "The model is shown no clips."
    if not any(takes_clips(type(module)) for module in run.model.modules()):
        return not_applicable("corruption", TITLE, why, subject=run.facts)
    processor = next((each for each in run.parts.processors if isinstance(each, VideoProcessor)), None)
    mean = 0.5 if processor is None else processor.image_mean
    std = 0.5 if processor is None else processor.image_std
    corruption = InputCorruption(mean=mean, std=std, seed=options.draw_seed)
    figures: list[Measurement] = []
    with corrupting(run.model, corruption), torch.no_grad():
        clean = _own_figures(run)
        if not corruption.num_clips:
            return not_applicable("corruption", TITLE, why, subject=run.facts)
        wanted = [(kind, severity) for kind in CLIP_CORRUPTIONS for severity in SEVERITIES]
        for corruption.kind, corruption.severity in tqdm(wanted, desc="corrupted inputs"):
            found = _own_figures(run)
            figures += [_measurement(found[key], clean[key], corruption, options) for key in clean if key in found]
    return Check(
        name="corruption",
        title=TITLE,
        summary=severity_summary(figures, what="what the model is shown"),
        columns=COLUMNS,
        rows=severity_rows(figures),
        figures=figures,
        subject=run.facts,
    )


def _own_figures(run: SupervisedRun) -> dict[tuple[str, str | None], MetricResult]:
    """(name, group) → figure, without baselines, which do not look at clips."""
    found = run.parts.measure(run.model)
    kept = [each for each in found if not each.is_baseline and each.value is not None]
    return {(each.name, each.group): each for each in kept}


def _measurement(
    found: MetricResult, clean: MetricResult, corruption: InputCorruption, options: CheckOptions
) -> Measurement:
    assert found.value is not None
    details: dict[str, Any] = {"corruption": corruption.kind, "severity": corruption.severity, "group": found.group}
    return Measurement(
        name=found.name,
        value=found.value,
        count=found.count or 0,
        reference_count=clean.count,
        reference_value=clean.value,
        higher_is_better=True if found.unit == "share" else None,
        unit=found.unit,
        interval=found.interval,
        provenance=Provenance(convention=_CONVENTION, seed=options.draw_seed, confidence=0.95),
        details=details,
    )
