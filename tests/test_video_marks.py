"""What is known of videos without a filename: one object, or equal pictures."""

from __future__ import annotations

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels import video_marks
from tabular_labels.model.objects import Objects
from tabular_labels.queries.video_marks import NO_MARKS, VideoMark
from tabular_labels.video_marks import mark_videos

ZEROS = np.zeros((3, 4, 5, 1), np.uint8)


def objects(*videos: tl.Video) -> Objects:
    return Objects(dict(enumerate(videos, 7)), {}, {})


def test_numbers_tell_objects_and_pictures() -> None:
    shared, other = tl.Video.from_numpy(ZEROS), tl.Video.from_numpy(ZEROS + 1)
    empty, lost = tl.Video.from_numpy(ZEROS[:0]), tl.Video("")
    marks = mark_videos(
        objects(shared, other, lost, tl.Video("a.mp4")),
        objects(tl.Video.from_numpy(ZEROS.copy()), shared, empty, lost),
    )
    assert sorted(marks.base) == [7, 8, 9]
    assert [marks.base[7].is_same_pictures(marks.new[key]) for key in (7, 8, 9)] == [
        True,
        True,
        False,
    ]
    assert [marks.base[7].is_same_object(marks.new[key]) for key in (7, 8, 9)] == [
        False,
        True,
        False,
    ]
    assert marks.base[8].holds_other_pictures(marks.new[7])
    assert not marks.base[8].holds_other_pictures(marks.new[9])
    assert marks.base[9] == VideoMark(marks.new[10].thing, None)
    assert marks.new[9].pictures is None


def test_only_arrays_of_one_form_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(video_marks, "glance_of")
    mine = objects(tl.Video.from_numpy(ZEROS), tl.Video.from_numpy(ZEROS.copy()))
    assert mark_videos(mine, objects(tl.Video("a.mp4"))) is NO_MARKS
    theirs = objects(tl.Video.from_numpy(ZEROS[:2]), tl.Video.from_numpy(ZEROS.astype(bool)))
    marks = mark_videos(mine, theirs)
    assert len({mark.pictures for mark in (*marks.base.values(), *marks.new.values())}) == 4
