"""Labels in the forms of other programs: SLEAP's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from tabular_labels._types import Json
from tabular_labels.labels_split import LabelsSplit
from tabular_labels.model.tables import LabelTables
from tabular_labels.store.snapshot import Snapshot

__all__ = ["LabelsFormats"]


class LabelsFormats(LabelsSplit):
    """Labels to and from dicts, JSON and other libraries' tables."""

    @classmethod
    def _of_tables(cls, tables: LabelTables) -> Self:
        return cls.from_snapshot(Snapshot.of(tables))

    def to_dict(self, skip_labels: bool = False) -> Json:
        """Return everything as dicts, lists, texts and numbers, as the classic JSON has it.

        Frames are in list order. Points that are missing are left out, with their marks
        and scores.

        Args:
            skip_labels: Leave out ``labels``, the frames.

        Returns:
            ``version``, ``skeletons``, ``nodes``, ``videos``, ``tracks``, ``suggestions``,
            ``negative_anchors``, ``provenance`` and ``labels``. References are places in
            those lists, as text.

        Examples:
            >>> import tabular_labels as tl
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3)
            >>> tl.Labels([frame]).to_dict()["labels"]
            [{'video': '0', 'frame_idx': 3, '_instances': []}]

        Source:
            ``Labels.to_dict``.
        """
        from tabular_labels.io.json_write import json_document  # loads h5py

        document: Json = json.loads(json_document(self._snapshot, skip_labels=skip_labels))
        document.pop("format_id")
        return document

    def to_json(self) -> str:
        """Return `to_dict` as JSON text.

        Examples:
            >>> import tabular_labels as tl
            >>> tl.Labels.from_json(tl.Labels().to_json())
            Labels(0 frames, 0 instances (0 user, 0 predicted), 0 videos, 0 skeletons, 0 tracks)

        Source:
            ``Labels.to_json``.
        """
        from tabular_labels.io.json_write import json_document  # loads h5py

        return json_document(self._snapshot)

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> Self:
        """Build labels from JSON of any classic version.

        Args:
            data: The text, or what `to_dict` returns. `load_file` reads files.

        Returns:
            The labels. Points that an instance does not list are missing.

        Raises:
            FileFormatError: It is no such JSON, or a broken one.
            UnsafeFileError: It asks for objects to be built.

        Warns:
            UnmodelledDataWarning: There is more than labels hold.
            DanglingReferenceWarning: Instances come from predictions in no frame.

        Source:
            ``Labels.from_json``.
        """
        from tabular_labels.io.json_read import parse_document, parse_text  # loads h5py

        if isinstance(data, Mapping):
            return cls._of_tables(parse_document(dict(data)))
        return cls._of_tables(parse_text(data))

    @classmethod
    def from_sleap_io(cls, labels: Any, *, strict: bool = False) -> Self:
        """Take over sleap-io's labels.

        Lazily loaded ones are read by their arrays, without an object for each instance.
        Videos are referred to by name, with what is known of their shape; none is opened.

        Args:
            labels: A ``sleap_io.Labels``; it stays as it is.
            strict: Refuse labels that hold more than ours, instead of warning.

        Returns:
            Labels in memory, with frames in the same order.

        Raises:
            FileFormatError: A reference is out of bounds, or the like.
            UnmodelledDataError: With ``strict``: they hold more than ours.

        Warns:
            UnmodelledDataWarning: They hold more than ours, which stays behind.
            DanglingReferenceWarning: Instances come from predictions in no frame.

        Examples:
            >>> import sleap_io, tabular_labels as tl
            >>> labels = sleap_io.Labels(videos=[sleap_io.Video("fly.mp4")])
            >>> tl.Labels.from_sleap_io(labels).videos
            [Video('fly.mp4', shape=None)]
        """
        from tabular_labels.io.sleap_io_read import tables_of_sleap_io  # loads h5py

        return cls._of_tables(tables_of_sleap_io(labels, strict=strict))

    def to_sleap_io(self) -> Any:
        """Return everything as sleap-io's objects.

        Missing coordinates and scores are NaN there. Points of instances are slices of
        large arrays of their own; what is changed in them does not reach these labels.

        Returns:
            A ``sleap_io.Labels``; its videos are not opened.

        Raises:
            MissingExtraError: sleap-io is not installed.

        Warns:
            UnmodelledDataWarning: sleap-io has no place for something, as the message says.
        """
        from tabular_labels.io.sleap_io_write import sleap_io_labels  # loads h5py

        return sleap_io_labels(self._snapshot)
