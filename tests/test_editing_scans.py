"""Scanned labels are edited like those in memory, whatever lies under them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.testing.builders import make_tables


def edit(labels: tl.Labels) -> None:
    """Make edits of every kind, all over the labels."""
    skeleton = labels.skeletons[0]
    for place in range(0, 40, 3):
        points = np.arange(2.0 * len(skeleton)).reshape(-1, 2) + place
        labels.add_instance(labels[place], tl.Instance(skeleton, points))
        labels[place][0][0] = (place, -1.0)
        labels[place][0].track = labels.tracks[place % 2]
    labels.remove_instance(labels[1], labels[1][0])
    del labels[2]
    labels[5].frame_idx = 1000
    labels.append(tl.LabeledFrame(labels.videos[1], 2000, [tl.PredictedInstance(skeleton)]))


def open_slp(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_slp(labels, folder / "some.slp")
    return tl.scan_slp(folder / "some.slp")


def open_parquet(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_parquet(labels, folder / "some.parquet")
    return tl.scan_parquet(folder / "some.parquet")


@pytest.mark.parametrize("scan", [open_slp, open_parquet])
def test_edits_of_a_scan_are_those_of_memory(
    scan: Callable[[tl.Labels, Path], tl.Labels], tmp_path: Path
) -> None:
    tables = make_tables(
        60, n_videos=2, n_nodes=4, n_skeletons=2, gap_fraction=0.3, untracked_fraction=0.2, seed=3
    )
    labels = tl.Labels.from_tables(tables)
    scanned = scan(labels, tmp_path)
    for made in (labels, scanned):
        edit(made)
    for level in ("frames", "instances", "points"):
        mine, theirs = (x.to_polars(level) for x in (labels, scanned))
        # Keys are given in the order of the rows of each.
        keys = {"frame_id", "instance_id", "from_predicted", "position"}
        kept = [name for name in mine.columns if name not in keys]
        assert_frame_equal(theirs.select(kept), mine.select(kept))
    tables_now = scanned._snapshot.tables()
    assert_frame_equal(
        scanned.tables.points.select("x", "y", "visible").collect(),
        tables_now.points.select("x", "y", "visible"),
    )
