"""Whether a model of transformers keeps documents apart that are packed into one row."""

import torch
from transformers import PreTrainedModel

_TOKENS = 6  # of each of two documents


@torch.no_grad()
def check_packing(model: PreTrainedModel, *, named: str) -> None:
    """Two documents in one row, told apart by their positions alone: the second must not notice the first.

    Raises:
        ValueError: it does, or the model takes no positions.
    """
    vocabulary = model.get_input_embeddings().num_embeddings
    draw = torch.Generator().manual_seed(0)
    first, other, second = (torch.randint(vocabulary, (1, _TOKENS), generator=draw).to(model.device) for _ in range(3))
    places = torch.arange(_TOKENS, device=model.device)[None]
    was_training = model.training
    model.eval()
    try:
        alone = model(input_ids=second, position_ids=places, use_cache=False).logits.float()
        packed = [
            model(input_ids=torch.cat((before, second), dim=1), position_ids=places.repeat(1, 2), use_cache=False)
            .logits[:, _TOKENS:]
            .float()
            for before in (first, other)
        ]
    except (TypeError, ValueError):  # it has no such argument
        is_apart = False
    else:
        # What is masked changes nothing at all; a longer row may be added up in another order.
        size = alone.abs().max()
        rounding = 1e-4 if model.dtype == torch.float32 else 5e-2
        is_apart = bool(
            (packed[0] - packed[1]).abs().max() <= 1e-6 * size and (packed[0] - alone).abs().max() <= rounding * size
        )
    finally:
        model.train(was_training)
    if not is_apart:
        raise ValueError(
            f"{named} ({type(model).__name__}) cannot keep documents apart that share a row; set data.packing=none"
        )
