"""The README that a rendered folder carries, a dataset card for the Hub at the same time."""

from typing import Any

from heygen_hf.data.talking_faces.identities import ALL_IDENTITIES, EYES, FACE_SHAPES, HAIR_STYLES, HAIRS, SKINS
from heygen_hf.data.talking_faces.speech import Speech

_TEMPLATE = """\
---
task_categories:
- text-to-video
- image-to-video
pretty_name: Talking faces
---

# Talking faces

Clips of {num_frames} frames, {image_size}×{image_size} pixels, {frame_rate:g} frames per second, with sound at
{sampling_rate} samples per second: a drawn face speaks. Its mouth is open as far as the speech is loud around that
frame (root mean square under a Hann window of 0.16 s; every recording is brought to one level first). Blinks and
nods come now and then, whatever is said. Caption: `a face with {{hair}} hair speaks`.

| split | clips | identities | recordings |
|---|---|---|---|
{split_rows}

No identity and no recording is in two splits. An identity is one of the {num_faces} combinations of these words; with
some hundred identities, every word of an unseen one has been seen in training.

- skin: {skins}
- hair: {hairs}
- hair style: {hair_styles}
- eyes: {eyes}
- face shape: {face_shapes}

`metadata.jsonl` in each folder: `file_name`, `text`, `identity` (a number), `skin`, `hair`, `hair_style`, `eyes`,
`face_shape`, `recordings` (in the order they are heard; the last may be cut by the end of the clip) and
`mouth_openings` (for each frame, 0 to 1). The `.mp4` files are lossless H.264 (RGB) with AAC, which FFmpeg, VLC, mpv
and Python read.

## Speech

{about_speech}

`recordings.json` lists the recordings of each split, and those left out with the reason.

Made by `heygen-hf data talking-faces` with `rendering.json`'s options; the same options and recordings (seed {seed})
give the same files.
"""

_MADE_UP = """\
The sound is no real speech: syllables of a hiss and a vowel made up by a program, in words with pauses. It has the
rhythm and loudness of speech, and no meaning."""

_RECORDED = """\
{num_used} recordings given with `--speech-dir`, joined with pauses; {num_left_out} more are left out. Their own
licence holds for the sound of this set."""


def folder_readme(options: dict[str, Any], identities: dict[str, list[int]], speech: Speech) -> str:
    """The README of a set rendered with `options` (those of `render_talking_faces`)."""
    rows = [
        f"| `{split}/` | {options[f'num_{split}']} | {len(numbers)} | {len(speech.splits[split])} |"
        for split, numbers in identities.items()
    ]
    about_speech = _MADE_UP
    if options["speech"] != "synthetic":
        about_speech = _RECORDED.format(num_used=len(speech.recordings), num_left_out=len(speech.left_out))
    return _TEMPLATE.format(
        **options,
        split_rows="\n".join(rows),
        num_faces=f"{len(ALL_IDENTITIES):,}",
        skins=", ".join(SKINS),
        hairs=", ".join(HAIRS),
        hair_styles=", ".join(HAIR_STYLES),
        eyes=", ".join(EYES),
        face_shapes=", ".join(FACE_SHAPES),
        about_speech=about_speech,
    )
