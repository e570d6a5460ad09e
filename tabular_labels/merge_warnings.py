"""What a merge warns of."""

from __future__ import annotations

import warnings

import numpy as np

from tabular_labels.errors import CircularReferenceWarning, UnmodelledDataWarning
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.link_circles import rows_in_circles
from tabular_labels.queries.places import instance_places
from tabular_labels.store.snapshot import Snapshot

__all__ = ["warn_of_attachments", "warn_of_circles"]

_NAMED = 5


def warn_of_attachments(catalog: Catalog, stacklevel: int = 4) -> None:
    """Say what a merge leaves behind."""
    if catalog.attachments:
        things = ", ".join(f"{n} {name}" for name, n in catalog.attachments.counts.items())
        message = (
            f"the other labels carry data that is not modelled ({things or 'metadata'}); it was "
            "left behind. Keep their file, or merge into those labels instead."
        )
        warnings.warn(message, UnmodelledDataWarning, stacklevel=stacklevel)


def warn_of_circles(snapshot: Snapshot, stacklevel: int = 4) -> None:
    """Name merged instances that come from one another in a circle."""
    structure = snapshot.structure
    rows = rows_in_circles(structure.instances)
    if not len(rows):
        return
    names = dict(snapshot.catalog.videos.select("video_id", "filename").iter_rows())
    places = instance_places(structure, rows=np.asarray(rows)).unique(maintain_order=True)
    shown = ", ".join(f"{names[video]}:{k}" for video, k in places.head(_NAMED).iter_rows())
    message = (
        f"{len(rows)} merged instances come from one another in a circle (at {shown}"
        f"{', ...' if places.height > _NAMED else ''}); from_predicted was kept. Expected a "
        "prediction that comes from another one to have a beginning: set from_predicted of "
        "one of them to None."
    )
    warnings.warn(message, CircularReferenceWarning, stacklevel=stacklevel)
