"""Instances that come from one another in a circle."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import rows_of_ids

__all__ = ["rows_in_circles"]


def rows_in_circles(instances: pl.DataFrame) -> IntArray:
    """Find the instances to which following ``from_predicted`` leads back.

    Args:
        instances: With ``instance_id`` and ``from_predicted``; a link that leads nowhere
            ends its chain.

    Returns:
        Rows, ascending: int64. An instance whose links only lead into a circle is not one.

    Examples:
        >>> table = {"instance_id": [7, 8, 9, 5], "from_predicted": [8, 7, 8, 9]}
        >>> rows_in_circles(pl.DataFrame(table)).tolist()
        [0, 1]
    """
    links = instances["from_predicted"]
    linked = np.flatnonzero(links.is_not_null().to_numpy())
    if not len(linked):
        return linked
    ids = instances["instance_id"].to_numpy()
    target = rows_of_ids(ids, links.gather(linked).to_numpy())
    # Only linked instances can be in a circle, so they are numbered among themselves.
    place = np.minimum(np.searchsorted(linked, target), len(linked) - 1)
    after = np.where(linked[place] == target, place, -1)
    # Each round follows twice as many links. Most chains have one and end at once.
    going = np.flatnonzero(after >= 0)
    followed = 1
    while len(going) and followed <= len(linked):
        after[going] = after[after[going]]
        going = going[after[going] >= 0]
        followed *= 2
    # After more steps than there are links, everything stands in a circle.
    found: IntArray = linked[np.unique(after[going])]
    return found
