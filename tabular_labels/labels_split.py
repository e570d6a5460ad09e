"""Labels divided into parts that train and validate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Self

from tabular_labels.labels_core import LabelsCore
from tabular_labels.partition import SplitBy, SplitRules, Stratify, deal, folds, take
from tabular_labels.queries.split_sizes import fold_sizes, pair_sizes

__all__ = ["LabelsSplit"]


class LabelsSplit(LabelsCore):
    """Splits of the frames, the same on every machine for the same seed."""

    def split(
        self,
        n: float,
        copy: bool = True,
        *,
        seed: int | None = None,
        by: SplitBy | None = None,
        blocks: int | None = None,
        gap: int | None = None,
        stratify: Stratify | None = None,
    ) -> tuple[Self, Self]:
        """Split the frames at random into two, without leaks if asked.

        Frames of a video that are near each other look alike, so that a validation frame
        beside a training frame tests little. ``by``, ``blocks`` and ``gap`` keep such
        frames in one part; `leakage_report` says how many are not.

        Args:
            n: A fraction of the frames (rounded half to even), or an int number of
                frames, for the first part; at least 1, and at least 1 is left. With groups
                the size is as near as groups allow, and each part has at least one.
            copy: Kept for compatibility: tables are immutable.
            seed: The same seed gives the same split on every machine; None draws one.
            by: Frames that stay together: ``"video"``; ``"track"`` (frames that share a
                track, and those connected through others); or an expression over the
                columns of ``to_polars("frames")``, whose values tell groups (null too).
            blocks: Cut each video into this many contiguous blocks of about equally many
                frames, which stay together. Not with ``by``.
            gap: No two frames of different parts are within this many indices of each
                other. With ``blocks``, frames of the larger part that are (of the first,
                when both are equal) are left out of both parts. Otherwise nothing is
                left out: frames so near to each other stay together, and what hangs on
                them. 0 keeps frames at one index together.
            stratify: Give both parts their share of each kind of frame: ``"kind"``
                (whether there are user instances, predictions, both or none),
                ``"n_instances"``, ``"video"``, or an expression as for ``by``. With
                groups, a group's frames must agree.

        Returns:
            Two labels, with their frames in list order and all videos, skeletons, tracks,
            suggestions and provenance; with one frame, both hold it. Scanned labels stay
            scanned, and their frames are chosen when they are first looked at.

        Raises:
            QueryError: There are no frames; there are fewer than two groups; a gap leaves
                a part without frames; an option is of no known kind, or two of them do
                not go together. A ``ValueError``.
            ForkedProcessError: In a forked process.

        Examples:
            >>> import tabular_labels as tl
            >>> video = tl.Video("a.mp4")
            >>> labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(100)])
            >>> training, validation = labels.split(0.8, seed=0, blocks=10, gap=3)
            >>> len(training), len(validation)
            (68, 20)

        Source:
            ``Labels.split``, which could not be repeated and knew single frames only.
        """
        del copy
        whole, rules = self._snapshot, SplitRules(seed, by, blocks, gap, stratify)
        if whole.n_frames == 1:
            rules.check()
            pair_sizes(2, n)
            return self._with_snapshot(whole), self._with_snapshot(whole)
        part = deal(whole, partial(_pair, n=n), rules)
        first, second = (self._with_snapshot(take(whole, part == k)) for k in (0, 1))
        return first, second

    def k_folds(
        self,
        k: int,
        *,
        seed: int | None = None,
        by: SplitBy | None = None,
        blocks: int | None = None,
        gap: int | None = None,
        stratify: Stratify | None = None,
    ) -> Iterator[tuple[Self, Self]]:
        """Split the frames for a cross validation with ``k`` folds.

        Each frame is in one validation part; a training part is all other frames, less
        those that a gap between blocks leaves out.

        Args:
            k: How many folds, at least two; their sizes differ by one frame at most, or
                by as much as groups make them.
            seed: As for `split`, like the options that follow.
            by: Frames that stay together.
            blocks: Contiguous blocks of each video.
            gap: How far parts stay apart.
            stratify: What each fold gets its share of.

        Returns:
            Pairs of training and validation labels, made one after another.

        Raises:
            QueryError: As `split`, or there are fewer frames or groups than folds.

        Examples:
            >>> import tabular_labels as tl
            >>> video = tl.Video("a.mp4")
            >>> labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(7)])
            >>> [(len(training), len(validation)) for training, validation in labels.k_folds(3)]
            [(4, 3), (5, 2), (5, 2)]
        """
        rules = SplitRules(seed, by, blocks, gap, stratify)
        # Decided now, so that what cannot be is said now; made when they are taken.
        masks = folds(self._snapshot, partial(fold_sizes, k=k), rules)
        whole = self._snapshot
        return (
            (
                self._with_snapshot(take(whole, training)),
                self._with_snapshot(take(whole, validation)),
            )
            for training, validation in masks
        )


def _pair(total: int, n: float) -> list[int]:
    return pair_sizes(total, n)
