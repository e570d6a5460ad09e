"""Frames with user instances, as samples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.samples import user_samples
from tabular_labels.testing.strategies import label_tables
from tests import reference


@given(tables=label_tables(), skeleton_id=st.integers(0, 2))
def test_samples_equal_the_slow_ones(tables: LabelTables, skeleton_id: int) -> None:
    found = user_samples(tables.structure, skeleton_id)
    frames, instances, n_others = reference.user_samples(reference.rows_of(tables), skeleton_id)
    assert found.frame_rows.tolist() == frames
    assert found.counts.tolist() == [len(rows) for rows in instances]
    split = np.split(found.instance_rows, np.cumsum(found.counts)[:-1])
    assert [rows.tolist() for rows in split if len(rows)] == instances
    assert found.n_left_out == n_others
