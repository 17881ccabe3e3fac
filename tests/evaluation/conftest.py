"""Small labelled clips: bars of two colours that move two ways."""

import pytest
import torch

from heygen_hf.processing import VideoProcessor

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255)}
STEPS = {"left": -1, "right": 1}


class BarClips:
    """Items as a data set of clips gives them."""

    def __init__(self, count: int, seed: int, *, frames: int = 4, edge: int = 16):
        generator = torch.Generator().manual_seed(seed)
        self.items = []
        for index in range(count):
            colour = list(COLOURS)[index % 2]
            direction = list(STEPS)[index // 2 % 2]
            start = int(torch.randint(0, edge, (), generator=generator))
            clip = torch.zeros(frames, 3, edge, edge, dtype=torch.uint8)
            for frame in range(frames):
                column = (start + frame * STEPS[direction]) % edge
                clip[frame, :, :, column] = torch.tensor(COLOURS[colour], dtype=torch.uint8)[:, None]
            self.items.append({"frames": clip, "text": "a bar", "colour": colour, "direction": direction})

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        return self.items[index]


@pytest.fixture(scope="session")
def processor() -> VideoProcessor:
    return VideoProcessor(num_frames=4, height=16, width=16)


@pytest.fixture(scope="session")
def clips_class() -> type[BarClips]:
    return BarClips


@pytest.fixture(autouse=True)
def _fixed_and_restored_rng():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
