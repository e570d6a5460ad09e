"""Generated videos whose pictures say which frame they are."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

BITS = 12
BLOCK = 16
Picture = npt.NDArray[np.uint8]


def draw_number(number: int, *, height: int = 64) -> Picture:
    """Draw a number as black and white blocks on a background that changes."""
    image = np.full((height, BITS * BLOCK, 3), 60 + number % 120, np.uint8)
    for bit in range(BITS):
        value = 235 if number >> bit & 1 else 16
        image[: height // 2, bit * BLOCK : (bit + 1) * BLOCK] = value
    return image


def read_number(image: Picture) -> int:
    """Read the number that `draw_number` drew."""
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    row = image[4 : image.shape[0] // 2 - 4].mean(axis=(0, 2))
    bits = row.reshape(BITS, BLOCK)[:, 4:-4].mean(axis=1) > 128
    return int((bits * 2 ** np.arange(BITS)).sum())


def numbered(n_frames: int) -> Iterator[Picture]:
    return (draw_number(k) for k in range(n_frames))


def encode(
    path: Path,
    n_frames: int,
    codec: str = "libx264",
    *,
    times: list[int] | None = None,
    pictures: Iterator[Picture] | None = None,
    **options: Any,
) -> Path:
    """Encode numbered pictures as asked; times are in thirtieths of a second."""
    spelled = {
        k if k == "sc_threshold" else k.replace("_", "-"): str(v) for k, v in options.items()
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=spelled)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = BITS * BLOCK, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 30)
        for k, image in enumerate(pictures or numbered(n_frames)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times[k] if times else k
            frame.time_base = Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
