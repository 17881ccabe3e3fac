"""The README that a rendered folder carries, a dataset card for the Hub at the same time."""

from typing import Any

from heygen_hf.data.moving_digits.clips import Motion
from heygen_hf.data.moving_digits.vocabulary import COLOURS, DIRECTIONS, Triple

_TEMPLATE = """\
---
license: cc-by-4.0
task_categories:
- text-to-video
pretty_name: Moving digits
---

# Moving digits

Clips of {num_frames} frames, {image_size}×{image_size} pixels, {frame_rate:g} frames per second: one coloured
handwritten digit of {digit_size}×{digit_size} pixels on black, moving at a constant speed of whole pixels and
{how_it_moves} Caption: `a {{colour}} {{digit}} moves {{direction}}`. Colours: {colours}. Directions:
{directions}.

| split | clips | scans | triples |
|---|---|---|---|
| `train/` | {num_train} | 80 % of each digit's | {num_seen} |
| `validation/` | {num_validation} | 10 % of each digit's | all 240 |
| `test/` | {num_test} | 10 % of each digit's | all 240 |

No scan is in two splits. {num_unseen} of the 240 (colour, digit, direction) triples are never in `train/`:
they test whether a model puts known words together in a new way. Every pair of words of theirs is in
`train/`. Validation and test hold both kinds.

`metadata.jsonl` in each folder: `file_name`, `text`, `colour`, `digit`, `direction`, `scan` (its number in
scikit-learn's `load_digits`). The `.mp4` files are lossless H.264 (RGB), which FFmpeg, VLC, mpv and Python
read.

Made by `heygen-hf data moving-digits` with `rendering.json`'s options; the same options (seed {seed}) give
the same files.

## Unseen triples

The same as `unseen_triples.json`:

| colour | digit | direction |
|---|---|---|
{unseen_rows}

## Source and licence

The digits are the test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak
(1998), UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, 1,797 scans as shipped with
scikit-learn, under the Creative Commons Attribution 4.0 International licence (CC BY 4.0). Changes:
up-sampled, coloured, set in motion. This set is under the same licence.
"""

_HOW_IT_MOVES: dict[Motion, str] = {
    "linear": "staying inside.",
    "bounce": "bouncing off the borders (motion: bounce). The direction named is its first.",
}


def folder_readme(options: dict[str, Any], unseen: list[Triple]) -> str:
    """The README of a set rendered with `options` (those of `render_moving_digits`)."""
    return _TEMPLATE.format(
        **options,
        how_it_moves=_HOW_IT_MOVES[options.get("motion", "linear")],
        colours=", ".join(COLOURS),
        directions=", ".join(DIRECTIONS),
        num_unseen=len(unseen),
        num_seen=240 - len(unseen),
        unseen_rows="\n".join(f"| {t.colour} | {t.digit} | {t.direction} |" for t in unseen),
    )
