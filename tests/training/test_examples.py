"""Examples are those that one finds going through labels row by row."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.strategies import label_tables
from tabular_labels.training import examples as module
from tests import training_reference as reference
from tests.training.scenes import FLY, labels_on, random_video

FLAGS = st.fixed_dictionaries(
    {"user_instances_only": st.booleans(), "with_track_only": st.booleans()}
)


def require_as_reference(
    labels: tl.Labels, data: st.DataObject, batch_size: int, flags: dict[str, Any]
) -> None:
    """Compare padded and ragged batches of all frames, and of some, with the slow twin's."""
    n = len(labels)
    places = data.draw(st.none() | st.lists(st.integers(0, n - 1), max_size=9) if n else st.none())
    chosen = range(n) if places is None else places
    every = [reference.example(labels, place, **flags) for place in chosen]
    for ragged in (False, True):
        batches = labels.batches(
            batch_size, images=False, example_indices=places, ragged=ragged, **flags
        )
        found = list(batches)
        starts = range(0, len(every), batch_size)
        assert len(found) == len(batches) == len(starts)
        for batch, start in zip(found, starts, strict=True):
            rows = range(len(every))[start : start + batch_size]
            reference.assert_equal(batch, reference.batch(every, rows, ragged=ragged))


@settings(max_examples=40)
@given(label_tables(), st.data(), st.integers(1, 4), FLAGS)
def test_points_are_those_found_row_by_row(
    tables: LabelTables, data: st.DataObject, batch_size: int, flags: dict[str, Any]
) -> None:
    require_as_reference(tl.Labels.from_tables(tables), data, batch_size, flags)


@settings(max_examples=40)
@given(label_tables(min_frames=1), st.data(), FLAGS)
def test_points_of_edited_labels_are_those_of_now(
    tables: LabelTables, data: st.DataObject, flags: dict[str, Any]
) -> None:
    labels = tl.Labels.from_tables(tables)
    frame = labels[data.draw(st.integers(0, len(labels) - 1))]
    if labels.skeletons:
        n_nodes = len(labels.skeletons[-1].nodes)
        frame.instances.append(tl.Instance(labels.skeletons[-1], [[5, 6]] * n_nodes))
    if data.draw(st.booleans()):
        labels.remove_frame(labels[0])
    require_as_reference(labels, data, 2, flags)


@settings(max_examples=15)
@given(label_tables(), st.data(), FLAGS)
def test_points_of_scanned_projects_are_those_found_row_by_row(
    tables: LabelTables, data: st.DataObject, flags: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        labels = tl.Labels.from_tables(tables)
        tl.write_parquet(labels, Path(folder) / "a")
        require_as_reference(tl.scan_parquet(Path(folder) / "a"), data, 3, flags)


@settings(max_examples=40)
@given(label_tables(), st.data(), FLAGS)
def test_points_are_the_same_when_read_in_many_chunks(
    tables: LabelTables, data: st.DataObject, flags: dict[str, Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", 2)
        require_as_reference(tl.Labels.from_tables(tables), data, 2, flags)


def test_later_edits_do_not_change_batches() -> None:
    labels = labels_on(random_video())
    batches = labels.batches(9, images=False)
    before = batches.take(np.arange(6))
    labels[1].instances[0]["head"] = (77, 78)
    labels.remove_frame(labels[0])
    reference.assert_equal(next(iter(batches)), before)
    assert not np.array_equal(
        labels.batches(9, images=False).take(np.arange(5))["example_ind"], before["example_ind"]
    )


def test_arrays_of_a_batch_belong_to_who_takes_it() -> None:
    batches = labels_on(random_video()).batches(6)
    before = {key: values.copy() for key, values in next(iter(batches)).items()}
    for values in next(iter(batches)).values():
        values[:] = 1
    reference.assert_equal(next(iter(batches)), before)


def test_frames_without_instances_are_examples() -> None:
    labels = tl.Labels([tl.LabeledFrame(random_video(), k) for k in (4, 2)], skeletons=[FLY])
    (batch,) = labels.batches(8)
    assert batch["instances"].shape == (2, 0, 3, 2)
    assert batch["frame_ind"].tolist() == [4, 2]
    (batch,) = labels.batches(8, ragged=True)
    assert batch["instances"].shape == (0, 3, 2)
    assert batch["n_instances"].tolist() == [0, 0]


def test_no_frames_make_no_batches() -> None:
    for options in ({}, {"images": False}, {"shuffle": True, "ragged": True}):
        batches = tl.Labels().batches(4, **options)  # type: ignore[arg-type]
        assert len(batches) == 0
        assert list(batches) == []
    none_of_some = labels_on(random_video()).batches(4, example_indices=[])
    assert list(none_of_some) == []


@pytest.mark.parametrize("place", [-1, 6, 2**40])
def test_places_outside_the_list_are_refused(place: int) -> None:
    with pytest.raises(IndexError, match=rf"found {place}, expected .* 0 to 5"):
        labels_on(random_video()).batches(4, example_indices=[0, place])


@pytest.mark.parametrize("places", [[0.5], [True, False], ["0"], [[0, 1]]])
def test_places_that_are_not_whole_are_refused(places: Any) -> None:
    with pytest.raises(TypeError, match=r"example_indices: .* whole numbers"):
        labels_on(random_video()).batches(4, example_indices=places)
