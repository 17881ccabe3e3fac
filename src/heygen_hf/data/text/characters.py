"""A tokenizer of single characters: no word is unknown to it, and every text comes back as it was."""

import string
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from heygen_hf.data.text.tokenization import PAD_TOKEN, UNKNOWN_TOKEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END_TOKEN = "[EOS]"

_ALWAYS_KNOWN = string.ascii_letters + string.digits + string.punctuation + " \n\t"


def build_character_tokenizer(texts: Iterable[str], *, vocab_size_limit: int = 8192) -> "PreTrainedTokenizerFast":
    """Make a tokenizer with one token a character, case and spaces kept; decoding gives the text back.

    Known are the characters of the texts, the most frequent ones if there are too many, and ASCII; any other
    becomes `[UNK]`. The same texts, in any order, give the same vocabulary. "[EOS]" written in a text is five
    characters and not the end token.

    Args:
        texts: all of the training texts.
        vocab_size_limit: the most tokens the vocabulary may have.

    Returns:
        A tokenizer with `[PAD]` (0), `[UNK]` (1) and `[EOS]` (2, for whoever wants an end of text), which pads on
        the right and adds nothing to a text.

    Raises:
        ValueError: the limit leaves no room for ASCII.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [PAD_TOKEN, UNKNOWN_TOKEN, END_TOKEN]
    room = vocab_size_limit - len(special) - len(_ALWAYS_KNOWN)
    if room < 0:
        raise ValueError(
            f"vocab_size_limit is {vocab_size_limit}; expected at least {len(special) + len(_ALWAYS_KNOWN)}, which "
            "holds the ASCII characters"
        )
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    # a lone surrogate, what is left of bytes that are not UTF-8, is no character and cannot be written to a file
    others = [character for character in counts if character not in _ALWAYS_KNOWN and not _is_surrogate(character)]
    others.sort(key=lambda character: (-counts[character], character))
    tokens = [*special, *sorted({*_ALWAYS_KNOWN, *others[:room]})]

    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, UNKNOWN_TOKEN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNKNOWN_TOKEN,
        eos_token=END_TOKEN,
        padding_side="right",
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
