"""Regional compilation: the repeated blocks of a model and nothing around them."""

from torch import nn
from transformers import PreTrainedModel


def compile_blocks(model: PreTrainedModel) -> None:
    """Compile each repeated block in place: one compilation serves all of them, and names do not change."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.compile()
