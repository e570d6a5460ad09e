"""Shared type aliases; nothing here imports the package at run time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Json",
    "Level",
    "PathLike",
    "Progress",
    "TableName",
]

PathLike: TypeAlias = str | os.PathLike[str]
# JSON nests without bound, which an alias cannot say without losing every .get().
Json: TypeAlias = dict[str, Any]
IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Progress: TypeAlias = Callable[[int, int], object]
"""Told what is done and what there is in all; False, or an exception, cancels the work."""

Level: TypeAlias = Literal["points", "instances", "frames"]
TableName: TypeAlias = Literal[
    "videos",
    "skeletons",
    "nodes",
    "edges",
    "tracks",
    "suggestions",
    "negative_anchors",
    "frames",
    "instances",
    "points",
]
