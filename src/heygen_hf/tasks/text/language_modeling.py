"""Language modelling: documents → tokenizer → packed rows → model → bits per byte, beside what compression gets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.data.text import TextCollator, TextReport, prepare_text_dataset
from heygen_hf.evaluation.language_modeling import count_lossy
from heygen_hf.models.text_transformer import TextTransformerForCausalLM
from heygen_hf.tasks.adapters import PeftSection, base_loading_options
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text.language_modeling_figures import EvaluationSection, measure_language_model, prompts_of
from heygen_hf.tasks.text.packed_documents import check_packing
from heygen_hf.tasks.text.text_data import (
    PYTHON_REFERENCE,
    TextDataSection,
    TextSplits,
    prepare_text_splits,
)
from heygen_hf.tasks.text.text_model import TextModelSection, build_text_model, check_vocabulary
from heygen_hf.tasks.text.text_positions import check_length, most_positions
from heygen_hf.tasks.text.text_tokenizer import text_tokenizer
from heygen_hf.training import SupervisedTrainingArguments

if TYPE_CHECKING:
    import datasets

# Documents that are packed together; only the last row of so many may be shorter than the others.
_PACKED_AT_ONCE = 20_000

_USAGE = """\
import heygen_hf.models
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER)
prompt = tokenizer("Return the number of", return_tensors="pt")
greedy = model.generate(**prompt, max_new_tokens=40)
sampled = model.generate(**prompt, max_new_tokens=40, do_sample=True, temperature=0.8, top_p=0.95)
beams = model.generate(**prompt, max_new_tokens=40, num_beams=4)
print(tokenizer.decode(greedy[0], skip_special_tokens=True))
"""


@dataclass(kw_only=True)
class LanguageModelingDataSection(TextDataSection):
    """[`TextDataSection`], and how documents become rows.

    Args:
        packing: "group" joins documents end to end and divides them where a row is full, "pack" puts whole documents
            together and cuts longer ones, "none" gives each a row. Attention never leaves a document.
    """

    packing: Literal["group", "pack", "none"] = "group"


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Documents, tokenizer and rows; the model is built when the story asks for it."""
    data, section = recipe.data, dict(recipe.model or {})
    pretrained = section.get("pretrained")
    model_class = causal_model_class(pretrained)
    ours = issubclass(model_class, TextTransformerForCausalLM)
    splits = prepare_text_splits(data, seed=recipe.seed)
    tokenizer = text_tokenizer(data, lambda: splits.texts("train"), exported=exported, pretrained=pretrained)
    check_vocabulary(section, tokenizer)
    held_out = splits.texts("test")
    _check_lengths(recipe, tokenizer, held_out, places=None if ours else most_positions(model_class, pretrained))
    num_lossy = count_lossy(tokenizer, held_out)
    if is_main:
        for line in splits.left_out():
            print(line)
        if num_lossy:
            print(
                f"the tokenizer loses a part of {num_lossy:,} of {len(held_out):,} test documents (capitals, spaces or "
                "characters that it does not know), so bits per byte will not be measured"
            )
    packing = data.packing
    if recipe.peft is not None and recipe.peft.method == "prefix_tuning":
        packing = "none"  # a prefix stands before one text, not before each of several
    rows = {}
    for split, documents in (("train", splits.train.shuffle(seed=recipe.seed)), ("validation", splits.validation)):
        report = TextReport()
        rows[split] = packed_rows(documents, tokenizer, data=data, packing=packing, report=report)
        splits.reports[split]["tokenized"] = report.to_dict()
        if is_main and report.num_truncated:
            print(f"{split}: {report.summary()}")

    def build_model() -> PreTrainedModel:
        model = build_text_model(
            model_class,
            section,
            tokenizer=tokenizer,
            max_length=data.max_length,
            loading=base_loading_options(recipe.peft),
        )
        if not ours and packing != "none":
            check_packing(model, named=f"model.pretrained={pretrained}")
        return model

    return TaskParts(
        model_class=model_class,
        build_model=build_model,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        collate=_collator(tokenizer, with_sequence_ids=ours),
        processors=[tokenizer],
        measure=lambda model: measure_language_model(
            model,
            tokenizer,
            training_texts=splits.texts("train"),
            texts=held_out,
            max_length=data.max_length,
            section=recipe.evaluation,
            num_lossy=num_lossy,
        ),
        data_name=data.train,
        reports=splits.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=_note(data, splits),
    )


