"""The instances of a detached frame: a list that tells each in which frame it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tabular_labels.errors import StaleViewError
from tabular_labels.geometry import InstanceGeometry

__all__ = ["OwnedInstances", "keys_of", "keys_of_origin", "relink"]


class OwnedInstances(list[Any]):
    """The instances of a detached frame.

    Whatever is put in belongs to the frame from then on: an instance that is in
    another frame, or a view of labels, is copied first, and a link to something that
    was copied into the same frame leads to the copy. Pickles as a plain list.
    """

    __slots__ = ("_frame",)

    def __init__(self, frame: Any) -> None:
        super().__init__()
        self._frame = frame

    def become(self, instances: Iterable[Any]) -> None:
        """Hold these instead."""
        wanted = _checked(instances)
        for instance in self:
            instance._source.frame = None
        super().clear()
        self.extend(wanted)

    def extend(self, instances: Iterable[Any]) -> None:
        """Take instances in."""
        by_key: dict[object, Any] = {}
        for instance in _checked(instances):
            is_free = not instance.is_attached and not _is_held(instance)
            taken = instance if is_free else instance.copy()
            taken._source.frame = self._frame
            super().append(taken)
            for key in keys_of(instance):
                by_key.setdefault(key, taken)
        relink(self, by_key)

    def append(self, instance: Any) -> None:
        """Take one instance in."""
        self.extend([instance])

    def insert(self, place: Any, instance: Any) -> None:
        """Take one instance in at a place."""
        wanted = list(self)
        wanted.insert(place, instance)
        self.become(wanted)

    def remove(self, instance: Any) -> None:
        """Let go of this instance, or of the first that is equal."""
        same = [place for place, mine in enumerate(self) if mine is instance]
        del self[same[0] if same else self.index(instance)]

    def pop(self, place: Any = -1) -> Any:
        """Let go of the instance at a place, and return it."""
        instance = self[place]
        del self[place]
        return instance

    def clear(self) -> None:
        """Let go of all."""
        self.become(())

    def __setitem__(self, place: Any, value: Any) -> None:
        """Replace one instance, or a slice."""
        wanted = list(self)
        wanted[place] = value
        self.become(wanted)

    def __delitem__(self, place: Any) -> None:
        """Let go of one instance, or of a slice."""
        wanted = list(self)
        del wanted[place]
        self.become(wanted)

    def __iadd__(self, instances: Iterable[Any]) -> OwnedInstances:  # type: ignore[misc]  # like list's
        """Take instances in."""
        self.extend(instances)
        return self

    def __imul__(self, times: Any) -> OwnedInstances:  # type: ignore[misc]  # like list's
        """Repeat the instances, as copies."""
        self.become(list(self) * times)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain list."""
        return list, (list(self),)


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


def _checked(instances: Iterable[Any]) -> list[Any]:
    found = list(instances)
    for instance in found:
        if not isinstance(instance, InstanceGeometry):
            message = (
                f"instance of a frame: found {type(instance).__name__} {instance!r:.60}, expected "
                "an Instance. Pass `Instance(skeleton, points)`."
            )
            raise TypeError(message)
    return found
