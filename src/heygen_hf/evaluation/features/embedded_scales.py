"""How the embedded network's scales were made: its statistics on drawn clips of shapes that move over backgrounds.

`python -m heygen_hf.evaluation.features.embedded_scales` makes the file beside this one again. A new file is a new
metric, and the hash in every result's provenance changes with it.
"""

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from heygen_hf.evaluation.features.embedded import EMBEDDED_SIZE, SCALES_FILE, embedded_network, stage_statistics

_FRAMES = 8


def drawn_clips(count: int, *, seed: int) -> torch.Tensor:
    """`(count, 8, 3, 64, 64)` in [0, 1]: soft discs and boxes in all colours, still or moving, over flat or cloudy
    backgrounds."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    size = EMBEDDED_SIZE
    axis = torch.linspace(0, 1, size)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    clips = []
    for _ in range(count):
        cells = int(2 ** torch.randint(0, 5, (), generator=generator))
        clouds = F.interpolate(uniform(1, 3, cells, cells), size=(size, size), mode="bilinear")[0]
        frames = (clouds * uniform(1)).repeat(_FRAMES, 1, 1, 1)
        for _ in range(int(torch.randint(1, 4, (), generator=generator))):
            colour, place, radius = uniform(3), uniform(2), 0.05 + 0.25 * uniform(1)
            velocity = (uniform(2) - 0.5) * 0.2 * float(uniform(1) > 0.25)
            is_disc, softness = bool(uniform(1) > 0.5), 0.01 + 0.05 * uniform(1)
            for number in range(_FRAMES):
                y, x = (place + number * velocity).tolist()
                far_y, far_x = rows - y, columns - x
                distance = (far_y**2 + far_x**2).sqrt() if is_disc else torch.maximum(far_y.abs(), far_x.abs())
                mask = ((radius - distance) / softness + 0.5).clamp(0, 1)
                frames[number] = frames[number] * (1 - mask) + colour[:, None, None] * mask
        clips.append(frames)
    return torch.stack(clips)


@torch.no_grad()
def measure_scales(*, count: int = 512, seed: int = 0) -> dict[str, torch.Tensor]:
    """Mean and deviation of each statistic, of clips and of single frames."""
    encoder = embedded_network()
    scales = {}
    clips = drawn_clips(count, seed=seed) * 2 - 1
    for kind, pixels in (("video", clips), ("image", clips[:, :1])):
        found = torch.cat(
            [stage_statistics(encoder, batch, of_images=kind == "image") for batch in pixels.split(32)]
        ).double()
        scales[f"{kind}_mean"] = found.mean(0).float()
        # a channel that is dead on drawn clips would blow up whatever wakes it
        deviation = found.std(0)
        scales[f"{kind}_deviation"] = deviation.clamp(min=float(deviation.median()) / 10).float()
    return scales


if __name__ == "__main__":
    save_file(measure_scales(), SCALES_FILE)
