"""Edits of the small tables say what they say row by row, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import MergeError
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.strategies import label_tables
from tests import catalog_reference as reference
from tests.reference import rows_of

NEW = ("new 1", "new 2")
Open = Callable[[LabelTables], tl.Labels]


@contextmanager
def opened(tables: LabelTables, how: str) -> Iterator[tl.Labels]:
    """Open a project in memory, or write and scan it."""
    labels = tl.Labels.from_tables(tables)
    if how == "memory":
        yield labels
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"some.{how}"
        labels.save(path)
        yield tl.scan_slp(path) if how == "slp" else tl.scan_parquet(path)


HOW = st.sampled_from(("memory", "memory", "slp", "parquet"))


def now(labels: tl.Labels) -> LabelTables:
    return labels._snapshot.tables()


def assert_same(made: LabelTables, expected: LabelTables) -> None:
    assert check_tables(made) == []
    for name in ("frames", "instances", "points"):
        assert_frame_equal(getattr(made, name), getattr(expected, name), check_exact=True)
    for name, table in made.catalog.tables().items():
        theirs = getattr(expected.catalog, name)
        if name == "edges":
            key = ["skeleton_id", "kind", "position"]
            table, theirs = table.sort(key), theirs.sort(key)
        assert_frame_equal(table, theirs)
    assert made.catalog.provenance == expected.catalog.provenance


def assert_can_be_taken_back(labels: tl.Labels, before: LabelTables, n_steps: int = 1) -> None:
    after = now(labels)
    views = [frame.copy() for frame in labels]
    for _ in range(n_steps):
        assert labels.undo()
    assert_same(now(labels), before)
    for _ in range(n_steps):
        assert labels.redo()
    assert_same(now(labels), after)
    assert [frame.copy() for frame in labels] == views


@settings(max_examples=60)
@given(tables=label_tables(), how=HOW, data=st.data())
def test_nodes_change_as_instance_by_instance(
    tables: LabelTables, how: str, data: st.DataObject
) -> None:
    assume(tables.catalog.skeletons.height)
    with opened(tables, how) as labels:
        for _ in range(data.draw(st.integers(1, 2))):
            before, snapshot = now(labels), labels._snapshot
            skeleton = data.draw(st.sampled_from(list(labels.skeletons)))
            key = labels._objects.skeleton_ids[skeleton]
            old = [(node.name, node.weight, k) for k, node in enumerate(skeleton.nodes)]
            n = len(old)
            kinds = ["rename", "add", "remove", "reorder", *["merge"] * (2 * (n > 1))]
            kind = data.draw(st.sampled_from(kinds))
            merged = None
            nodes: list[tuple[str, float, int | None]]
            if kind == "rename":
                names = data.draw(st.permutations([*skeleton.node_names, *NEW]))[:n]
                labels.rename_nodes(names, skeleton)
                nodes = [(name, w, k) for name, (_, w, k) in zip(names, old, strict=True)]
            elif kind == "add":
                new = [name for name in NEW if name not in skeleton.node_names]
                labels.add_nodes(new, skeleton)
                nodes = [*old, *((name, 1.0, None) for name in new)]
            elif kind == "remove":
                gone = data.draw(st.sets(st.integers(0, n - 1)) if n else st.just(set[int]()))
                labels.remove_nodes(sorted(gone), skeleton)
                nodes = [node for node in old if node[2] not in gone]
            elif kind == "reorder":
                order = data.draw(st.permutations(range(n)))
                labels.reorder_nodes(order, skeleton)
                nodes = [old[k] for k in order]
            else:
                stays, goes = data.draw(st.permutations(range(n)))[:2]
                labels.merge_nodes(stays, goes, skeleton)
                merged = stays, goes
                nodes = [node for node in old if node[2] != goes]
            expected = reference.edit_nodes(before, key, nodes, merged)
            after = now(labels)
            assert_same(after, expected)
            if labels._snapshot is not snapshot:
                assert_can_be_taken_back(labels, before)


@settings(max_examples=60)
@given(tables=label_tables(), how=HOW, data=st.data())
def test_what_is_done_and_undone_by_hand_is_as_it_was(
    tables: LabelTables, how: str, data: st.DataObject
) -> None:
    assume(tables.catalog.skeletons.height)
    with opened(tables, how) as labels:
        before = now(labels)
        place = data.draw(st.integers(0, len(labels.skeletons) - 1))
        names = labels.skeletons[place].node_names
        order = data.draw(st.permutations(range(len(names))))
        labels.reorder_nodes(order, place)
        labels.reorder_nodes(np.argsort(order).tolist(), place)
        assert_same(now(labels), before)
        labels.add_nodes(NEW, place)
        labels.remove_nodes(NEW, place)
        assert_same(now(labels), before)
        labels.rename_nodes(dict(zip(names, [f"{name}!" for name in names], strict=True)), place)
        labels.rename_nodes(names, place)
        assert_same(now(labels), before)
        tracks = {track: f"{track.name}!" for track in labels.tracks}
        labels.rename_tracks(tracks)
        labels.rename_tracks({track: track.name for track in tracks})
        assert_same(now(labels), before)


@settings(max_examples=40)
@given(tables=label_tables(min_frames=1), how=HOW, data=st.data())
def test_removing_a_video_leaves_the_rows_of_the_others(
    tables: LabelTables, how: str, data: st.DataObject
) -> None:
    with opened(tables, how) as labels:
        before = now(labels)
        video = data.draw(st.sampled_from(list(labels.videos)))
        expected = reference.drop_video(before, labels._objects.video_ids[video])
        labels.remove_video(video)
        made = now(labels)
        # Places in the list are numbered without gaps where rows went.
        assert made.frames["position"].rank().equals(expected.frames["position"].rank())
        frames = made.frames.with_columns(expected.frames["position"])
        assert_same(LabelTables(made.catalog, frames, made.instances, made.points), expected)
        assert video not in labels.videos
        assert_can_be_taken_back(labels, before)


@settings(max_examples=40)
@given(tables=label_tables(min_frames=1), how=HOW, data=st.data())
def test_tracks_are_merged_and_removed_as_one_by_one(
    tables: LabelTables, how: str, data: st.DataObject
) -> None:
    assume(tables.catalog.tracks.height)
    with opened(tables, how) as labels:
        before = now(labels)
        tracks = data.draw(st.lists(st.sampled_from(list(labels.tracks)), min_size=1, unique=True))
        keys = [labels._objects.track_ids[track] for track in tracks]
        if data.draw(st.booleans()):
            overlaps = reference.count_overlaps(rows_of(before), set(keys))
            if overlaps:
                with pytest.raises(MergeError, match=f"found {overlaps} frames"):
                    labels.merge_tracks(tracks, tracks[0])
                assert_same(now(labels), before)
            labels.merge_tracks(tracks, tracks[0], allow_overlap=True)
            expected = reference.move_tracks(before, set(keys[1:]), keys[0])
        else:
            with labels.transaction():
                for track in tracks:
                    labels.remove_track(track)
            expected = reference.move_tracks(before, set(keys), None)
        assert_same(now(labels), expected)
        if len(labels.tracks) < before.catalog.tracks.height:
            assert_can_be_taken_back(labels, before)


@settings(max_examples=40)
@given(tables=label_tables(), how=HOW)
def test_unlabeled_suggestions_are_those_of_places_without_user_instances(
    tables: LabelTables, how: str
) -> None:
    with opened(tables, how) as labels:
        ids = labels._objects.video_ids
        found = [(ids[s.video], s.frame_idx, s.group) for s in labels.unlabeled_suggestions]
        assert found == reference.unlabeled_suggestions(now(labels))
