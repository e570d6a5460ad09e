"""Occupancy after edits is what the rows say."""

from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.occupancy import runs_of_structure, runs_of_video
from tabular_labels.testing.strategies import label_tables


def anew(labels: tl.Labels, place: int) -> list[tuple[str | None, list[tuple[int, int]]]]:
    """Work the runs of a video out from all rows."""
    key = list(labels._objects.video_by_id)[place]
    grouped: dict[int | None, list[tuple[int, int]]] = {}
    for track, start, stop, _ in runs_of_video(labels._snapshot.structure, key).rows():
        grouped.setdefault(track, []).append((start, stop))
    names = labels._objects.track_by_id
    return [(None if t is None else repr(names[t]), ranges) for t, ranges in grouped.items()]


def edit(labels: tl.Labels, data: st.DataObject) -> None:
    if not len(labels):
        return
    frame = labels[data.draw(st.integers(0, len(labels) - 1))]
    kind = data.draw(st.sampled_from(["track", "remove", "add", "move", "delete", "append"]))
    tracks = [None, *labels.tracks]
    if kind == "move":
        frame.frame_idx = data.draw(st.integers(0, 9))
    elif kind == "delete":
        labels.remove_frame(frame)
    elif kind == "append":
        labels.append(tl.LabeledFrame(frame.video, data.draw(st.integers(0, 9))))
    elif kind == "add" and labels.skeletons:
        track = data.draw(st.sampled_from(tracks))
        frame.instances.append(tl.Instance(labels.skeletons[0], track=track))
    elif len(frame):
        instance = frame[data.draw(st.integers(0, len(frame) - 1))]
        if kind == "track":
            instance.track = data.draw(st.sampled_from(tracks))
        else:
            labels.remove_instance(frame, instance)


@given(label_tables(), st.data())
def test_occupancy_follows_every_edit(tables: LabelTables, data: st.DataObject) -> None:
    labels = tl.Labels.from_tables(tables)
    for _ in range(data.draw(st.integers(1, 6))):
        edit(labels, data)
        if data.draw(st.booleans()):
            labels.undo()
        for place, video in enumerate(labels.videos):
            found = labels.get_track_occupancy(video)
            said = [(None if t is None else repr(t), r.list) for t, r in found.items()]
            assert said == anew(labels, place)
        runs = runs_of_structure(labels._snapshot.structure)
        assert_frame_equal(labels.occupancy().select(runs.columns), runs)
