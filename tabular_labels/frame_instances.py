"""The instances of a frame as a list: whichever way it is changed, it becomes another list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tabular_labels.geometry import InstanceGeometry

__all__ = ["FrameInstances", "checked_instances"]


class FrameInstances(list[Any]):
    """The instances of a frame; every change goes through `become`.

    Copies and pickles are plain lists.
    """

    __slots__ = ()

    def become(self, wanted: Iterable[Any]) -> None:
        """Hold these instead."""
        raise NotImplementedError(wanted)

    def extend(self, instances: Iterable[Any]) -> None:
        """Take instances in."""
        self.become([*self, *instances])

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

    def __iadd__(self, instances: Iterable[Any]) -> FrameInstances:  # type: ignore[misc]  # like list's
        """Take instances in."""
        self.extend(instances)
        return self

    def __imul__(self, times: Any) -> FrameInstances:  # type: ignore[misc]  # like list's
        """Repeat the instances, as copies."""
        self.become(list(self) * times)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain list."""
        return list, (list(self),)


def checked_instances(instances: Iterable[Any]) -> list[Any]:
    """Return a list of instances.

    Raises:
        TypeError: Something else is among them.
    """
    found = list(instances)
    for instance in found:
        if not isinstance(instance, InstanceGeometry):
            message = (
                f"instance of a frame: found {type(instance).__name__} {instance!r:.60}, expected "
                "an Instance. Pass `Instance(skeleton, points)`."
            )
            raise TypeError(message)
    return found
