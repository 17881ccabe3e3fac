"""What is known about a run: all that its card says. What is None is said to be unknown, never guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heygen_hf.hub.card.checks import CardCheck
from heygen_hf.hub.card.figures import MetricResult


@dataclass(frozen=True, kw_only=True)
class SampleImage:
    """A picture of generated videos.

    Attributes:
        path: relative to the run folder, with forward slashes; a PNG, or a GIF.
        prompts: what was asked for, in the picture's order.
        note: how they were made.
        files: the videos themselves, one a prompt, relative to the run folder.
    """

    path: str
    prompts: Sequence[str] = ()
    note: str | None = None
    files: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """What became of the clips (or texts, or recordings) of one split.

    Attributes:
        used: how many were used.
        found: how many there were.
        set_apart: how many were kept for validation.
        padded: how many of those used were too short and filled up.
        skipped: file name and reason of each that was not used; None where this is unknown.
        notes: anything else about them worth a sentence.
    """

    name: str
    used: int
    found: int | None = None
    set_apart: int | None = None
    padded: int | None = None
    skipped: Sequence[tuple[str, str]] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Everything a card says.

    Attributes:
        title: the model's name.
        kind: the task as recipes name it, which chooses the template among `hub/templates`; that of pipelines or models
            in general where it has none.
        task: the Hub's name of the task.
        model_class, num_parameters: of the network that was trained.
        library_name: what loads it; by default diffusers for a pipeline and transformers for a model.
        is_adapter: whether what lies beside the card changes another model, `base_model`.
        adaptation: of a model tuned from another: what was trained of it, name -> value.
        data_name: the data set; of a path, its last part is shown.
        splits: what became of its clips (or texts, or recordings).
        replaced: file name and reason of each that could not be read while training, and gave its place to another.
        data_note: anything else about the data, such as what was held out.
        recipe_yaml: the recipe as resolved.
        command: the command line, a word each.
        commit: of this package's repository, hexadecimal; `commit_is_modified` says whether files differed from it.
        hardware: a description by name, such as `{"cpu": "2 cores"}`.
        training_seconds, steps, samples_seen: how long it was trained.
        seconds_since_resumed, resumed_at_step: of a run that was resumed, whose whole time is unknown.
        energy_kilowatt_hours: what training took, measured, and `energy_of` says of which parts of the machine.
        versions: package -> version.
        metrics: measured figures; `metrics_file` holds those that name no other file, relative to the run folder.
        stories: file of figures -> what they were measured on.
        checks: what `heygen-hf evaluate --checks` found.
        facts_file: the JSON that holds the data's account, times and hardware, relative to the run folder.
        settings_file: the JSON that holds the sampling settings.
        validation_loss: at fixed timesteps and noise.
        samples: pictures of generated videos.
        usage: lines of Python that load the folder, called `FOLDER` in them, and use it; None for a pipeline's.
        pipeline_usage: lines of Python that use the loaded pipeline, called `pipe` in them; None for a prompt alone.
        generation_defaults: sampling settings saved with the pipeline.
        intended_use: what the model is for, beyond what its task says.
        limits: what the model is not good for.
        citation: how to cite it; BibTeX or words.
        licence: its identifier on the Hub.
        tags: beyond those every card has.
    """

    title: str
    kind: str | None = None
    task: str = "text-to-video"
    model_class: str | None = None
    num_parameters: int | None = None
    library_name: str | None = None
    is_adapter: bool = False
    base_model: str | None = None
    adaptation: Mapping[str, Any] = field(default_factory=dict)
    data_name: str | None = None
    splits: Sequence[DataSplit] = ()
    replaced: Sequence[tuple[str, str]] = ()
    data_note: str | None = None
    recipe_yaml: str | None = None
    command: Sequence[str] | None = None
    commit: str | None = None
    commit_is_modified: bool | None = None
    hardware: Mapping[str, Any] = field(default_factory=dict)
    training_seconds: float | None = None
    seconds_since_resumed: float | None = None
    resumed_at_step: int | None = None
    steps: int | None = None
    samples_seen: int | None = None
    energy_kilowatt_hours: float | None = None
    energy_of: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[MetricResult] = ()
    metrics_file: str | None = None
    stories: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[CardCheck] = ()
    facts_file: str | None = None
    settings_file: str | None = None
    validation_loss: float | None = None
    samples: Sequence[SampleImage] = ()
    usage: str | None = None
    pipeline_usage: str | None = None
    generation_defaults: Mapping[str, Any] = field(default_factory=dict)
    intended_use: str | None = None
    limits: str | None = None
    citation: str | None = None
    licence: str | None = None
    tags: Sequence[str] = ()
