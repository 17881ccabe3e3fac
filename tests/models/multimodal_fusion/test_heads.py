"""The heads learn what they are for, and say it in words."""

import pytest
import torch
from tiny_fusion import build_config, decoder_config
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, Trainer, TrainingArguments

from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionForContrastiveLearning,
    MultimodalFusionForQuestionAnswering,
)

WORDS = ["[PAD]", "[EOS]", "[UNK]", "red", "blue", "up", "down", "bright", "dark", "a", "which", "colour", "shade"]


@pytest.fixture(scope="module")
def tokenizer():
    words = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]")


def _clips() -> tuple[torch.Tensor, list[str], torch.Tensor]:
    """Eight clips: colour, where the light is, how bright; their captions; the three as class numbers."""
    clips, captions, classes = [], [], []
    for number in range(8):
        colour, place, shade = number & 1, number >> 1 & 1, number >> 2
        clip = torch.zeros(4, 3, 16, 16)
        clip[:, 2 * colour, 8 * place : 8 * place + 8] = 2.0 if shade == 0 else 0.7
        clips.append(clip)
        captions.append(f"a {('bright', 'dark')[shade]} {('red', 'blue')[colour]} {('up', 'down')[place]}")
        classes.append([colour, place, shade])
    return torch.stack(clips), captions, torch.tensor(classes)


def _train(model: torch.nn.Module, steps: int, learning_rate: float = 5e-3, **inputs: torch.Tensor) -> float:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=learning_rate)
    # To zero at the end, so that the batch norms' statistics catch up with the weights.
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    for _ in range(steps):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
    return loss.item()


@pytest.mark.parametrize(
    ("fusion", "contrastive_loss"), [("early", "softmax"), ("late", "sigmoid"), ("hybrid", "softmax")]
)
def test_contrastive_learning_finds_every_pair(tokenizer, fusion, contrastive_loss):
    torch.manual_seed(0)
    pixels, captions, _ = _clips()
    config = build_config(
        audio_config=None, fusion=fusion, contrastive_loss=contrastive_loss, num_hidden_layers=1, fusion_layers=[0]
    )
    model = MultimodalFusionForContrastiveLearning(config)
    texts = tokenizer(captions, return_tensors="pt", padding=True, return_token_type_ids=False)
    _train(model, 80, pixel_values=pixels, **texts)
    with torch.no_grad():
        similarity = model.get_text_features(**texts) @ model.get_video_features(pixels).T
    assert similarity.argmax(0).tolist() == similarity.argmax(1).tolist() == list(range(8))
    chosen = model.zero_shot(captions, tokenizer=tokenizer, pixel_values=pixels).argmax(-1)
    assert chosen.tolist() == list(range(8))
    # A label can be what several texts share.
    groups = [[c for c in captions if colour in c] for colour in ("red", "blue")]
    reds = model.get_text_features(**texts)[::2].mean(0)
    labels = model.label_features(groups, tokenizer=tokenizer, batch_size=3)
    torch.testing.assert_close(labels[0], torch.nn.functional.normalize(reds, dim=-1), atol=1e-5, rtol=1e-5)


def test_equal_texts_are_each_others_positives(tokenizer, scrambled):
    pixels, _, _ = _clips()
    # (The softmax loss of texts that are equal to the last bit is the same either way.)
    model = scrambled(MultimodalFusionForContrastiveLearning, audio_config=None, contrastive_loss="sigmoid")
    texts = tokenizer(["a red", "a red up", "a red", "a blue"], return_tensors="pt", padding=True)
    inputs = {"input_ids": texts["input_ids"], "attention_mask": texts["attention_mask"], "pixel_values": pixels[:4]}
    grouped = model(**inputs).loss
    assert torch.equal(grouped, model(**inputs, group_ids=torch.tensor([7, 1, 7, 2])).loss)
    assert not torch.equal(grouped, model(**inputs, group_ids=torch.arange(4)).loss)


