"""PNG files, written by hand: up to a third faster than with FFmpeg, at the same size.

What takes time is zlib. Its strategy for runs, which FFmpeg does not ask for, looks for repeated
bytes only; after the filter "up" pictures of videos hold little else.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tabular_labels.model.pixels import Image

__all__ = ["encode_png"]

_MARK = b"\x89PNG\r\n\x1a\n"
_UP = 2
_COLOUR_TYPES = {1: 0, 3: 2}
_MEMORY_LEVEL = 9


def encode_png(image: Image) -> bytes:
    r"""Encode a picture without loss.

    Args:
        image: uint8 (height, width, 3) RGB or (height, width, 1).

    Examples:
        >>> encode_png(np.zeros((4, 6, 3), np.uint8))[:4]
        b'\x89PNG'

    Source:
        The PNG specification, third edition, sections 5 and 9.
    """
    height, width, channels = image.shape
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY_LEVEL, zlib.Z_RLE)
    packed = packer.compress(_filtered(image).data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    return b"".join((_MARK, *parts))


def _filtered(image: Image) -> Image:
    """Replace each row but the first by its difference to the row above, modulo 256."""
    rows = image.reshape(image.shape[0], -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
