"""It learns: alone, in a plain Trainer that is stopped and resumed, with adapters, and as a caption encoder."""

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from transformers import Trainer, TrainingArguments

from heygen_hf.models.text_transformer import (
    TextTransformerConfig,
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerModel,
)
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration

TEXT = "the quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize("tied", [True, False])
def test_memorises_a_text_and_continues_it(tied) -> None:
    config = TextTransformerConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, tie_word_embeddings=tied
    )
    model = TextTransformerForCausalLM(config).train()
    ids = torch.tensor([list(TEXT.encode())])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.1
    prompt = ids[:, :10]
    continued = model.eval().generate(prompt, max_new_tokens=ids.shape[1] - 10, do_sample=False, pad_token_id=0)
    assert bytes(continued[0].tolist()).decode() == TEXT


class Texts(torch.utils.data.Dataset):
    """Sixteen short texts of one pattern: each token is the one before plus a step."""

    def __init__(self, *, classes: bool = False) -> None:
        self.classes = classes

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = (torch.arange(6) * (1 + index % 2) + index) % 23 + 1
        return {"input_ids": ids, "labels": torch.tensor(index % 2) if self.classes else ids}


def arguments(folder, **options: object) -> TrainingArguments:
    values = {
        "output_dir": str(folder),
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
    }
    return TrainingArguments(**(values | options))


@pytest.mark.parametrize("head", ["language model", "classifier"])
def test_a_plain_trainer_trains_and_resumes_exactly(tiny_config, tmp_path, head) -> None:
    model_class = TextTransformerForCausalLM if head == "language model" else TextTransformerForSequenceClassification

    def trainer(folder, **options):
        torch.manual_seed(0)
        model = model_class(tiny_config(num_labels=2, hidden_dropout=0.1))
        data = Texts(classes=head == "classifier")
        return Trainer(model, arguments(folder, **options), train_dataset=data, eval_dataset=data)

    straight = trainer(tmp_path / "straight")
    straight.train()
    assert straight.evaluate()["eval_loss"] < trainer(tmp_path / "untrained").evaluate()["eval_loss"]

    stopped = trainer(tmp_path / "stopped", max_steps=4, save_strategy="steps", save_steps=4)
    stopped.train()
    resumed = trainer(tmp_path / "stopped")
    resumed.train(resume_from_checkpoint=str(tmp_path / "stopped" / "checkpoint-4"))
    assert resumed.state.global_step == 8
    for (name, weight), other in zip(straight.model.named_parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(weight, other), name


@pytest.mark.parametrize("model_class", [TextTransformerForCausalLM, TextTransformerForSequenceClassification])
def test_accumulated_parts_equal_the_whole_batch(tiny_config, tmp_path, model_class) -> None:
    weights = []
    for size, parts in ((4, 1), (2, 2)):
        torch.manual_seed(0)
        model = model_class(tiny_config(num_labels=2))
        data = Texts(classes=model_class is TextTransformerForSequenceClassification)
        options = arguments(
            tmp_path, per_device_train_batch_size=size, gradient_accumulation_steps=parts, max_steps=3, optim="sgd"
        )
        Trainer(model, options, train_dataset=data).train()
        weights.append(torch.cat([weight.flatten() for weight in model.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("adapter", ["lora", "prefix"])
def test_adapters_train_alone_and_generate(tiny_config, tmp_path, adapter) -> None:
    options = (
        LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
        if adapter == "lora"
        else PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    )
    torch.manual_seed(0)
    base = TextTransformerForCausalLM(tiny_config())
    with torch.no_grad():
        for weight in base.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    kept = {name: weight.clone() for name, weight in base.named_parameters()}
    model = get_peft_model(base, options).train()
    ids = torch.stack([Texts()[index]["input_ids"] for index in range(4)])
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=3e-2)
    losses = []
    for _ in range(15):
        loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    now = {name.replace(".base_layer", ""): weight for name, weight in base.named_parameters() if "lora" not in name}
    assert kept.keys() == now.keys()
    assert all(torch.equal(now[name], weight) for name, weight in kept.items())
    model.eval()
    runs = [
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False)
        for _ in range(2)
    ]
    assert runs[0].shape == (4, 11)
    model.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".json", ".md"}


@pytest.mark.parametrize("is_causal", [True, False])
def test_captions_reach_a_video_generator(scrambled, token_ids, is_causal) -> None:
    encoder = scrambled(TextTransformerModel, is_causal=is_causal)
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        caption_hidden_size=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=(2, 4, 4),
        timestep_embedding_size=16,
        condition_dropout=0.0,
    )
    generator = VideoTransformerForVideoGeneration(config)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    captions = encoder(token_ids(2, 4), attention_mask=mask).last_hidden_state
    loss = generator(torch.randn(2, 2, 3, 8, 8), encoder_hidden_states=captions, attention_mask=mask).loss
    loss.backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_trains_and_generates(scrambled, token_ids, dtype) -> None:
    model, ids = scrambled(TextTransformerForCausalLM).to(dtype), token_ids(2, 6)
    loss = model(ids, labels=ids).loss
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    assert model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3).shape == (2, 9)


def test_dropout_acts_in_training_only(scrambled, token_ids) -> None:
    model = scrambled(TextTransformerModel, hidden_dropout=0.3, attention_dropout=0.3)
    ids = token_ids(1, 6)
    assert torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)
    model.train()
    assert not torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)