@pytest.mark.parametrize("options", [{"fusion": "late"}, {"fusion": "hybrid", "classification_loss": "focal"}])
def test_classification_learns_several_columns(tokenizer, options):
    """The shade is told by the text alone, so that both modalities are needed."""
    torch.manual_seed(0)
    pixels, captions, classes = _clips()
    pixels = pixels.clamp(max=0.7)
    texts = tokenizer([c.split()[1] for c in captions], return_tensors="pt", return_token_type_ids=False)
    columns = {"colour": ["red", "blue"], "place": ["up", "down"], "shade": ["bright", "dark"]}
    model = MultimodalFusionForClassification(
        build_config(audio_config=None, label_columns=columns, num_hidden_layers=1, fusion_layers=[0], **options)
    )
    assert model.config.num_labels == 6
    assert model.config.id2label[5] == "shade=dark"
    _train(model, 60, pixel_values=pixels, labels=classes, **texts)
    logits = model(pixel_values=pixels, **texts).logits
    names = model.class_names(logits)
    assert [[columns[column].index(row[column]) for column in columns] for row in names] == classes.tolist()
    # One that the loss skips, and a column without any
    some = classes.clone()
    some[0, 0], some[:, 1] = -100, -100
    losses = [model(pixel_values=pixels, **texts, labels=each).loss for each in (some, classes)]
    assert 0 < losses[0] != losses[1]


def test_class_ids_are_labels(scrambled, inputs):
    model = scrambled(MultimodalFusionForClassification)
    labels = torch.tensor([0, 2, 1])
    assert torch.equal(model(**inputs, class_ids=labels).loss, model(**inputs, labels=labels).loss)


def test_captions_are_learned_and_written(tokenizer):
    torch.manual_seed(0)
    pixels, captions, _ = _clips()
    config = build_config(
        text_config=None, audio_config=None, num_hidden_layers=1, fusion_layers=[0], decoder_config=decoder_config()
    )
    model = MultimodalFusionForCaptioning(config)
    labels = tokenizer([f"{caption} [EOS]" for caption in captions], return_tensors="pt")["input_ids"]
    assert _train(model, 70, pixel_values=pixels, labels=labels) < 0.1
    written = model.generate(pixel_values=pixels, max_new_tokens=8)
    assert tokenizer.batch_decode(written, skip_special_tokens=True) == captions
    beams = model.generate(pixel_values=pixels, max_new_tokens=8, num_beams=3)
    assert tokenizer.batch_decode(beams, skip_special_tokens=True) == captions


def test_generation_is_what_the_loss_trains(scrambled, inputs):
    """With and without cache, and with padding between the modalities, the greedy token is the logits' largest."""
    model = scrambled(MultimodalFusionForCaptioning, decoder_config=decoder_config(eos_token_id=None))
    cached = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert cached.shape == (3, 5)
    assert torch.equal(cached, model.generate(**inputs, max_new_tokens=5, do_sample=False, use_cache=False))
    with torch.no_grad():
        assert torch.equal(model(**inputs, labels=cached).logits.argmax(-1), cached)
    sampled = model.generate(**inputs, max_new_tokens=5, do_sample=True, num_return_sequences=2)
    assert sampled.shape == (6, 5)


@pytest.mark.parametrize("answer_by", ["classification", "generation"])
def test_questions_are_answered(tokenizer, answer_by):
    torch.manual_seed(0)
    pixels, _, _ = _clips()
    questions = tokenizer(["which colour", "which shade"] * 4, return_tensors="pt", return_token_type_ids=False)
    pixels = pixels[[0, 1, 1, 4, 0, 5, 1, 7]]  # colours and shades that the questions ask for
    answers = ["red", "bright", "blue", "dark", "red", "dark", "blue", "dark"]
    names = ["red", "blue", "bright", "dark"]
    config = build_config(
        audio_config=None, num_hidden_layers=1, fusion_layers=[0], decoder_config=decoder_config(),
        answer_by=answer_by, id2label=dict(enumerate(names)), num_labels=4,
    )  # fmt: skip
    model = MultimodalFusionForQuestionAnswering(config)
    if answer_by == "classification":
        labels = torch.tensor([names.index(answer) for answer in answers])
    else:
        labels = tokenizer([f"{answer} [EOS]" for answer in answers], return_tensors="pt")["input_ids"]
    _train(model, 60, pixel_values=pixels, labels=labels, **questions)
    assert model.answer(tokenizer=tokenizer, pixel_values=pixels, **questions) == answers


@pytest.mark.parametrize("name", ["labels", "class_ids"])
def test_plain_trainer(tmp_path, name):
    pixels, _, classes = _clips()
    data = [{"pixel_values": pixels[i], name: classes[i, 0]} for i in range(8)]
    model = MultimodalFusionForClassification(build_config(text_config=None, audio_config=None, num_labels=2))
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        eval_strategy="steps", eval_steps=2, label_names=None if name == "labels" else [name], save_strategy="no",
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=data, eval_dataset=data)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0
