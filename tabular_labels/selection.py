"""Which of a frame's instances are meant, by kind, by track and by what replaces them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.geometry import InstanceGeometry
from tabular_labels.model.track import Track
from tabular_labels.owned import keys_of, keys_of_origin

__all__ = ["InstanceSelection"]

AnyInstance = TypeVar("AnyInstance", bound=InstanceGeometry)
Prediction = TypeVar("Prediction")


class InstanceSelection(Generic[AnyInstance, Prediction]):
    """What follows from the list of a frame's instances."""

    __slots__ = ()

    @property
    def instances(self) -> list[Any]:
        """All instances, in order."""
        raise NotImplementedError

    @property
    def user_instances(self) -> list[AnyInstance]:
        """Instances a person made, in order."""
        return [i for i in self.instances if not i._is_predicted]

    @property
    def predicted_instances(self) -> list[Prediction]:
        """Instances a model made, in order."""
        return [i for i in self.instances if i._is_predicted]

    @property
    def tracked_instances(self) -> list[AnyInstance]:
        """Instances with a track, in order."""
        return [i for i in self.instances if i.track is not None]

    @property
    def n_user_instances(self) -> int:
        """Number of user instances."""
        return len(self.user_instances)

    @property
    def n_predicted_instances(self) -> int:
        """Number of predicted instances."""
        return len(self.predicted_instances)

    @property
    def n_tracked_instances(self) -> int:
        """Number of instances with a track."""
        return len(self.tracked_instances)

    @property
    def has_user_instances(self) -> bool:
        """Whether there is a user instance."""
        return self.n_user_instances > 0

    @property
    def has_predicted_instances(self) -> bool:
        """Whether there is a predicted instance."""
        return self.n_predicted_instances > 0

    @property
    def has_tracked_instances(self) -> bool:
        """Whether there is an instance with a track."""
        return self.n_tracked_instances > 0

    @property
    def unused_predictions(self) -> list[Prediction]:
        """Predictions that no user instance replaces, by link or by track."""
        return _unused(self.instances)

    @property
    def instances_to_show(self) -> list[AnyInstance]:
        """User instances, and predictions that none of them replaces, in order."""
        mine = self.instances
        unused = {id(prediction) for prediction in _unused(mine)}
        return [i for i in mine if not i._is_predicted or id(i) in unused]

    @property
    def training_instances(self) -> list[AnyInstance]:
        """User instances with at least one visible point."""
        return [i for i in self.user_instances if i.n_visible_points]

    def find(self, track: Track | int | None = -1, user: bool = False) -> list[AnyInstance]:
        """Return the instances of a track, or user instances only.

        Args:
            track: A track, None for untracked instances, -1 for any.
            user: Leave predictions out.
        """
        return [
            i
            for i in self.instances
            if (track == -1 or i.track is track) and not (user and i._is_predicted)
        ]

    def numpy(self) -> FloatArray:
        """Return all instances: float64, ``(n_instances, n_nodes, 2)``, NaN = missing.

        With several skeletons, ``n_nodes`` is that of the largest.
        """
        arrays = [i.numpy() for i in self.instances]
        n_nodes = max((len(a) for a in arrays), default=0)
        out = np.full((len(arrays), n_nodes, 2), np.nan)
        for place, array in enumerate(arrays):
            out[place, : len(array)] = array
        return out


def _unused(instances: Iterable[Any]) -> list[Any]:
    """Return predictions that no user instance replaces, by link or by track."""
    users = [i for i in instances if not i._is_predicted]
    tracks = {id(i.track) for i in users if i.track is not None}
    origins = [i.from_predicted for i in users]
    used = {key for origin in origins for key in keys_of_origin(origin)}
    return [
        i
        for i in instances
        if i._is_predicted
        and used.isdisjoint(keys_of(i))
        and (i.track is None or id(i.track) not in tracks)
    ]
