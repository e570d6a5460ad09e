"""The store: how labels change. Every edit goes through here and can be taken back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model import schema
from tabular_labels.model.objects import Objects
from tabular_labels.model.tables import Catalog
from tabular_labels.model.track import Track
from tabular_labels.store.fold import Folded, fold, make_contiguous
from tabular_labels.store.records import GONE, FrameRecord, Gone, InstanceRecord
from tabular_labels.store.rows import Place, Rows
from tabular_labels.store.snapshot import Snapshot

__all__ = ["Content", "Store"]

Change: TypeAlias = tuple[str, Any, Any]
"""What was put where, and what stood there before."""


class Content(NamedTuple):
    """What is at one place."""

    n_frames: int
    instance_ids: tuple[int, ...]
    n_points: int


# Above this many records a query puts them into the snapshot below, so that the next
# queries need not bring them together again.
RECORDS_KEPT = 4096

KINDS = ("frame", "instance", "video", "skeleton", "track")
"""What has keys that are given once."""


class Store(Rows):
    """Rows that can be edited, with undo.

    Single edits put records, bulk edits put another snapshot below; both are steps
    that `undo` takes back and `redo` makes again. Nothing that was put is ever changed
    itself, so an old state is only a matter of putting the old things back.
    """

    def __init__(self, snapshot: Snapshot, objects: Objects, lineage: object = None) -> None:
        super().__init__(snapshot, objects, lineage)
        self._begin(snapshot.catalog)
        counts = snapshot.counts
        self._next_handle = {"frame": counts.frames, "instance": counts.instances}
        self._next_id: dict[str, int] = {}
        self.floors: dict[str, int] = {}
        """Keys and positions that were given already, elsewhere."""

    def _begin(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._folded: Folded | None = None
        self._whole_catalog: Catalog | None = catalog
        self._undo: list[list[Change]] = []
        self._redo: list[list[Change]] = []
        self._open: list[Change] | None = None
        self._if_failed: list[Callable[[], object]] = []
        self.touched: dict[Place, Content] | None = None
        """What stood at the places that were edited, while that is of interest."""
        self.repointed: set[Place] = set()
        """The places among them where some points were set, or came back."""
        self.moved: list[IntArray] | None = []
        """Packed places that other snapshots changed since `touched` began, None if unknown."""
        self.n_changes = 0
        """Grows with everything that is put: what was made for a number holds while it stands."""
        self._put: dict[str, Callable[[Any, Any], Any]] = {
            "frame": self._put_frame,
            "instance": self._put_instance,
            "track": self._put_track,
            "catalog": self._put_catalog,
            "base": self._put_base,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Pickle how things stand; what could be undone stays behind."""
        own = {
            "catalog": self.catalog,
            "next": (self._next_handle, self._next_id, self.floors),
        }
        return super().__getstate__() | {"own": own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the rest again."""
        own = state.pop("own")
        super().__setstate__(state)
        self._begin(own["catalog"])
        self._next_handle, self._next_id, self.floors = own["next"]

    # What is there now

    @property
    def is_edited(self) -> bool:
        """Whether anything was ever edited here."""
        return bool(self._undo or self._redo or self._open)

    @property
    def catalog(self) -> Catalog:
        """The small tables as they are now."""
        whole = self._whole_catalog
        if whole is None:
            whole = self._whole_catalog = self._with_new_tracks(self._catalog)
        return whole

    def _with_new_tracks(self, catalog: Catalog) -> Catalog:
        n, tracks = catalog.tracks.height, self.objects.track_by_id
        if len(tracks) == n:
            return catalog
        new = [(key, t.name, t.spawned_on) for key, t in list(tracks.items())[n:]]
        rows = pl.DataFrame(new, schema=dict(schema.TRACKS.columns), orient="row")
        return replace(catalog, tracks=catalog.tracks.vstack(rows))

    @property
    def folded(self) -> Folded:
        """The snapshot of now, with the handles of its rows."""
        if self._folded is None:
            self._folded = fold(self, self.catalog)
            if len(self.frame_records) + len(self.instance_records) > RECORDS_KEPT:
                self._settle(self._folded)
        return self._folded

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot of now."""
        return self.folded.snapshot

    def settle(self) -> None:
        """Put the records into the snapshot below; nothing else changes by that."""
        self._settle(self.folded)

    def settle_in_one_piece(self) -> None:
        """Put the records of a scan into its rows, before many of these are set.

        They would stand on slices of the columns that were read, and what a bulk edit makes
        of slices takes their memory again. So each column is made whole, and what was read
        goes, column by column; undo reads it again.
        """
        base = self.base
        if not (self.frame_records or self.instance_records) or base.unread() is base:
            return
        folded = self.folded
        structure = folded.snapshot.structure
        if max(structure.instances.n_chunks("all")) > 1:
            self.let_go()
            for table in (structure.frames, structure.instances):
                make_contiguous(table)
            self._settle(folded)

    @property
    def snapshot_if_made(self) -> Snapshot | None:
        """The snapshot of now, None when it would have to be made."""
        return None if self._folded is None else self._folded.snapshot

    def _settle(self, folded: Folded) -> None:
        nowhere = np.empty(0, np.int64)
        entry = ("base", nowhere, self._put_base(nowhere, self._bundle_of(folded)))
        self._folded = folded
        target = self._open if self._open is not None else (self._undo[-1] if self._undo else None)
        if target is not None:
            target.append(entry)

    # Steps

    @contextmanager
    def step(self) -> Iterator[None]:
        """Make what is put inside one step of undo; take it back if something fails."""
        if self._open is not None:
            mark, n_calls = len(self._open), len(self._if_failed)
            try:
                yield
            except BaseException:
                self._fail(mark, n_calls)
                raise
            return
        self._open = []
        try:
            yield
        except BaseException:
            self._fail(0, 0)
            self._open = None
            raise
        self._if_failed.clear()
        made, self._open = self._open, None
        if made:
            self._undo.append(made)
            self._redo.clear()

    def if_step_fails(self, call: Callable[[], object]) -> None:
        """Call this when the step that is open is taken back by an error, last one first."""
        if self._open is not None:
            self._if_failed.append(call)

    def _fail(self, mark: int, n_calls: int) -> None:
        assert self._open is not None
        self._take_back(self._open, mark)
        while len(self._if_failed) > n_calls:
            self._if_failed.pop()()

    def _take_back(self, changes: list[Change], mark: int) -> list[Change]:
        """Put back what stood before the changes from a mark on; return the way forward."""
        forward: list[Change] = []
        while len(changes) > mark:
            kind, key, before = changes.pop()
            self.n_changes += 1
            self.__dict__.pop("portable", None)
            forward.append((kind, key, self._put[kind](key, before)))
        return forward

    def undo(self) -> bool:
        """Take the last step back; False when there is none."""
        return self._move(self._undo, self._redo)

    def redo(self) -> bool:
        """Make the last step that was taken back again; False when there is none."""
        return self._move(self._redo, self._undo)

    def _move(self, source: list[list[Change]], target: list[list[Change]]) -> bool:
        if self._open is not None:
            message = (
                "found an open transaction, expected none: undo and redo go over whole steps. "
                "Leave the `with labels.transaction()` block first."
            )
            raise QueryError(message)
        if not source:
            return False
        for kind, _, value in source[-1]:
            if kind == "base":
                # Read again what was let go, before anything is put: the file may be gone.
                _ = value[0][0].frames
        target.append(self._take_back(source.pop(), 0))
        return True

    def put(self, kind: str, key: Any, value: Any) -> None:
        """Put one thing, inside a step."""
        assert self._open is not None, "edits are made inside a step"
        self.n_changes += 1
        # Copies for a pickle are those of the frames before.
        self.__dict__.pop("portable", None)
        self._open.append((kind, key, self._put[kind](key, value)))

    # What is put

    def put_frame(self, handle: int, record: FrameRecord | Gone) -> None:
        """Replace one frame."""
        self.put("frame", handle, record)

    def put_instance(self, handle: int, record: InstanceRecord | Gone) -> None:
        """Replace one instance."""
        self.put("instance", handle, record)

    def _put_frame(self, handle: int, record: FrameRecord | Gone | None) -> Any:
        records, order = self.frame_records, self.list_order
        before = self._spot(handle)
        self._note(before)
        old = records.get(handle)
        is_moved = before != self._spot_of(record, handle)
        if before is not None and is_moved:
            order.discard(handle)
            self._leave(before[:2], handle)
        _set(records, handle, record)
        after = self._spot(handle)
        self._note(after)
        if after is not None and is_moved:
            order.add(handle)
            self._enter(after[:2], handle)
        self._folded = None
        return GONE if old is None and self.frame_handles.find(handle) < 0 else old

    def _spot(self, handle: int) -> tuple[int, int, float] | None:
        return self._spot_of(self.frame_records.get(handle), handle)

    def _spot_of(
        self, record: FrameRecord | Gone | None, handle: int
    ) -> tuple[int, int, float] | None:
        """Return where a frame belongs, None when it is not there."""
        if isinstance(record, FrameRecord):
            return record.video_id, record.frame_idx, record.position
        row = -1 if record is GONE else self.frame_handles.find(handle)
        if row < 0:
            return None
        frames = self.frames
        return frames.video_id[row], frames.frame_idx[row], frames.position[row]

    def _leave(self, place: Place, handle: int) -> None:
        self.places[place] = tuple(other for other in self.find(*place) if other != handle)

    def _enter(self, place: Place, handle: int) -> None:
        there = {*self.find(*place), handle}
        self.places[place] = tuple(sorted(there, key=self.position))

    def _put_instance(self, handle: int, record: InstanceRecord | Gone | None) -> Any:
        old = self.instance_records.get(handle)
        if self.touched is not None:
            self._note_instance(old, record)
        _set(self.instance_records, handle, record)
        self._folded = None
        return GONE if old is None and self.instance_handles.find(handle) < 0 else old

    def _put_track(self, key: int, track: Track | None) -> Any:
        old = self.objects.put_track(key, track)
        self._whole_catalog = self._folded = None
        return old

    def _put_catalog(self, _: None, value: tuple[Catalog, Objects]) -> Any:
        old = self._catalog, self.objects
        self._catalog, objects = value
        # Keys of what is removed are not given again: others may still name them.
        next_ids = {kind: self.next_id(kind) for kind in ("video", "skeleton", "track")}
        # Objects that took the place of others stand for the same rows after undo, too.
        self.use_objects(objects.knowing(self.objects.aliases))
        for kind, key in next_ids.items():
            self._next_id[kind] = max(key, self._highest(kind) + 1)
        self._whole_catalog = self._folded = None
        return old

    def _put_base(self, places: IntArray | None, bundle: tuple[Any, ...]) -> Any:
        old = (
            (self.base, self.frame_handles, self.instance_handles),
            (self.frame_records, self.instance_records, self.places),
            self.__dict__.pop("list_order", None),
        )
        # Positions between others are numbered anew, so that all frames may differ.
        is_known = places is not None and self.has_whole_positions
        self._keep_ids()
        (snapshot, frames, instances), records, order = bundle
        self.frame_records, self.instance_records, self.places = records
        self.stand_on(snapshot, frames, instances)
        if order is not None:
            self.__dict__["list_order"] = order
        self._folded = None
        if places is None or not is_known:
            self.moved = None
        elif self.moved is not None and len(places):
            self.moved.append(places)
        return old

    def let_go(self) -> None:
        """Forget what was read of the snapshot below, if it can be read again.

        What undo would put there is forgotten, too: it may share columns with it. To be
        followed by a `rebase` that does not keep it either.
        """
        read, unread = self.base, self.base.unread()
        if unread is not read:
            self._keep_ids()
            self.base, self._columns_made, self._folded = unread, None, None
            read.forget()
        for kind, _, old in chain(self._open or (), *self._undo, *self._redo):
            if kind == "base" and old[0][0].unread() is not old[0][0]:
                old[0][0].forget()

    def _keep_ids(self) -> None:
        """Do not give keys of rows again that go with the snapshot below."""
        for kind in ("frame", "instance"):
            self._next_id[kind] = self.next_id(kind)

    @staticmethod
    def _bundle_of(folded: Folded) -> tuple[Any, ...]:
        return (folded.snapshot, folded.frames, folded.instances), ({}, {}, {}), None

    # Larger changes

    def rebase(
        self, folded: Folded, places: IntArray | None = None, *, keep_read: bool = True
    ) -> None:
        """Put another snapshot below: everything is as it says from now on.

        Args:
            folded: The snapshot, with the handles of its rows.
            places: Packed ``(video_id, frame_idx)`` of the frames that differ (see
                `packed_places`), int64; None when that is not known.
            keep_read: Whether to keep what was read of a scan below, for undo. Where the
                new snapshot shares little with it that would take the memory of both.
        """
        if not keep_read:
            self._keep_ids()  # while its rows are there
            self.base = self.base.unread()
        self.put("base", places, self._bundle_of(folded))
        if folded.snapshot.catalog is not self.catalog:
            self.put_catalog(folded.snapshot.catalog)

    def put_catalog(self, catalog: Catalog, objects: Objects | None = None) -> None:
        """Replace the small tables, and the objects they describe."""
        self.put("catalog", None, (catalog, self.objects if objects is None else objects))

    def own_objects(self) -> Objects:
        """Return objects that no other labels use, so that tracks may be added."""
        if self.objects.is_shared:
            self.put("catalog", None, (self._catalog, self.objects.copy()))
        return self.objects

    def lent_objects(self) -> Objects:
        """Return the objects for other labels to use."""
        return self.objects if self.objects.is_shared else self.objects.copy()

    # New handles and keys

    def new_handle(self, kind: str) -> int:
        """Return a handle that was never used."""
        handle = self._next_handle[kind]
        self._next_handle[kind] = handle + 1
        return handle

    def new_id(self, kind: str) -> int:
        """Return a key of a frame, an instance or a track that was never used."""
        key = self.next_id(kind)
        self._next_id[kind] = key + 1
        return key

    def next_id(self, kind: str) -> int:
        """Return the key that is given next; none above it was ever used."""
        key = self._next_id.get(kind)
        return max(self._highest(kind) + 1, self.floors.get(kind, 0)) if key is None else key

    def next_ids(self) -> dict[str, int]:
        """Return the key that is given next, by kind, and the least ``position``."""
        floor = self.floors.get("position", 0)
        return {kind: self.next_id(kind) for kind in KINDS} | {"position": floor}

    def _highest(self, kind: str) -> int:
        if kind in ("video", "skeleton", "track"):
            return max(getattr(self.objects, f"{kind}_by_id"), default=-1)
        table = self.base.structure.frames if kind == "frame" else self.base.structure.instances
        ids = table[f"{kind}_id"]
        return int(ids.max()) if len(ids) else -1  # type: ignore[arg-type]  # an integer column

    def keep_above(self, **floors: int) -> None:
        """Give new rows keys, and positions, that are not below these."""
        for kind, floor in floors.items():
            self.floors[kind] = max(floor, self.floors.get(kind, 0))
            if kind in self._next_id:
                self._next_id[kind] = max(floor, self._next_id[kind])

    def next_position(self) -> float:
        """Return a position after every other."""
        return max(math.floor(self.list_order.last_position()) + 1, self.floors.get("position", 0))

    def close(self) -> None:
        """Let no view of these rows be read or edited any more: others take their place."""
        self.frame_records, self.instance_records = _AllGone(), _AllGone()

    def reserve_ids(self, kind: str, count: int) -> IntArray:
        """Return several new keys: int64, ``(count,)``."""
        first = self.new_id(kind)
        self._next_id[kind] = first + count
        return np.arange(first, first + count)

    def reserve_handles(self, kind: str, count: int) -> IntArray:
        """Return several new handles: int64, ``(count,)``."""
        first = self._next_handle[kind]
        self._next_handle[kind] = first + count
        return np.arange(first, first + count)

    # What a commit wants to know

    def watch(self) -> None:
        """Begin to note what stood at the places that are edited."""
        self.touched, self.repointed = {}, set()
        self.moved = []

    @property
    def was_rebased(self) -> bool:
        """Whether bulk edits were made, or undone, since `touched` began."""
        return self.moved is None or bool(self.moved)

    def _note(self, spot: tuple[int, int, float] | None) -> None:
        if self.touched is not None and spot is not None and spot[:2] not in self.touched:
            self.touched[spot[:2]] = self.content(spot[:2])

    def note_frame(self, handle: int) -> None:
        """Count a frame as edited."""
        self._note(self._spot(handle))

    def _note_instance(
        self, old: InstanceRecord | Gone | None, new: InstanceRecord | Gone | None
    ) -> None:
        before, after = (r.points if isinstance(r, InstanceRecord) else None for r in (old, new))
        for record in (old, new):
            spot = self._spot(record.frame) if isinstance(record, InstanceRecord) else None
            self._note(spot)
            if spot is not None and before is not after:
                self.repointed.add(spot[:2])

    def content(self, place: Place) -> Content:
        """Say what is at a place: keys of frames and of instances, and how many points."""
        frames = self.find(*place)
        instances = [handle for frame in frames for handle in self.instances_of(frame)]
        ids = tuple(map(self.instance_id, instances))
        n_points = sum(len(self.skeleton(handle)) for handle in instances)
        return Content(len(frames), ids, n_points)


class _AllGone(dict[int, Any]):
    """Records of rows that are all gone."""

    def get(self, handle: int, default: Any = None) -> Any:
        """Say that the row is gone."""
        del handle, default
        return GONE


def _set(records: dict[int, Any], handle: int, record: Any) -> None:
    if record is None:
        records.pop(handle, None)
    else:
        records[handle] = record
