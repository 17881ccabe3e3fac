"""A small tokenizer made from the captions themselves, or any other by name."""

import re
import string
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD_TOKEN = "[PAD]"
UNKNOWN_TOKEN = "[UNK]"

_CONTINUES = "##"
_ALWAYS_KNOWN = string.ascii_lowercase + string.digits + string.punctuation
_LONGEST_WORD = 1000  # a longer run of letters becomes one unknown


def build_tokenizer(captions: Iterable[str], *, vocab_size_limit: int = 8192) -> "PreTrainedTokenizerFast":
    """Make a word-level tokenizer with a character fallback.

    Captions are lower-cased and split at spaces and punctuation. Every word is a token of its own, the most
    frequent first if there are too many; a word that is not in the vocabulary becomes its longest known
    beginnings, down to single characters, the later ones marked `##`. A character that no caption has (and
    that is not ASCII) is the only thing that becomes `[UNK]`. The same captions, in any order, give the same
    vocabulary.

    Args:
        captions: all of the training captions.
        vocab_size_limit: the most tokens the vocabulary may have.

    Returns:
        A tokenizer with `[PAD]` (0) and `[UNK]` (1), which pads on the right and adds nothing to a caption.

    Raises:
        ValueError: the limit leaves no room for the characters.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    split_words = pre_tokenizers.BertPreTokenizer()
    word_counts: Counter[str] = Counter()
    for caption, count in Counter(captions).items():
        for word, _ in split_words.pre_tokenize_str(normalizer.normalize_str(caption)):
            word_counts[word] += count

    character_counts: Counter[str] = Counter(dict.fromkeys(_ALWAYS_KNOWN, 0))
    for word, count in word_counts.items():
        for character in word:
            character_counts[character] += count
    room = (vocab_size_limit - 2) // 2  # each character twice: at the start of a word and inside one
    if room < len(_ALWAYS_KNOWN):
        raise ValueError(
            f"vocab_size_limit is {vocab_size_limit}; expected at least {2 * len(_ALWAYS_KNOWN) + 2}, which "
            "holds the ASCII characters"
        )
    others = [character for character in _by_count(character_counts) if character not in _ALWAYS_KNOWN]
    characters = sorted({*_ALWAYS_KNOWN, *others[: room - len(_ALWAYS_KNOWN)]})

    tokens = [PAD_TOKEN, UNKNOWN_TOKEN, *characters, *(_CONTINUES + character for character in characters)]
    known = set(tokens)
    words = [word for word in _by_count(word_counts) if word not in known]
    tokens += words[: vocab_size_limit - len(tokens)]

    tokenizer = Tokenizer(
        models.WordPiece(
            vocab={token: number for number, token in enumerate(tokens)},
            unk_token=UNKNOWN_TOKEN,
            continuing_subword_prefix=_CONTINUES,
            max_input_chars_per_word=_LONGEST_WORD,
        )
    )
    tokenizer.normalizer = normalizer
    # An unknown character stands alone, or it would turn all of its word into [UNK].
    unknown_character = Regex(f"[^{''.join(re.escape(character) for character in characters)}]")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split_words, pre_tokenizers.Split(unknown_character, behavior="isolated")]
    )
    tokenizer.decoder = decoders.WordPiece(prefix=_CONTINUES)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNKNOWN_TOKEN,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def _by_count(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda token: (-counts[token], token))


def load_tokenizer(name_or_path: str | None, captions: Iterable[str]) -> "PreTrainedTokenizerBase":
    """A tokenizer of the Hub or a folder by name, or the one made from the captions (`None`).

    Raises:
        ValueError: it cannot be loaded, or has neither a padding nor an end token to pad with.
    """
    if name_or_path is None:
        return build_tokenizer(captions)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ValueError(
            f"no tokenizer loads from {name_or_path!r} ({first_line}); give a folder or a Hub name, or leave "
            "it out to make one from the captions"
        ) from error
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(
                f"the tokenizer {name_or_path!r} has no padding token; set its pad_token and save it again"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
