"""A source over several others answers alike however it puts their points in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.merging import decide_merge, merged_snapshot
from tabular_labels.model.source import MemorySource, Source
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.match import match_catalogs
from tabular_labels.queries.select import select_instances
from tabular_labels.store import merged
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables


def merge(base: Source, new: Source) -> LabelTables:
    snapshots = Snapshot(base), Snapshot(new)
    match = match_catalogs(base.catalog, new.catalog)
    return merged_snapshot(decide_merge(*snapshots, match))[0].tables()


@pytest.mark.parametrize("n_skeletons", [1, 2])
def test_slices_gathers_and_files_give_the_same_points(
    n_skeletons: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Snapshot.of(make_tables(300, n_videos=3, n_skeletons=n_skeletons))
    index = whole.structure.frames["frame_idx"].to_numpy()
    halves = [
        whole.restricted(select_instances(whole.structure, mask)).tables()
        for mask in (index < 70, (index >= 40) & (np.arange(len(index)) % 7 > 0))
    ]
    in_memory = [MemorySource(tables) for tables in halves]
    for tables, name in zip(halves, "ab", strict=True):
        write_parquet(tables, tmp_path / name, points_per_shard=900)
    scanned = [open_parquet(tmp_path / name) for name in "ab"]
    found = []
    for long in (0, 4, 10**9):
        monkeypatch.setattr(merged, "_LONG", long)
        found += [merge(*in_memory), merge(*scanned), merge(in_memory[0], scanned[1])]
    for tables in found[1:]:
        for name in ("frames", "instances", "points"):
            assert_frame_equal(getattr(tables, name), getattr(found[0], name), check_exact=True)
    assert found[0].frames.height > halves[0].frames.height
