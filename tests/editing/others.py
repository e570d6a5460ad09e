"""Edits that other labels decide."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

import tabular_labels as tl
from tabular_labels.errors import AmbiguousVideoError
from tabular_labels.labels_core import LabelsCore
from tests.editing.machine import OPENED, Machine, number
from tests.editing.model_rows import InstanceRow
from tests.reference import rows_of

SOURCES = ("nothing", "themselves", "some", "by content", "new", "kept")
other_frames = st.lists(
    st.tuples(
        number,  # video
        st.integers(0, 9),
        st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=2),
    ),
    max_size=4,
)


class OtherRules(Machine):
    """What is done to these labels because of what is in others."""

    def other_labels(
        self, source: str, places: list[int], specs: list[Any], opened: str, *, edited: bool
    ) -> tl.Labels:
        """Make labels that share everything, something or nothing with these."""
        labels = self.labels
        if source == "themselves":
            return labels
        if source == "kept" and self.others:
            return self.others[len(places) % len(self.others)][0]
        chosen = sorted({place % len(labels) for place in places}) if len(labels) else []
        if source == "some":
            made = labels.extract(chosen)
        elif source == "by content":
            # Other objects, which say what ours say.
            made = pickle.loads(pickle.dumps(labels))
            made = made.extract(chosen)
        else:
            made = tl.Labels([self.other_frame(*spec) for spec in specs if source == "new"])
        made = self.opened_again(made, opened)
        if edited and len(made):
            made.remove_frame(made[0])
            made.labeled_frames.extend([self.other_frame(*spec) for spec in specs[:1]])
        return made

    def other_frame(self, video: int, index: int, instances: list[Any]) -> tl.LabeledFrame:
        made = [self.new_instance((*one, 0, 1, 1, 0))[0] for one in instances]
        return tl.LabeledFrame(self.video(video), index, made)

    def opened_again(self, labels: tl.Labels, opened: str) -> tl.Labels:
        if opened == "memory":
            return labels
        self.n_files += 1
        path = Path(self.folder.name) / f"other {self.n_files}"
        if opened == "scanned parquet":
            tl.write_parquet(labels, path)
            return tl.scan_parquet(path)
        path = path.with_suffix(".slp")
        tl.write_slp(labels, path)
        return tl.scan_slp(path)

    def places_with(self, other: LabelsCore, kind: str) -> list[tuple[tl.Video, int]]:
        """List where other labels have instances of a kind, by their own videos."""
        tables = other._snapshot.tables()
        keys = tables.catalog.videos["video_id"].to_list()
        videos = dict(zip(keys, other.videos, strict=True))
        return [
            (videos[frame["video_id"]], frame["frame_idx"])
            for frame in rows_of(tables)
            if any(one["kind"] == kind for one in frame["instances"])
        ]

    def is_ambiguous(self, video: tl.Video) -> bool:
        """Tell whether a video of others says what several of ours say."""
        mine = self.model.there(self.model.videos, video)
        return mine is None and sum(one.matches(video) for one in self.model.videos) > 1

    @rule(
        source=st.sampled_from(SOURCES),
        places=st.lists(number, max_size=3),
        specs=other_frames,
        opened=st.sampled_from(OPENED),
        edited=st.booleans(),
        predicted=st.booleans(),
    )
    def remove_where_others_have(
        self,
        source: str,
        places: list[int],
        specs: list[Any],
        opened: str,
        edited: bool,
        predicted: bool,
    ) -> None:
        """Remove instances of a kind in the frames where other labels have some."""
        other = self.other_labels(source, places, specs, opened, edited=edited)
        remove = self.labels.remove_predictions if predicted else self.labels.remove_user_instances
        theirs = self.places_with(other, "predicted" if predicted else "user")
        before = other._snapshot.tables()
        if any(self.is_ambiguous(video) for video, _ in theirs):
            self.refuse(lambda: remove(other), AmbiguousVideoError, "videos of the project are")
        else:
            wanted = {(self.model.known_video(video), index) for video, index in theirs}
            self.count(lambda: remove(other), lambda: self.drop_in(wanted, predicted=predicted))
        if other is not self.labels:
            after = other._snapshot.tables()
            for name in ("frames", "instances", "points"):
                assert getattr(after, name).equals(getattr(before, name))

    def drop_in(self, places: set[tuple[tl.Video | None, int]], *, predicted: bool) -> int:
        gone: list[InstanceRow] = [
            one
            for frame, _, one in self.model.instances()
            if one.predicted == predicted and (frame.video, frame.frame_idx) in places
        ]
        uids = [one.uid for one in gone]
        self.model.remove_instances(lambda one: one.uid in uids)
        return len(uids)
