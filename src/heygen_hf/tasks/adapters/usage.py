"""How the folder of an adapter is used, from how the folder of its task's model is."""

import re

_LOADING = re.compile(r"(\w+For\w+)\.from_pretrained\(FOLDER\)")


def usage_of_adapters(usage: str) -> str:
    """The lines of a card that load a model from `FOLDER` and use it, for a folder that holds an adapter instead.

    transformers' own classes load LoRA on a base that has the same labels; `load_adapters` loads every method, with the
    labels and in the bits that it was trained with.
    """
    return "from heygen_hf.tasks.adapters import load_adapters\n" + _LOADING.sub(r"load_adapters(\1, FOLDER)", usage)
