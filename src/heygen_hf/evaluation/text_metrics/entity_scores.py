"""F1 of whole entities from labels such as B-person and I-person, as CoNLL counts them (and seqeval by default)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from heygen_hf.evaluation.text_metrics.label_scores import LabelScore

_PREFIXES = frozenset("BIES")


class Entity(NamedTuple):
    """A run of words: those from `start` up to, not including, `end`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class EntityScores:
    """What `entity_scores` gives.

    Attributes:
        precision, recall, f1: over all entities together, in [0, 1].
        macro_f1: mean of the kinds' own F1.
        per_kind: precision, recall, F1 and count of each kind of entity.
        num_references, num_predictions, num_correct: entities.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    per_kind: dict[str, LabelScore]
    num_references: int
    num_predictions: int
    num_correct: int


def are_entity_labels(labels: Iterable[str]) -> bool:
    """Whether the labels are a BIO scheme's: "O" and B-, I-, E- or S- with a kind; at least one B- or I-."""
    names = set(labels)
    prefixed = {name for name in names if _is_prefixed(name)}
    return any(name[0] in "BI" for name in prefixed) and names - prefixed <= {"O"}


def find_entities(labels: Sequence[str]) -> list[Entity]:
    """The entities in the labels of one text.

    An entity begins at B- or S-, and at I- or E- where none of its kind is open (so that a stray I- still counts,
    as in CoNLL-2000's script); it ends before the next beginning, before O, after E- or S-, or where the kind changes.

    Raises:
        ValueError: a label that is neither O nor begins with B-, I-, E- or S-.

    Example:
    ```python
    >>> find_entities(["B-person", "I-person", "O", "I-place"])
    [Entity(kind='person', start=0, end=2), Entity(kind='place', start=3, end=4)]
    ```
    """
    entities, open_kind, start = [], None, 0
    for place, label in enumerate([*labels, "O"]):
        if label != "O" and not _is_prefixed(label):
            raise ValueError(
                f"label {label!r} is neither 'O' nor begins with B-, I-, E- or S-; for plain labels use label_scores"
            )
        prefix, kind = ("O", None) if label == "O" else (label[0], label[2:])
        goes_on = open_kind is not None and kind == open_kind and prefix in "IE"
        if open_kind is not None and not goes_on:
            entities.append(Entity(open_kind, start, place))
            open_kind = None
        if kind is not None and not goes_on:
            open_kind, start = kind, place
        if open_kind is not None and prefix in "ES":
            entities.append(Entity(open_kind, start, place + 1))
            open_kind = None
    return entities


def entity_scores(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> EntityScores:
    """Precision, recall and F1 of entities: right is one of the same kind, with the same words.

    Args:
        predictions, references: for each text, the labels of its words.

    Raises:
        ValueError: not as many texts, or labels in one of them; a label outside the scheme.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; expected one for each text")
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for number, (predicted, reference) in enumerate(zip(predictions, references, strict=True)):
        if len(predicted) != len(reference):
            raise ValueError(
                f"text {number} has {len(predicted)} predicted labels and {len(reference)} references; expected one a "
                "word"
            )
        in_predicted, in_reference = set(find_entities(predicted)), set(find_entities(reference))
        found.update(entity.kind for entity in in_predicted)
        wanted.update(entity.kind for entity in in_reference)
        right.update(entity.kind for entity in in_predicted & in_reference)
    per_kind = {kind: _score(right[kind], found[kind], wanted[kind]) for kind in sorted(found.keys() | wanted.keys())}
    overall = _score(right.total(), found.total(), wanted.total())
    return EntityScores(
        precision=overall.precision,
        recall=overall.recall,
        f1=overall.f1,
        macro_f1=sum(score.f1 for score in per_kind.values()) / max(1, len(per_kind)),
        per_kind=per_kind,
        num_references=wanted.total(),
        num_predictions=found.total(),
        num_correct=right.total(),
    )


def _is_prefixed(label: str) -> bool:
    return len(label) > 2 and label[0] in _PREFIXES and label[1] == "-"


def _score(right: int, found: int, wanted: int) -> LabelScore:
    return LabelScore(
        precision=right / found if found else 0.0,
        recall=right / wanted if wanted else 0.0,
        f1=2 * right / (found + wanted) if found + wanted else 0.0,
        count=wanted,
    )
