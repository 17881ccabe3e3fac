"""From a decoded frame to upright RGB pixels: those that torchcodec gives, bit for bit.

Both hand the frame's own colour matrix (BT.601 where it names none, 709, 2020 …) and range to FFmpeg's converter.
High dynamic range (PQ, HLG) is converted with the right matrix to 8 bits and not tone-mapped: it looks flat.
Transparency is dropped, showing the colours beneath it.
"""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import av

# where the converter has a fast routine, whose result does not depend on where chroma samples are sited
_FAST_FORMATS = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "gbrp", "rgb24", "bgr24", "bgr0", "rgba", "bgra", "pal8"}


class RgbConverter:
    """Converts the frames of one stream; keeps the converter set up between them."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._graphs: dict[tuple, Any] = {}

    def __call__(self, frame: "av.VideoFrame") -> torch.Tensor:
        """uint8 `(height, width, 3)`, upright."""
        if frame.format.name in _FAST_FORMATS and frame.width % 2 == 0 and frame.height % 2 == 0:
            rgb = self._reformatter.reformat(frame, format="rgb24", threads=1)
        else:
            rgb = self._filtered(frame)
        plane = rgb.planes[0]
        shape, strides = (rgb.height, rgb.width, 3), (plane.line_size, 3, 1)  # lines may end in padding
        return upright(torch.frombuffer(plane, dtype=torch.uint8).as_strided(shape, strides), frame.rotation)

    def _filtered(self, frame: "av.VideoFrame") -> "av.VideoFrame":
        import av.filter

        kind = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        if kind not in self._graphs:
            graph = av.filter.Graph()
            graph.threads = 1
            nodes = [
                graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
                ),
                graph.add("scale", "flags=bicubic"),
                graph.add("format", "rgb24"),
                graph.add("buffersink"),
            ]
            graph.link_nodes(*nodes)
            graph.configure()
            self._graphs[kind] = graph
        self._graphs[kind].push(frame)
        return self._graphs[kind].pull()


def upright(pixels: torch.Tensor, rotation_degrees: int) -> torch.Tensor:
    """Turn `(height, width, channels)` as the container's display matrix asks, counter-clockwise."""
    quarter_turns = round(rotation_degrees / 90) % 4
    return torch.rot90(pixels, quarter_turns, (0, 1)) if quarter_turns else pixels


def is_turned(rotation_degrees: int) -> bool:
    """Whether height and width change places."""
    return round(rotation_degrees / 90) % 2 == 1
