"""A made-up recording: two mice in an arena with a shelter, as coordinates and as pictures.

The same numbers place the labels and paint the pixels, so an overlay fits what is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["EDGES", "FPS", "HEIGHT", "MICE", "NODES", "N_FRAMES", "WIDTH", "Scene", "make_scene"]

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
N_FRAMES, FPS = 200, 25.0
MICE = ("dark", "pale")
NODES = (
    "nose", "left_ear", "right_ear", "neck", "centre", "tail_base", "tail_mid", "tail_tip",
)  # fmt: skip
EDGES = (
    ("nose", "neck"),
    ("neck", "left_ear"),
    ("neck", "right_ear"),
    ("neck", "centre"),
    ("centre", "tail_base"),
    ("tail_base", "tail_mid"),
    ("tail_mid", "tail_tip"),
)

# Pixels behind the nose along the way the mouse came, and to its right.
_BEHIND = np.array([0.0, 22, 22, 28, 58, 92, 124, 154])
_ASIDE = np.array([0.0, -12, 12, 0, 0, 0, 0, 0])
_TAIL_SWAY = np.array([0.0, 0, 0, 0, 0, 0, 6, 14])

_SHELTER = (452.0, 26.0, 614.0, 176.0)  # left, top, right, bottom
_COATS = {"dark": (74, 62, 54), "pale": (226, 214, 198)}
# Node pairs with the radius at each end, painted in this order.
_BODY: tuple[tuple[int, int, float, float], ...] = (
    (6, 7, 2.6, 1.4),
    (5, 6, 4.0, 2.6),
    (4, 5, 19.0, 9.0),
    (3, 4, 12.0, 19.0),
    (0, 3, 4.5, 12.5),
    (1, 1, 6.5, 6.5),
    (2, 2, 6.5, 6.5),
)


@dataclass(frozen=True)
class Scene:
    """Where every node is in every frame.

    Attributes:
        xy: float64 (n_frames, n_mice, n_nodes, 2), pixels.
        is_hidden: bool (n_frames, n_mice, n_nodes): under the shelter.
    """

    xy: Floats
    is_hidden: npt.NDArray[np.bool_]

    def pictures(self, seed: int = 0) -> Iterator[Picture]:
        """Paint the frames one after the other: uint8 (height, width, 3)."""
        floor = _paint_floor(np.random.default_rng(seed))
        for mice in self.xy:
            image = floor.copy()
            for name, nodes in zip(MICE, mice, strict=True):
                _paint_mouse(image, nodes, np.array(_COATS[name], float))
            _paint_shelter(image)
            yield image.clip(0, 255).astype(np.uint8)


def make_scene() -> Scene:
    """Let two mice walk: one in a figure of eight, one in and out of the shelter."""
    turns = np.linspace(-0.5, 1.0, 6000)
    angle = 2 * np.pi * turns
    eight = np.stack([300 - 205 * np.cos(angle), 285 + 120 * np.sin(2 * angle)], axis=1)
    loop = np.stack([385 + 165 * np.cos(angle - 2.6), 205 + 112 * np.sin(angle - 2.6)], axis=1)
    xy = np.stack([_follow(eight, turns, 1.0), _follow(loop, turns, -1.0)], axis=1)
    left, top, right, bottom = _SHELTER
    x, y = xy[..., 0], xy[..., 1]
    return Scene(xy, (x > left) & (x < right) & (y > top) & (y < bottom))


def _follow(way: Floats, turns: Floats, phase: float) -> Floats:
    """Place the nodes of a mouse whose nose follows a way: (n_frames, n_nodes, 2)."""
    along = np.concatenate([[0], np.hypot(*np.diff(way, axis=0).T).cumsum()])
    time = np.linspace(0, 0.95, N_FRAMES)
    pace = time + 0.02 * np.sin(2 * np.pi * 3 * time + phase)  # it hesitates now and then
    behind = np.interp(pace, turns, along)[:, None] - _BEHIND
    spine = np.stack([np.interp(behind, along, way[:, k]) for k in (0, 1)], axis=2)
    ahead = np.stack([np.interp(behind + 4, along, way[:, k]) for k in (0, 1)], axis=2)
    forward = ahead - spine
    forward /= np.hypot(forward[..., 0], forward[..., 1])[..., None]
    right = np.stack([-forward[..., 1], forward[..., 0]], axis=2)  # y goes down
    sway = np.sin(2 * np.pi * 9 * time + phase)[:, None] * _TAIL_SWAY
    placed: Floats = spine + right * (_ASIDE + sway)[..., None]
    return placed


def _paint_floor(rng: np.random.Generator) -> Floats:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    dim = 1 - 0.28 * (((x - WIDTH / 2) / WIDTH) ** 2 + ((y - HEIGHT / 2) / HEIGHT) ** 2) * 2
    grain = rng.normal(0, 3, (HEIGHT // 2, WIDTH // 2)).repeat(2, axis=0).repeat(2, axis=1)
    floor: Floats = (np.array([168.0, 160, 146]) * dim[..., None]) + grain[..., None]
    wall = np.minimum.reduce([x, y, WIDTH - 1 - x, HEIGHT - 1 - y])
    floor[wall < 14] = (96, 90, 84)
    floor[(wall >= 14) & (wall < 18)] *= 0.8
    return floor


def _paint_mouse(image: Floats, nodes: Floats, coat: Floats) -> None:
    tail = 0.5 * coat + 0.5 * np.array([214.0, 150, 140])
    for start, stop, near, far in _BODY[2:5]:
        _blend(image, nodes[start] + 5, nodes[stop] + 5, near, far, coat * 0.2, 0.25)
    for start, stop, near, far in _BODY:
        colour = tail if start >= 5 else coat * 0.86 if start == stop else coat
        _blend(image, nodes[start], nodes[stop], near, far, colour)
    # A lighter back, pink ears and a nose.
    _blend(image, nodes[3], nodes[4], 5, 9, coat * 1.05 + 12, 0.5)
    for ear in (1, 2):
        _blend(image, nodes[ear], nodes[ear], 3.5, 3.5, np.array([206.0, 150, 142]), 0.8)
    _blend(image, nodes[0], nodes[0], 2.6, 2.6, np.array([210.0, 132, 126]))


def _blend(
    image: Floats,
    start: Floats,
    stop: Floats,
    near: float,
    far: float,
    colour: Floats,
    strength: float = 1.0,
) -> None:
    """Paint a rounded stroke from one point to another, with a radius at each end."""
    reach = max(near, far) + 2
    left, top = np.floor(np.minimum(start, stop) - reach).astype(int).clip(0)
    right, bottom = np.ceil(np.maximum(start, stop) + reach).astype(int) + 1
    part = image[top : max(bottom, 0), left : max(right, 0)]
    y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    across = stop - start
    length = float(across @ across)
    place = ((x - start[0]) * across[0] + (y - start[1]) * across[1]) / (length or 1.0)
    place = place.clip(0, 1)
    distance = np.hypot(x - start[0] - place * across[0], y - start[1] - place * across[1])
    cover = (0.5 + near + place * (far - near) - distance).clip(0, 1)[..., None] * strength
    part += cover * (colour - part)


def _paint_shelter(image: Floats) -> None:
    left, top, right, bottom = (int(edge) for edge in _SHELTER)
    image[top : bottom + 6, left : right + 6] *= 0.82  # its shadow
    roof = image[top:bottom, left:right]
    roof[:] = (124, 66, 58)
    roof[::15] = (108, 56, 50)
    roof[:3], roof[-3:], roof[:, :3], roof[:, -3:] = [(150, 88, 78)] * 4