def causal_model_class(pretrained: str | None) -> type[PreTrainedModel]:
    """The text transformer with its language modelling head, or whatever `model.pretrained` is.

    Raises:
        ValueError: it is no model, or none that models language.
    """
    if pretrained is None:
        return TextTransformerForCausalLM
    try:
        config = AutoConfig.from_pretrained(pretrained)
        return AutoModelForCausalLM._model_mapping[type(config)]
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"model.pretrained={pretrained} is no causal language model ({first_line})") from error


def packed_rows(
    documents: "datasets.Dataset",
    tokenizer: PreTrainedTokenizerBase,
    *,
    data: LanguageModelingDataSection,
    packing: Literal["group", "pack", "none"],
    report: TextReport,
) -> "datasets.Dataset":
    """Rows of tokens to train on.

    Raises:
        ValueError: no row has a token to predict.
    """
    rows = prepare_text_dataset(
        documents,
        tokenizer,
        text_column=data.text_column,
        max_length=data.max_length,
        packing=packing,
        add_eos=tokenizer.eos_token_id is not None,
        batch_size=_PACKED_AT_ONCE,
        report=report,
    )
    # A document's first token in a row is read and not predicted.
    starts = "position_ids" in rows.column_names
    targets = (sum(place > 0 for place in row["position_ids"]) if starts else len(row["input_ids"]) - 1 for row in rows)
    if not any(count > 0 for count in targets):
        raise ValueError(
            f"the documents of {data.train} are of one token each in rows of {data.max_length}, so there is nothing to "
            "predict; give longer text or raise data.max_length"
        )
    return rows


def _collator(
    tokenizer: PreTrainedTokenizerBase, *, with_sequence_ids: bool
) -> Callable[[list], dict[str, torch.Tensor]]:
    """Models of transformers' own tell packed documents by their positions, when there is no mask."""
    collator = TextCollator(tokenizer, objective="language_modeling")

    def collate(items: list) -> dict[str, torch.Tensor]:
        batch = collator(items)
        if not with_sequence_ids and "sequence_ids" in batch:
            del batch["sequence_ids"], batch["attention_mask"]
        return batch

    return collate


def _check_lengths(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, texts: list[str], *, places: int | None) -> None:
    """Refuse now what would fail after the training."""
    data, evaluation, pretrained = recipe.data, recipe.evaluation, (recipe.model or {}).get("pretrained")
    if evaluation.stride is not None and evaluation.stride >= data.max_length:
        raise ValueError(
            f"evaluation.stride is {evaluation.stride} and data.max_length {data.max_length}; expected less than that, "
            "such as half of it"
        )
    check_length(data.max_length, field="data.max_length", places=places, pretrained=pretrained)
    prompts = prompts_of(texts, evaluation)
    if places is not None and prompts:
        room = places - max(len(tokenizer(prompt)["input_ids"]) for prompt in prompts)
        if evaluation.generated_tokens > room:
            raise ValueError(
                f"evaluation.generated_tokens is {evaluation.generated_tokens} and model.pretrained={pretrained} has "
                f"room for {max(0, room)} after the longest prompt; lower it, or evaluation.prompt_characters"
            )


def _note(data: TextDataSection, splits: TextSplits) -> str:
    apart = "No document of one split is in another."
    if data.repeated == "keep" and splits.given:
        apart = f"Documents that are given to {' and '.join(sorted(splits.given))} may be in the training text too."
    set_apart = [split for split in ("validation", "test") if split not in splits.given]
    if set_apart:
        apart += f" No {' or '.join(set_apart)} document was set apart of which most is in the training text."
    if data.train == PYTHON_REFERENCE:
        return (
            "Python's language reference (pydoc_data.topics) and the docstrings of its standard library, as they are "
            f"in the Python that trained the model; near duplicates removed. {apart}"
        )
    return apart


TASK = ModelTask(name="language_modeling", build=build, pipeline_tag="text-generation")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training

SECTIONS: dict[str, Any] = {
    "model": TextModelSection,
    "data": LanguageModelingDataSection,
    "training": SupervisedTrainingArguments,
    "evaluation": EvaluationSection,
    "peft": PeftSection | None,
    "hub": HubSection,
}
