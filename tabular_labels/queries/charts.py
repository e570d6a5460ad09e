"""What charts are drawn from: a few thousand bins for any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tabular_labels._types import IntArray
from tabular_labels.queries.binning import FrameBins

__all__ = ["Coverage", "FrameScores", "NodeScores"]


@dataclass(frozen=True)
class Coverage:
    """How often each node is present in the instances of one video.

    Attributes:
        video: The video's name.
        nodes: Names of the nodes.
        bins: Bins of frame indices.
        n_instances: int64 (n_bins, n_nodes): instances whose skeleton has the node.
        n_present: int64 (n_bins, n_nodes): those of them where the point is visible and
            has coordinates.
    """

    video: str
    nodes: Sequence[str]
    bins: FrameBins
    n_instances: IntArray
    n_present: IntArray


@dataclass(frozen=True)
class FrameScores:
    """Scores of the instances of one video, over time.

    Attributes:
        video: The video's name.
        bins: Bins of frame indices.
        counts: int64 (n_bins, n_levels): predicted instances by level of their score.
        top: Score at which the last level ends; the first begins at 0.
    """

    video: str
    bins: FrameBins
    counts: IntArray
    top: float


@dataclass(frozen=True)
class NodeScores:
    """Scores of points, by node.

    Attributes:
        nodes: Names of the nodes.
        counts: int64 (n_nodes, n_levels): points by level of their score.
        top: Score at which the last level ends; the first begins at 0.
    """

    nodes: Sequence[str]
    counts: IntArray
    top: float
