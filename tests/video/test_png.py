"""PNG files of ours are read by other programs' decoders."""

import io

import numpy as np
import pytest

from tabular_labels.video.png import encode_png

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (31, 47, 3), (64, 5, 1), (2, 300, 3)])
@pytest.mark.parametrize("kind", ["noise", "flat", "ramp"])
def test_pillow_reads_what_was_written(shape: tuple[int, int, int], kind: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = {
        "noise": RNG.integers(0, 256, shape),
        "flat": np.full(shape, 200),
        "ramp": np.arange(np.prod(shape)).reshape(shape),
    }[kind].astype(np.uint8)
    read = pillow.open(io.BytesIO(encode_png(image)))
    read.load()
    assert read.mode == ("L" if shape[2] == 1 else "RGB")
    assert np.array_equal(np.asarray(read).reshape(shape), image)


def test_views_are_written_as_they_look() -> None:
    image = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    turned = image[::-1, ::2, ::-1]
    assert encode_png(turned) == encode_png(np.ascontiguousarray(turned))
