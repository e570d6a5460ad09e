"""How views are pickled: as detached values, not with all that they are views of."""

from __future__ import annotations

from typing import Any

__all__ = ["itself", "portable_frame"]


def portable_frame(frame: Any) -> Any:
    """Return a detached copy of a frame for a pickle: the same one all through a pickle.

    A prediction of another frame that is referred to goes along alone, as links could
    lead from frame to frame through the whole project.
    """
    rows, row = frame._source.located_frame(frame._row)
    values = rows.portable.get(row)
    if values is None:
        values = frame.copy()._source
        for instance in values.instances:
            origin = instance.from_predicted
            if origin is not None and origin.is_attached:
                instance.from_predicted = origin.copy()
                instance.from_predicted.from_predicted = None
        rows.portable[row] = values
    return values.frame


def itself(value: Any) -> Any:
    """Return what a view was pickled as."""
    return value
