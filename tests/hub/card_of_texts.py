"""A card with a foreign text in every place where one can be."""

from collections.abc import Callable
from itertools import count

from heygen_hf.hub import CardCheck, CardFacts, DataSplit, MetricResult, SampleImage


def card_of(text: Callable[[], str]) -> CardFacts:
    """A card with a foreign text wherever one can be; `title`, `data_name` and `licence` are the first three."""
    title, data_name, licence = text(), text(), text()
    return CardFacts(
        title=title,
        data_name=data_name,
        licence=licence,
        model_class="VideoTransformerForVideoGeneration",
        num_parameters=1_034_240,
        splits=[
            DataSplit(name=text(), found=4, used=1, set_apart=1, skipped=[(text(), text())], notes=[text(), text()]),
            DataSplit(name="test", used=2, found=2, skipped=[]),
        ],
        replaced=[(text(), text())],
        data_note=text(),
        recipe_yaml=text(),
        command=["heygen-hf", text(), text()],
        commit="0123456789abcdef",
        hardware={text(): text(), "memory": "16 GiB"},
        training_seconds=547.2,
        energy_kilowatt_hours=0.5,
        energy_of=text(),
        versions={text(): text(), "heygen_hf": text()},
        metrics=[
            MetricResult(
                name=text(),
                value=0.5,
                interval=(0.4, 0.6),
                count=3,
                group=text(),
                note=text(),
                unit=text(),
                metric_type=text(),
                noise_floor=0.1,
                provenance={text(): text(), "list": [text(), 1.5, None]},
            ),
            MetricResult(name=text(), value=0.25, source="evaluation/metrics_fvd.json", metric_type="fvd"),
        ],
        metrics_file="metrics.json",
        stories={"metrics.json": text()},
        checks=[
            CardCheck(
                title=text(),
                summary=text(),
                columns=(text(), text()),
                rows=((text(), text()), (text(), "2")),
                notes=(text(), text()),
            )
        ],
        samples=[
            SampleImage(
                path="samples/strips.png",
                prompts=[text() for _ in range(10)],
                note=text(),
                files=["samples/sample-00.mp4"],
            )
        ],
        facts_file="run.json",
        settings_file="model_index.json",
        generation_defaults={text(): text(), "guidance_scale": 2.0},
        intended_use=text(),
        limits=text(),
        citation=text(),
        tags=[text()],
    )


_PLACES = count()
_NUMBERED = card_of(lambda: str(next(_PLACES)))
NUM_TEXTS = next(_PLACES)
BLOCKS = (int(_NUMBERED.recipe_yaml or 0), int(_NUMBERED.citation or 0))
