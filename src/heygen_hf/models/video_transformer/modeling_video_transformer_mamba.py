"""Linear-time mixing of the video transformer's stream by transformers' Mamba-2 (Dao & Gu 2024, arXiv:2405.21060).

Shape legend: batch B, tokens of the stream N, width D.
"""

import math
from typing import NamedTuple

import torch
from transformers import Mamba2Config
from transformers import initialization as init
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

from heygen_hf.layers import StreamRows
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig

_STATE_SIZE, _HEAD_DIM, _CHUNK = 64, 64, 64


class ScanOrder(NamedTuple):
    """In which order a stream is scanned.

    Attributes:
        forward: position → token, `(B, N)`: padding, the caption, then row by row each row's sound and its video.
        backward: the same with the rows and their tokens last to first, the caption still in front.
        mask: 1 for tokens and 0 for padding in either order, `(B, N)`; None where there is no padding.
    """

    forward: torch.Tensor
    backward: torch.Tensor
    mask: torch.Tensor | None


def scan_order(stream: StreamRows, padding: torch.Tensor | None, *, batch: int, device: torch.device) -> ScanOrder:
    """The orders of a stream with padding `(B, N)`, False for padding.

    Padding comes first: a scan starts from nothing, and nothing that it forgets there is missed. Behind real tokens it
    would let their traces fade, the more the longer the batch's longest caption.
    """
    rows = stream.of_tokens(device=device)
    tokens = torch.arange(rows.shape[0], device=device)
    # A sort is stable, so that tokens of one row keep their order; the captions' -1 comes first.
    forward = torch.argsort(rows, stable=True)
    backward = torch.cat((forward[: stream.caption_tokens], forward[stream.caption_tokens :].flip(0)))
    if padding is None:
        return ScanOrder(forward.expand(batch, -1), backward.expand(batch, -1), None)
    at = tokens.expand(batch, -1)
    # Where the order has padding, move it to the front: captions are the same tokens in both orders.
    front = torch.argsort(torch.where(padding[:, forward], at, at - rows.shape[0]), dim=1)
    mask = torch.gather(padding[:, forward], 1, front)
    return ScanOrder(forward[front], backward[front], mask.long())


class VideoTransformerMamba(Mamba2Mixer):
    """A selective scan over the stream in place of attention, in one direction."""

    def __init__(self, config: VideoTransformerConfig, layer_idx: int) -> None:
        inner = 2 * config.hidden_size
        head_dim = math.gcd(_HEAD_DIM, inner)
        super().__init__(
            Mamba2Config(
                hidden_size=config.hidden_size,
                expand=2,
                head_dim=head_dim,
                num_heads=inner // head_dim,
                state_size=_STATE_SIZE,
                n_groups=1,
                chunk_size=_CHUNK,
                num_hidden_layers=1,
                layer_norm_epsilon=config.rms_norm_eps,
            ),
            layer_idx=0,
            initialize_mixer_weights=False,
        )
        # Every other block scans backwards, unless later frames must not speak to earlier ones.
        self.scans_backward = layer_idx % 2 == 1 and not config.is_causal_in_time

    def forward(self, hidden_states: torch.Tensor, order: ScanOrder) -> torch.Tensor:
        """`(B, N, D)` in and out, tokens in the stream's order."""
        index = (order.backward if self.scans_backward else order.forward)[..., None].expand_as(hidden_states)
        mixed = super().forward(torch.gather(hidden_states, 1, index), attention_mask=order.mask)
        return torch.zeros_like(mixed).scatter(1, index, mixed)


@torch.no_grad()
def init_scan(mixer: VideoTransformerMamba) -> None:
    """What the linear layers' initialisation leaves out; as transformers' own Mamba-2 does it."""
    mixer.init_mamba2_weights()  # decay rates 1, 2, 3, …; time steps from 0.001 to 0.1; a skip of 1
    init.kaiming_uniform_(mixer.conv1d.weight, a=math.sqrt(5))
    init.zeros_(mixer.conv1d.bias)
