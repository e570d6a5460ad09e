"""The instances of a detached frame: a list that tells each in which frame it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tabular_labels.errors import StaleViewError
from tabular_labels.frame_instances import FrameInstances, checked_instances

__all__ = ["OwnedInstances", "keys_of", "keys_of_origin", "relink"]


class OwnedInstances(FrameInstances):
    """The instances of a detached frame.

    Whatever is put in belongs to the frame from then on: an instance that is in
    another frame, or a view of labels, is copied first, and a link to something that
    was copied into the same frame leads to the copy. Pickles as a plain list.
    """

    __slots__ = ("_frame",)

    def __init__(self, frame: Any) -> None:
        super().__init__()
        self._frame = frame

    def become(self, wanted: Iterable[Any]) -> None:
        """Hold these instead."""
        instances = checked_instances(wanted)
        for instance in self:
            instance._source.frame = None
        list.clear(self)
        self.extend(instances)

    def extend(self, instances: Iterable[Any]) -> None:
        """Take instances in."""
        by_key: dict[object, Any] = {}
        for instance in checked_instances(instances):
            is_free = not instance.is_attached and not _is_held(instance)
            taken = instance if is_free else instance.copy()
            taken._source.frame = self._frame
            list.append(self, taken)
            for key in keys_of(instance):
                by_key.setdefault(key, taken)
        relink(self, by_key)


def keys_of(instance: Any) -> tuple[object, ...]:
    """Return what identifies an instance, then the row it was copied from, if any."""
    source = instance._source
    identity = source.identity(instance._row)
    return (identity,) if source.copy_of is None else (identity, source.copy_of)


def keys_of_origin(origin: Any) -> tuple[object, ...]:
    """Return what identifies a prediction that something was made from.

    Nothing does when there is none, or when it was removed from its labels.
    """
    try:
        return () if origin is None else keys_of(origin)
    except StaleViewError:
        return ()


def relink(instances: Iterable[Any], by_key: dict[object, Any]) -> None:
    """Lead links of detached instances to those that stand for what they name."""
    for instance in instances:
        values = instance._source
        if values.from_predicted is not None:
            found = (by_key.get(key) for key in keys_of_origin(values.from_predicted))
            values.from_predicted = next(
                (one for one in found if one is not None), values.from_predicted
            )


def _is_held(instance: Any) -> bool:
    owner = instance._source.frame
    return owner is not None and any(held is instance for held in owner.instances)
