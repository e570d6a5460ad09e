"""Training and validation labels: the classic functions, and how much leaks between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray
from tabular_labels.frame_reading import frame_places
from tabular_labels.labels import Labels
from tabular_labels.partition import SplitBy, SplitRules, Stratify, deal, take
from tabular_labels.queries.leakage import count_leaks
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.split_sizes import fraction_sizes, validation_sizes

__all__ = ["leakage_report", "split_labels", "split_labels_train_val"]


def split_labels(
    labels: Labels,
    split_fractions: Sequence[float],
    *,
    seed: int | None = None,
    by: SplitBy | None = None,
    blocks: int | None = None,
    gap: int | None = None,
    stratify: Stratify | None = None,
) -> tuple[Labels, ...]:
    """Split labels into several with random parts of the frames, none of them twice.

    Args:
        labels: What to split; it stays as it is.
        split_fractions: From 0 to 1, together at most 1: the part of all frames that each
            one gets, rounded up, at least one frame. One may be -1: all that is left.
        seed: The same seed gives the same split on every machine; None draws one.
        by: Frames that stay together, see `Labels.split`.
        blocks: Contiguous blocks of each video, see `Labels.split`.
        gap: How far parts stay apart, see `Labels.split`.
        stratify: What each part gets its share of, see `Labels.split`.

    Returns:
        As many labels as fractions, with their frames in list order and all videos,
        skeletons, tracks, suggestions and provenance.

    Raises:
        QueryError: The fractions cannot be met (see `queries.split_sizes.fraction_sizes`),
            or the frames cannot be split so. A ``ValueError``.
        ForkedProcessError: In a forked process.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("a.mp4")
        >>> labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(10)])
        >>> [len(part) for part in split_labels(labels, [0.5, 0.25, -1], seed=0)]
        [5, 3, 2]

    Source:
        ``sleap.nn.data.training.split_labels``.
    """
    whole, rules = labels._snapshot, SplitRules(seed, by, blocks, gap, stratify)
    fractions = list(split_fractions)
    part = deal(whole, partial(fraction_sizes, fractions=fractions), rules)
    return tuple(labels._with_snapshot(take(whole, part == k)) for k in range(len(fractions)))


def split_labels_train_val(
    labels: Labels,
    validation_fraction: float,
    *,
    seed: int | None = None,
    by: SplitBy | None = None,
    blocks: int | None = None,
    gap: int | None = None,
    stratify: Stratify | None = None,
) -> tuple[Labels, list[int], Labels, list[int]]:
    """Split labels into training and validation labels, with the places of their frames.

    Args:
        labels: What to split; it stays as it is.
        validation_fraction: The part of the frames for validation, rounded half to even;
            at least one frame goes to each side.
        seed: The same seed gives the same split on every machine; None draws one.
        by: Frames that stay together, see `Labels.split`.
        blocks: Contiguous blocks of each video, see `Labels.split`.
        gap: How far both sides stay apart, see `Labels.split`.
        stratify: What each side gets its share of, see `Labels.split`.

    Returns:
        ``(labels_train, idx_train, labels_val, idx_val)``. The places ascend, and
        ``labels[idx_train] == labels_train[:]``; videos, tracks and provenance are those
        of ``labels``. A single frame is on both sides.

    Raises:
        QueryError: There are no frames, or they cannot be split so. A ``ValueError``.
        ForkedProcessError: In a forked process.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("a.mp4")
        >>> labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(5)])
        >>> train, idx_train, val, idx_val = split_labels_train_val(labels, 0.4, seed=0)
        >>> idx_train, idx_val, labels[idx_train] == train[:]
        ([0, 3, 4], [1, 2], True)

    Source:
        ``sleap.nn.data.training.split_labels_train_val``, in random order there.
    """
    whole, rules = labels._snapshot, SplitRules(seed, by, blocks, gap, stratify)
    if whole.n_frames == 1:
        rules.check()
        validation_sizes(2, validation_fraction)
        return labels, [0], labels, [0]
    part = deal(whole, partial(validation_sizes, fraction=validation_fraction), rules)
    # Ranks of positions: those of a project with edits may have gaps.
    in_list = part[np.argsort(frame_places(whole)["position"].to_numpy(), kind="stable")]
    train, val = (labels._with_snapshot(take(whole, part == k)) for k in (0, 1))
    return train, _places(in_list == 0), val, _places(in_list == 1)


def _places(chosen: BoolArray) -> list[int]:
    places: list[int] = np.flatnonzero(chosen).tolist()
    return places


def leakage_report(
    training: Labels, validation: Labels, within: Sequence[int] = (0, 1, 30)
) -> pl.DataFrame:
    """Count the validation frames that lie near training frames, for each video.

    A frame next to one that a model was trained on looks much like it, and says little
    about frames the model has not seen.

    Args:
        training: Labels to train on.
        validation: Labels to validate with. Their videos are found among those of
            ``training`` as by `Labels.find`, so that both may be read from files.
        within: Distances in frames; 0 counts frames that are trained on themselves. By
            default also the next frame, and what is about a second away.

    Returns:
        One row per video that has frames, those of ``training`` first. With up to three
        distances polars prints all columns, of more it leaves out those in the middle.

        - ``video`` (Enum of filenames): its name.
        - ``n_training``, ``n_validation`` (UInt32): frames.
        - ``nearest`` (Int64), ``median`` (Float64): frames from a validation frame to the
          nearest training frame of the video; null where one side has no frames.
        - ``within_{n}`` (UInt32), for each distance: validation frames that are at most
          ``n`` frames from a training frame.

    Raises:
        AmbiguousVideoError: Several videos of ``training`` are meant by one.
        QueryError: A distance is no whole number, or negative.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("a.mp4")
        >>> labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(100)])
        >>> report = leakage_report(*labels.split(0.8, seed=0), within=[1])
        >>> report.select("n_validation", "nearest", "within_1").rows()
        [(20, 1, 19)]
        >>> report = leakage_report(*labels.split(0.8, seed=0, blocks=10, gap=5), within=[5])
        >>> report.select("n_validation", "nearest", "within_5").rows()
        [(20, 6, 0)]
    """
    known = training._objects.video_by_id
    shared: list[int] = []
    names = {key: video.filename for key, video in known.items()}
    others = max(known, default=-1) + 1
    for video in validation._objects.videos:
        key = training._video_key(video)
        if key is None:
            key, others = others, others + 1
            names[key] = video.filename
        shared.append(key)
    ids = pl.Series(list(validation._objects.video_by_id), dtype=pl.UInt32)
    tested = frame_places(validation._snapshot).with_columns(
        pl.col("video_id").replace_strict(ids, pl.Series(shared, dtype=pl.UInt32))
    )
    counts = count_leaks(frame_places(training._snapshot), tested, within)
    keys = pl.Series(list(names), dtype=pl.UInt32)
    videos = name_ids(pl.Series(list(names.values()), dtype=pl.String), keys, counts["video_id"])
    return counts.select(videos.alias("video"), pl.exclude("video_id"))
