"""Token classification: labelled words → tokenizer → model → F1 of labels or entities, beside what words say alone."""

from pathlib import Path

from transformers import AutoModelForTokenClassification, PreTrainedModel

from heygen_hf.data.text import TextCollator
from heygen_hf.evaluation.text_metrics import best_classes, token_classification_metrics
from heygen_hf.models.text_transformer import TextTransformerForTokenClassification
from heygen_hf.tasks.adapters import PeftSection, base_loading_options
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text.class_labels import config_of_classes
from heygen_hf.tasks.text.classifier_class import classifier_class
from heygen_hf.tasks.text.classifier_evaluation import ClassifierEvaluationSection
from heygen_hf.tasks.text.labelled_words import (
    PYTHON_SOURCE,
    TokenDataSection,
    prepare_labelled_words,
)
from heygen_hf.tasks.text.row_lengths import cut_rows
from heygen_hf.tasks.text.text_model import TextModelSection, build_text_model, check_vocabulary
from heygen_hf.tasks.text.text_positions import check_length, most_positions
from heygen_hf.tasks.text.text_tokenizer import text_tokenizer
from heygen_hf.tasks.text.token_figures import measure_token_classifier
from heygen_hf.training import SupervisedTrainingArguments

_USAGE = """\
import heygen_hf.models
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForTokenClassification.from_pretrained(FOLDER).eval()
words = ["def", "open", "(", "path", ")", ":", "return", "open", "(", "path", ")"]
encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
with torch.no_grad():
    best = model(**encoded).logits[0].argmax(-1).tolist()
first_tokens = {word: place for place, word in reversed(list(enumerate(encoded.word_ids()))) if word is not None}
print([(word, model.config.id2label[best[first_tokens[number]]]) for number, word in enumerate(words)])
"""


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Words, tokenizer and labels; the model is built when the story asks for it."""
    data, section = recipe.data, dict(recipe.model or {})
    pretrained = section.get("pretrained")
    model_class = classifier_class(
        TextTransformerForTokenClassification, AutoModelForTokenClassification, pretrained, does="labels tokens"
    )
    words = prepare_labelled_words(data, seed=recipe.seed, exported=exported)
    tokenizer = text_tokenizer(data, words.training_words, exported=exported, pretrained=pretrained)
    if not tokenizer.is_fast:
        raise ValueError(
            f"the tokenizer {data.tokenizer or pretrained} cannot say which word a token is of; use one with a fast "
            "version (tokenizer.json)"
        )
    check_vocabulary(section, tokenizer)
    if is_main:
        used = {split: f"{len(rows):,} rows" for split, rows in words.splits.items()}
        print(f"labelled words: {', '.join(f'{split} {said}' for split, said in used.items())}")
        for split, report in words.reports.items():
            if report["num_without_words"]:
                print(f"{split}: {report['num_without_words']:,} rows without words are left out")
    places = None
    if model_class is not TextTransformerForTokenClassification:
        places = most_positions(model_class, pretrained)
        check_length(data.max_length, field="data.max_length", places=places, pretrained=pretrained)
    for split, rows in words.splits.items():
        most = data.max_length if split == "train" else places
        kept, cut = cut_rows(rows, tokenizer, max_length=most, split=split)
        words.reports[split] |= cut
        if split != "train":  # of which the collator cuts, and the baseline reads all
            words.splits[split] = kept
        if is_main and cut["num_rows_cut"]:
            print(
                f"{split}: {cut['num_rows_cut']:,} rows are longer than {most} tokens: {cut['num_words_cut']:,} of "
                f"{words.reports[split]['num_words']:,} words are cut off with their labels"
            )

    def collator(max_length: int | None) -> TextCollator:
        return TextCollator(
            tokenizer,
            objective="token_classification",
            max_length=max_length,
            text_column="words",
            label_column="labels",
        )

    def build_model() -> PreTrainedModel:
        return build_text_model(
            model_class,
            section,
            tokenizer=tokenizer,
            max_length=data.max_length,
            loading=base_loading_options(recipe.peft),
            is_causal=False,
            **config_of_classes(words.class_names),
        )

    return TaskParts(
        model_class=model_class,
        build_model=build_model,
        train_dataset=words.splits["train"],
        eval_dataset=words.splits["validation"],
        collate=collator(data.max_length),
        eval_collate=collator(places),
        processors=[tokenizer],
        measure=lambda model: measure_token_classifier(
            model,
            words.splits["test"],
            collate=collator(places),
            class_names=words.class_names,
            batch_size=recipe.evaluation.batch_size,
            training_rows=words.splits["train"] if recipe.evaluation.baseline else None,
            unit="files" if data.train == PYTHON_SOURCE else "groups" if data.group_column else "rows",
        ),
        compute_metrics=token_classification_metrics(words.class_names),
        preprocess_logits_for_metrics=best_classes,
        data_name=data.train,
        reports=words.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=words.note,
    )


TASK = ModelTask(name="token_classification", build=build, pipeline_tag="token-classification")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS = {
    "model": TextModelSection,
    "data": TokenDataSection,
    "training": SupervisedTrainingArguments,
    "evaluation": ClassifierEvaluationSection,
    "peft": PeftSection | None,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "plan", "run"]
