"""The tokenizer of a text task."""

from collections.abc import Callable, Iterable
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.data.text.tokenization import load_tokenizer
from heygen_hf.tasks.text.labelled_words import TokenDataSection
from heygen_hf.tasks.text.text_data import TextDataSection


def text_tokenizer(
    data: TextDataSection | TokenDataSection,
    training_texts: Callable[[], Iterable[str]],
    *,
    exported: Path | None = None,
    pretrained: str | None = None,
) -> PreTrainedTokenizerBase:
    """The tokenizer of a finished run, the one the recipe names, the pretrained model's, or one made from the text.

    Args:
        training_texts: called where a tokenizer is made.
        exported: a run's folder, whose tokenizer is then loaded instead of made anew.
        pretrained: `model.pretrained`, whose tokenizer is taken unless `data.tokenizer` names another.
    """
    if exported is not None:
        return AutoTokenizer.from_pretrained(exported)
    name = data.tokenizer or pretrained
    if name is not None:
        return load_tokenizer(name, ())
    return build_byte_pair_tokenizer(training_texts(), vocab_size_limit=data.vocab_size_limit)
