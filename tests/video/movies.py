"""Generated videos whose pictures say which frame they are."""

from collections.abc import Callable, Iterator
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
    container_options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    pictures: Iterator[Picture] | None = None,
    **options: Any,
) -> Path:
    """Encode numbered pictures as asked; times are in thirtieths of a second."""
    spelled = {
        k if k == "sc_threshold" else k.replace("_", "-"): str(v) for k, v in options.items()
    }
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=spelled)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = BITS * BLOCK, 64, pix_fmt
        stream.codec_context.time_base = Fraction(1, 30)
        for k, image in enumerate(pictures or numbered(n_frames)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times[k] if times else k
            frame.time_base = Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut_by_edit_list(path: Path, n_cut: int) -> Path:
    """Let an MP4 file begin some frames later, by changing its edit list only."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
    ticks = min(p.duration or 0 for p in packets)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 16  # where the shown part begins
    begin = int.from_bytes(data[at : at + 4], "big") + n_cut * ticks
    data[at : at + 4] = begin.to_bytes(4, "big")
    path.write_bytes(data)
    return path


def cut_before_a_key_frame(path: Path, source: Path, n_cut: int) -> Path:
    """Drop the first packets of a transport stream, but not the tables before them."""
    data = source.read_bytes()
    with av.open(str(source)) as container:
        position = [p.pos for p in container.demux(video=0) if p.size][n_cut]
    assert position is not None
    path.write_bytes(data[: 188 * 3] + data[position - position % 188 :])
    return path


N_FRAMES = 64
UNEVEN = [k * 2 + (k % 5 == 0) + 40 * (k > 50) for k in range(N_FRAMES)]
DROPPED = [k + k // 7 * 3 + k // 20 * 30 for k in range(N_FRAMES)]
LATE = [k + 1000 for k in range(N_FRAMES)]
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def _variants() -> dict[str, Callable[[Path], Path]]:
    """Name what containers and encoders do to time; each makes a file in a folder."""
    n = N_FRAMES
    h264: dict[str, Any] = {"bf": 3, "g": 20}
    mpeg4: dict[str, Any] = {"g": 20, "qscale": 3}
    webm: dict[str, Any] = {"g": 30, "b": 400_000}
    vp9 = {**webm, "cpu_used": 8, "deadline": "realtime"}
    return {
        "plain": lambda d: encode(d / "a.mp4", n, bf=0, g=12),
        "b-frames": lambda d: encode(d / "a.mp4", n, bf=3, g=30),
        "one key frame": lambda d: encode(d / "a.mp4", n, bf=3, g=1000),
        "open groups": lambda d: encode(d / "a.mp4", n, bf=3, g=10, x264_params="open-gop=1"),
        "references to b-frames": lambda d: encode(d / "a.mp4", n, bf=7, g=40, b_pyramid="normal"),
        "key frames only": lambda d: encode(d / "a.mp4", n, g=1),
        "variable rate": lambda d: encode(d / "a.mp4", n, times=UNEVEN, **h264),
        "dropped frames": lambda d: encode(d / "a.mp4", n, times=DROPPED, **h264),
        "late start": lambda d: encode(d / "a.mp4", n, times=LATE, **h264),
        "edit list": lambda d: cut_by_edit_list(encode(d / "a.mp4", n + 3, bf=2, g=20), 3),
        "long edit list": lambda d: cut_by_edit_list(encode(d / "a.mp4", n + 25, bf=2, g=20), 25),
        "fragments": lambda d: encode(d / "a.mp4", n, container_options=FRAGMENTS, **h264),
        "full chroma": lambda d: encode(d / "a.mp4", n, pix_fmt="yuv444p", **h264),
        "hevc": lambda d: encode(d / "a.mp4", n, "libx265", g=20, x265_params="log-level=none"),
        "hevc, open groups": lambda d: encode(
            d / "a.mkv", n, "libx265", g=16, x265_params="open-gop=1:log-level=none"
        ),
        "mov": lambda d: encode(d / "a.mov", n, **h264),
        "mov, late and uneven": lambda d: encode(
            d / "a.mov", n, times=[t + 500 for t in UNEVEN], **h264
        ),
        "matroska": lambda d: encode(d / "a.mkv", n, **h264),
        "matroska, variable rate": lambda d: encode(d / "a.mkv", n, times=UNEVEN, **h264),
        "matroska, late start": lambda d: encode(d / "a.mkv", n, times=LATE, **h264),
        "matroska, ffv1": lambda d: encode(d / "a.mkv", n, "ffv1", g=1),
        "transport stream": lambda d: encode(d / "a.ts", n, **h264),
        "transport stream, open groups": lambda d: encode(
            d / "a.ts", n, bf=3, g=10, x264_params="open-gop=1"
        ),
        "transport stream, variable rate": lambda d: encode(d / "a.ts", n, times=UNEVEN, **h264),
        "transport stream, cut": lambda d: cut_before_a_key_frame(
            d / "b.ts", encode(d / "a.ts", n + 20, bf=0, g=20, sc_threshold=0), 12
        ),
        "flv": lambda d: encode(d / "a.flv", n, **h264),
        "avi": lambda d: encode(d / "a.avi", n, "mpeg4", bf=0, **mpeg4),
        "avi, b-frames": lambda d: encode(d / "a.avi", n, "mpeg4", bf=2, **mpeg4),
        "avi, h264": lambda d: encode(d / "a.avi", n, **h264),
        "avi, mjpeg": lambda d: encode(d / "a.avi", n, "mjpeg", pix_fmt="yuvj420p", qscale=3),
        "mpeg2": lambda d: encode(d / "a.mpg", n, "mpeg2video", bf=2, g=12, qscale=3),
        "vp8": lambda d: encode(d / "a.webm", n, "libvpx", **webm),
        "vp9": lambda d: encode(d / "a.webm", n, "libvpx-vp9", **vp9),
    }


VARIANTS = _variants()
FIRST_SHOWN = {"edit list": 3, "long edit list": 25, "transport stream, cut": 20}
"""Number drawn in the first frame shown, where it is not 0."""

BY_COUNTING = frozenset({"avi, b-frames", "avi, h264", "mpeg2"})
"""Variants whose timestamps do not tell."""
