"""Keys and values of earlier rows of a video, for models that are causal in time.

Shape legend: batch B.
"""

import torch
from transformers import DynamicCache


class VideoTransformerCache(DynamicCache):
    """transformers' `DynamicCache` that knows which time row of the token grid each cached token is of.

    Filled by `VideoTransformerModel.forward(..., past_key_values=cache, use_cache=True)` with the caption's tokens and
    the rows passed, and only read with `use_cache=False`. With a window, rows that no later row attends to are dropped.

    Attributes:
        batch: samples, None while empty.
        num_rows: rows seen so far, dropped ones included: the position of the next.
        token_rows: the row of each cached token, `(cached tokens,)`, -1 for the caption's; None while empty.
        padding: bool `(B, cached tokens)`, False for padding; None where there is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_rows = 0
        self.batch: int | None = None
        self.token_rows: torch.Tensor | None = None
        self.padding: torch.Tensor | None = None
        self.has_caption = False

    def extend(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *, store: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cached keys and values `(B, heads, tokens, head_dim)` of a layer with new ones behind them."""
        if store:
            return self.update(key, value, layer_idx)
        if layer_idx >= len(self.layers) or not self.layers[layer_idx].get_seq_length():
            return key, value
        layer = self.layers[layer_idx]
        return torch.cat((layer.keys, key), dim=2), torch.cat((layer.values, value), dim=2)

    def join_padding(self, padding: torch.Tensor | None, *, batch: int, tokens: int) -> torch.Tensor | None:
        """The padding of the cached tokens and `tokens` new ones, `(B, cached tokens + tokens)`."""
        cached = 0 if self.token_rows is None else self.token_rows.shape[0]
        if not cached or (padding is None and self.padding is None):
            return padding
        device = self.token_rows.device
        before = torch.ones(batch, cached, dtype=torch.bool, device=device) if self.padding is None else self.padding
        new = torch.ones(batch, tokens, dtype=torch.bool, device=device) if padding is None else padding
        return torch.cat((before, new), dim=1)

    def note(
        self,
        token_rows: torch.Tensor,
        padding: torch.Tensor | None,
        *,
        batch: int,
        num_rows: int,
        has_caption: bool,
    ) -> None:
        """Say what the tokens just stored are: their rows, and the padding of all that is cached now."""
        self.batch = batch
        self.token_rows = token_rows if self.token_rows is None else torch.cat((self.token_rows, token_rows))
        self.padding = padding
        self.num_rows += num_rows
        self.has_caption = self.has_caption or has_caption

    def drop_rows_before(self, row: int) -> None:
        """Forget tokens of rows before `row`; the caption's stay."""
        if self.token_rows is not None:
            self._keep((self.token_rows >= row) | (self.token_rows < 0))

    def drop_caption(self) -> None:
        """Forget the caption's tokens, so that the next pass brings its own."""
        if self.token_rows is not None:
            self._keep(self.token_rows >= 0)
        self.has_caption = False

    def _keep(self, kept: torch.Tensor) -> None:
        if bool(kept.all()):
            return
        index = kept.nonzero().flatten()
        self.token_rows = self.token_rows[index]
        if self.padding is not None:
            self.padding = self.padding[:, index]
            if bool(self.padding.all()):
                self.padding = None
        for layer in self.layers:
            if not layer.is_initialized:  # a layer that was left out of every pass
                continue
            layer.keys, layer.values = layer.keys[:, :, index], layer.values[:, :, index]
