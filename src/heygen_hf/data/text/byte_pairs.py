"""A tokenizer of byte pairs (BPE), made from the training text: no text is unknown to it, and every text comes back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from heygen_hf.data.text.tokenization import PAD_TOKEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

START_TOKEN = "[BOS]"
END_TOKEN = "[EOS]"

_NUM_BYTES = 256


def build_byte_pair_tokenizer(
    texts: Iterable[str], *, vocab_size_limit: int = 4096, add_start: bool = True
) -> "PreTrainedTokenizerFast":
    """Make a byte-level BPE tokenizer (Sennrich et al. 2016, arXiv:1508.07909; bytes as in GPT-2).

    Case, spaces and line ends are kept, and decoding gives the text back. The same texts in the same order give the
    same vocabulary. "[EOS]" written in a text is five characters and not the end token.

    Args:
        texts: all of the training texts.
        vocab_size_limit: the most tokens the vocabulary may have; 259 are the bytes and the three special ones.
        add_start: put `[BOS]` before every text, so that a language model predicts its first token too.

    Returns:
        A tokenizer with `[PAD]` (0), `[BOS]` (1) and `[EOS]` (2), which pads on the right.

    Raises:
        ValueError: the limit leaves no room for the bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = [PAD_TOKEN, START_TOKEN, END_TOKEN]
    if vocab_size_limit < _NUM_BYTES + len(special):
        raise ValueError(
            f"vocab_size_limit is {vocab_size_limit}; expected at least {_NUM_BYTES + len(special)}, which holds every "
            "byte and the special tokens"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size_limit,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # half a surrogate, what is left of bytes that are not UTF-8, makes tokenizers raise
    tokenizer.train_from_iterator((text.encode("utf-8", "replace").decode("utf-8") for text in texts), trainer)
    if add_start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{START_TOKEN} $A",
            pair=f"{START_TOKEN} $A {START_TOKEN} $B",
            special_tokens=[(START_TOKEN, special.index(START_TOKEN))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        bos_token=START_TOKEN,
        eos_token=END_TOKEN,
        padding_side="right",
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
