"""Adapters put on a model: which of its weights train, and which stay."""

from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, PrefixTuningConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig, PreTrainedModel

from heygen_hf._optional import require
from heygen_hf.tasks.adapters.section import PeftSection

# Projections of attention and feed-forward in the text transformer, Llama and their like.
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# The ending of a class's name → peft's name of what it does. peft knows where the inputs of these begin, which a prefix
# needs, and that the heads of the classifiers are new and have to train.
_TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
}
_HEADS = ("lm_head", "classifier", "score")


def apply_adapters(model: PreTrainedModel, section: PeftSection) -> PeftModel:
    """The model with fresh adapters: nothing but they (and the head of a classifier) has gradients.

    For "qlora" a model that was not loaded with `base_loading_options(section)` is loaded again, in 4 bits.

    Raises:
        ValueError: the model is not pretrained, or the method does not fit it.
        ImportError: "qlora" without the extra `quantization`.
    """
    if not model.name_or_path:
        raise ValueError(
            f"peft.method={section.method} adapts a model that has learned something, and this one starts from random "
            "weights: set model.pretrained to a folder or a Hub name, or leave the peft section out."
        )
    task = next((task for ending, task in _TASKS.items() if type(model).__name__.endswith(ending)), None)
    if section.method == "prefix_tuning" and task is None:
        raise ValueError(
            f"peft.method=prefix_tuning puts keys and values before a text, and {type(model).__name__} is no language "
            "model and no classifier of texts or tokens: use lora."
        )
    if section.method == "qlora":
        model = _in_four_bits(model, section)
    try:
        return get_peft_model(model, _peft_config(model, section, task))
    except ValueError as error:  # peft's own: a layer that is not there, or one that it cannot adapt
        first_line = str(error).strip().splitlines()[0]
        raise ValueError(f"peft: {section.method} does not fit {type(model).__name__}: {first_line}") from error


def base_loading_options(section: PeftSection | None) -> dict[str, Any]:
    """What `from_pretrained` of the base needs: for "qlora" to be read in 4 bits at once, else nothing.

    Raises:
        ImportError: "qlora" without the extra `quantization`.
    """
    if section is None or section.method != "qlora":
        return {}
    require("bitsandbytes")
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=list(_HEADS),  # of 4 bits too, whatever it is called; a fresh head has to train
    )
    return {"quantization_config": quantization, "dtype": torch.bfloat16}


def _in_four_bits(model: PreTrainedModel, section: PeftSection) -> PreTrainedModel:
    options = base_loading_options(section)
    if not getattr(model, "is_loaded_in_4bit", False):
        config, attention = model.config, model.config._attn_implementation
        model = type(model).from_pretrained(model.name_or_path, config=config, **options)
        model.set_attn_implementation(attention)
    # Norms, embeddings and heads in float32; whether activations are checkpointed is the trainer's business.
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def _peft_config(model: PreTrainedModel, section: PeftSection, task: str | None) -> PeftConfig:
    if section.method == "prefix_tuning":
        return PrefixTuningConfig(task_type=task, num_virtual_tokens=section.num_virtual_tokens)
    return LoraConfig(
        task_type=task,
        r=section.r,
        lora_alpha=section.lora_alpha,
        lora_dropout=section.lora_dropout,
        target_modules=section.target_modules or _default_targets(model),
        modules_to_save=None if section.modules_to_save is None else list(section.modules_to_save),
    )


def _default_targets(model: PreTrainedModel) -> list[str] | str:
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return list(_PROJECTIONS) if names.issuperset(_PROJECTIONS) else "all-linear"
