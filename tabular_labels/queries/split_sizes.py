"""How many frames each part of a split gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from tabular_labels.errors import QueryError
from tabular_labels.model.arguments import as_index

__all__ = ["fold_sizes", "fraction_sizes", "group_counts", "pair_sizes", "validation_sizes"]

_REST = -1


def pair_sizes(total: int, n: float) -> list[int]:
    """Size two parts by the first.

    Args:
        total: Frames, at least two.
        n: An int counts frames of the first part, a float is a share of all of them,
            rounded half to even. Both are brought into ``1 .. total - 1``.

    Returns:
        Sizes of both parts; they add up to ``total``.

    Raises:
        QueryError: ``n`` is no number.

    Examples:
        >>> pair_sizes(5, 0.5), pair_sizes(5, 4), pair_sizes(5, 1.0)
        ([2, 3], [4, 1], [4, 1])

    Source:
        ``Labels.split``.
    """
    _require_frames(total)
    whole = as_index(n)
    if whole is None:
        share = _number(n, "a number of frames or a share of them")
        whole = round(share * total)
    size = min(max(whole, 1), total - 1)
    return [size, total - size]


def validation_sizes(total: int, fraction: float) -> list[int]:
    """Size training and validation frames by the latter.

    Args:
        total: Frames, at least two.
        fraction: The share of validation frames, rounded half to even and brought into
            ``1 .. total - 1``.

    Returns:
        Sizes of training and validation; they add up to ``total``.

    Raises:
        QueryError: ``fraction`` is no number, or there are no frames.

    Examples:
        >>> validation_sizes(10, 0.25), validation_sizes(10, 0.0)
        ([8, 2], [9, 1])

    Source:
        ``sleap.nn.data.training.split_labels_train_val``.
    """
    return pair_sizes(total, _number(fraction, "a share of the frames"))[::-1]


def fraction_sizes(total: int, fractions: Sequence[float]) -> list[int]:
    """Size parts by fractions that need not use all frames.

    Each size is ``fraction * total`` rounded up, computed exactly from the decimal
    that the fraction is written as, and at least 1.

    Args:
        total: Frames.
        fractions: From 0 to 1; one of them may be -1, for all that is left (at least 1).

    Returns:
        One size per fraction; they add up to ``total`` at most.

    Raises:
        QueryError: There are no fractions or no frames, a fraction is neither -1 nor
            between 0 and 1, several are -1, or the sizes add up to more than ``total``.

    Examples:
        >>> fraction_sizes(100, [0.55, 0.45]), fraction_sizes(7, [0.5, -1])
        ([55, 45], [4, 3])

    Source:
        ``sleap.nn.data.training.split_labels``, which rounds binary fractions up and so
        asks for 101 of 100 frames in the first example.
    """
    shares = [_number(fraction, "fractions between 0 and 1, or -1") for fraction in fractions]
    _require_frames(total)
    outside = [share for share in shares if share != _REST and not 0 <= share <= 1]
    if outside or not shares:
        found = f"fractions {outside}" if outside else "no fractions"
        message = f"found {found}, expected one or more between 0 and 1, or -1. Pass those."
        raise QueryError(message)
    if shares.count(_REST) > 1:
        message = (
            f"found -1 {shares.count(_REST)} times in {shares}, expected it once at most, for all "
            "that the others leave. Give the other parts a fraction."
        )
        raise QueryError(message)
    sizes = [0 if s == _REST else max(math.ceil(Fraction(repr(s)) * total), 1) for s in shares]
    sizes = [
        max(total - sum(sizes), 1) if s == _REST else k for s, k in zip(shares, sizes, strict=True)
    ]
    if sum(sizes) > total:
        message = (
            f"fractions {shares} of {total} frames, each rounded up, are {sizes}: found "
            f"{sum(sizes)} frames, expected {total} at most. Lower a fraction, or make one -1."
        )
        raise QueryError(message)
    return sizes


def fold_sizes(total: int, k: int) -> list[int]:
    """Size the folds of a cross validation: as equal as can be, larger ones first.

    Args:
        total: Frames.
        k: Folds, at least two.

    Raises:
        QueryError: There are fewer than two folds, or fewer frames than folds.

    Examples:
        >>> fold_sizes(11, 3)
        [4, 4, 3]
    """
    folds = as_index(k)
    if folds is None or folds < 2:
        message = f"found {k!r} folds, expected a whole number of at least 2. Pass one."
        raise QueryError(message)
    _require_frames(total)
    if folds > total:
        message = f"found {total} frames for {folds} folds, expected one each. Ask for fewer folds."
        raise QueryError(message)
    each, more = divmod(total, folds)
    return [each + 1] * more + [each] * (folds - more)


def group_counts(sizes: Sequence[int], total: int, n_groups: int) -> list[int]:
    """Turn sizes in frames into numbers of groups in the same proportions, at least 1 each.

    Args:
        sizes: Frames of each part.
        total: Frames in all.
        n_groups: Groups in all, at least as many as parts.

    Examples:
        >>> group_counts([80, 20], 100, 10), group_counts([98, 1, 1], 100, 5)
        ([8, 2], [3, 1, 1])
    """
    place = np.arange(len(sizes))
    stops = np.rint(np.cumsum(sizes) * (n_groups / total)).astype(np.int64)
    # Each part ends after the one before it, and leaves a group for each after it.
    stops = np.maximum.accumulate(np.maximum(stops - place, 1)) + place
    stops = np.minimum(stops, n_groups - len(sizes) + 1 + place)
    counts: list[int] = np.diff(stops, prepend=0).tolist()
    return counts


def _require_frames(total: int) -> None:
    if not total:
        message = "found no frames, expected at least one to split. Label some frames first."
        raise QueryError(message)


def _number(value: float, expected: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        message = f"found size {value!r}, expected {expected}. Pass one."
        raise QueryError(message) from error
    if not math.isfinite(number):
        message = f"found size {value}, expected {expected}. Pass one."
        raise QueryError(message)
    return number
