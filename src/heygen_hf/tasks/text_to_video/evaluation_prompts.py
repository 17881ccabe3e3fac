"""What a text-to-video model is asked for when it is judged: every combination of labels among the test captions."""

from collections.abc import Sequence
from dataclasses import dataclass

from heygen_hf.data import VideoClipDataset
from heygen_hf.tasks.clip_data import PreparedData

SEEN, UNSEEN = "seen", "unseen"


@dataclass(frozen=True)
class EvaluationPrompt:
    """A caption with the labels it should come out as; `group` says whether training held this combination."""

    text: str
    labels: dict[str, str]
    group: str


def evaluation_prompts(
    data: PreparedData, columns: Sequence[str], *, per_unseen: int, per_seen: int
) -> list[EvaluationPrompt]:
    """One prompt per video: every combination of labels among the test captions, unseen combinations first.

    A combination is seen when a training clip has it. Its caption is that of the first test clip that has it.
    """
    trained = set(label_combinations(data.labelled_train, columns))
    captions: dict[tuple[str, ...], str] = {}
    for combination, text in zip(label_combinations(data.test, columns), data.test.texts, strict=True):
        captions.setdefault(combination, text)
    prompts: dict[str, list[EvaluationPrompt]] = {UNSEEN: [], SEEN: []}
    for combination, text in sorted(captions.items()):
        group = SEEN if combination in trained else UNSEEN
        prompt = EvaluationPrompt(text, dict(zip(columns, combination, strict=True)), group)
        prompts[group] += [prompt] * (per_seen if group == SEEN else per_unseen)
    return prompts[UNSEEN] + prompts[SEEN]


def label_combinations(clips: VideoClipDataset, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Of each clip."""
    return list(zip(*(map(str, clips.labels[column]) for column in columns), strict=True))
