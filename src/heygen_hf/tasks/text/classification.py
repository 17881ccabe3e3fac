"""Text classification: labelled texts → tokenizer → model → accuracy and F1, beside TF-IDF with logistic regression."""

from pathlib import Path

from transformers import AutoModelForSequenceClassification, PreTrainedModel

from heygen_hf.data.text import TextCollator
from heygen_hf.data.text.documents import put_around
from heygen_hf.evaluation.text_metrics import classification_metrics
from heygen_hf.models.text_transformer import TextTransformerForSequenceClassification
from heygen_hf.tasks.adapters import PeftSection, base_loading_options
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text.class_labels import IGNORED, config_of_classes
from heygen_hf.tasks.text.classifier_class import classifier_class
from heygen_hf.tasks.text.classifier_evaluation import ClassifierEvaluationSection
from heygen_hf.tasks.text.labelled_texts import (
    ClassificationDataSection,
    note_on_texts,
    prepare_labelled_texts,
)
from heygen_hf.tasks.text.text_figures import measure_text_classifier, tfidf_baseline
from heygen_hf.tasks.text.text_model import TextModelSection, build_text_model, check_vocabulary
from heygen_hf.tasks.text.text_positions import check_length, most_positions
from heygen_hf.tasks.text.text_tokenizer import text_tokenizer
from heygen_hf.tasks.text.text_views import TextViews
from heygen_hf.training import SupervisedTrainingArguments

_USAGE = """\
import heygen_hf.models
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER).eval()
encoded = tokenizer("Return the number of days in a month.", return_tensors="pt")
with torch.no_grad():
    shares = model(**encoded).logits[0].softmax(-1)
best = shares.argmax().item()
print(model.config.id2label[best], shares[best].item())
"""


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Texts, tokenizer and labels; the model is built when the story asks for it."""
    data, section = recipe.data, dict(recipe.model or {})
    pretrained = section.get("pretrained")
    model_class = classifier_class(
        TextTransformerForSequenceClassification,
        AutoModelForSequenceClassification,
        pretrained,
        does="classifies texts",
    )
    labelled = prepare_labelled_texts(data, seed=recipe.seed, exported=exported)
    class_names = labelled.class_names
    tokenizer = text_tokenizer(data, lambda: labelled.texts["train"], exported=exported, pretrained=pretrained)
    check_vocabulary(section, tokenizer)
    if model_class is not TextTransformerForSequenceClassification:
        places = most_positions(model_class, pretrained)
        for name in ("max_length", "max_length_in_evaluation"):
            check_length(getattr(data, name), field=f"data.{name}", places=places, pretrained=pretrained)
    if is_main:
        for line in labelled.splits.left_out():
            print(line)
        used = ", ".join(f"{split} {len(texts):,}" for split, texts in labelled.texts.items())
        print(f"labelled texts: {used}, in {len(class_names)} classes")
    before, after = put_around(tokenizer)
    bodies = {
        split: tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        for split, texts in labelled.texts.items()
    }
    room = data.max_length_in_evaluation - len(before) - len(after)
    for split in ("validation", "test"):
        num_cut = sum(len(body) > room for body in bodies[split])
        labelled.splits.reports[split]["num_cut"] = num_cut
        if is_main and num_cut:
            print(
                f"{split}: of {num_cut:,} texts the end is cut off, after data.max_length_in_evaluation="
                f"{data.max_length_in_evaluation} tokens"
            )
    items = {
        split: [
            {"input_ids": [*before, *body[:room], *after], "label": label}
            for body, label in zip(bodies[split], labelled.labels[split], strict=True)
        ]
        for split in ("validation", "test")
    }
    counted = [number for number, label in enumerate(labelled.labels["train"]) if label != IGNORED]
    collate = TextCollator(tokenizer, objective="sequence_classification")

    def build_model() -> PreTrainedModel:
        return build_text_model(
            model_class,
            section,
            tokenizer=tokenizer,
            max_length=data.max_length_in_evaluation,
            loading=base_loading_options(recipe.peft),
            is_causal=False,
            problem_type="single_label_classification",
            **config_of_classes(class_names),
        )

    def measure(model: PreTrainedModel) -> list:
        texts, labels = labelled.texts, labelled.labels
        return measure_text_classifier(
            model,
            items["test"],
            collate=collate,
            class_names=class_names,
            training_labels=labels["train"],
            batch_size=recipe.evaluation.batch_size,
            baseline=tfidf_baseline(
                (texts["train"], labels["train"]), (texts["validation"], labels["validation"]), texts["test"]
            )
            if recipe.evaluation.baseline
            else None,
        )

    return TaskParts(
        model_class=model_class,
        build_model=build_model,
        train_dataset=TextViews(
            [bodies["train"][number] for number in counted],
            [labelled.labels["train"][number] for number in counted],
            before=before,
            after=after,
            max_length=data.max_length,
            crop_share=data.crop_share,
            token_dropout=data.token_dropout,
            seed=recipe.seed,
        ),
        eval_dataset=[item for item in items["validation"] if item["label"] != IGNORED],
        collate=collate,
        processors=[tokenizer],
        measure=measure,
        compute_metrics=classification_metrics(class_names),
        data_name=data.train,
        reports=labelled.splits.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=note_on_texts(data, labelled),
    )


TASK = ModelTask(name="text_classification", build=build, pipeline_tag="text-classification")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS = {
    "model": TextModelSection,
    "data": ClassificationDataSection,
    "training": SupervisedTrainingArguments,
    "evaluation": ClassifierEvaluationSection,
    "peft": PeftSection | None,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "plan", "run"]
