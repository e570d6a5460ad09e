"""Lists of half-open ranges of frame indices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tabular_labels.model.arguments import as_index

__all__ = ["RangeList"]

Range = tuple[int, int]


class RangeList:
    """Disjoint, ascending, half-open ranges ``[start, stop)``.

    Touching and overlapping ranges are joined.

    Examples:
        >>> ranges = RangeList([(1, 3), (3, 5), (9, 10)])
        >>> ranges
        RangeList([(1, 5), (9, 10)])
        >>> 4 in ranges, 5 in ranges, ranges.start, ranges.end
        (True, False, 1, 10)

    Source:
        ``sleap.rangelist.RangeList``.
    """

    __slots__ = ("list",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self.list: list[Range] = []
        self.insert_list(ranges)

    @classmethod
    def from_runs(cls, runs: Iterable[Range]) -> RangeList:
        """Take ranges that are known to be disjoint and ascending."""
        made = cls()
        made.list = list(runs)
        return made

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in range."""
        return not self.list

    @property
    def start(self) -> int | None:
        """First index in range, None if empty."""
        return self.list[0][0] if self.list else None

    @property
    def end(self) -> int | None:
        """One past the last index in range, None if empty."""
        return self.list[-1][1] if self.list else None

    def add(self, value: int, tolerance: int = 0) -> None:
        """Add one index; a gap of up to ``tolerance`` to the last range is bridged."""
        if self.list and self.list[-1][0] <= value <= self.list[-1][1] + tolerance:
            start, stop = self.list[-1]
            self.list[-1] = (start, max(stop, value + 1))
        else:
            self.insert((value, value + 1))

    def insert(self, new_range: Range | range) -> None:
        """Add a range and join it with those it overlaps or touches."""
        start, stop = _bounds(new_range)
        if stop <= start:
            return
        before = [r for r in self.list if r[1] < start]
        after = [r for r in self.list if r[0] > stop]
        joined = self.list[len(before) : len(self.list) - len(after)]
        if joined:
            start, stop = min(start, joined[0][0]), max(stop, joined[-1][1])
        self.list = [*before, (start, stop), *after]

    def insert_list(self, ranges: Iterable[Range]) -> None:
        """Add several ranges."""
        for new_range in ranges:
            self.insert(new_range)

    def remove(self, gone: Range) -> None:
        """Cut a range out; an empty one cuts nothing."""
        start, stop = _bounds(gone)
        if stop <= start:
            return
        before, _, after = self.cut_range(gone)
        self.list = [*before.list, *after.list]

    def cut_range(self, cut: Range) -> tuple[RangeList, RangeList, RangeList]:
        """Return what lies before, within and after a range, as three lists.

        Examples:
            >>> RangeList([(0, 10)]).cut_range((4, 6))
            (RangeList([(0, 4)]), RangeList([(4, 6)]), RangeList([(6, 10)]))
        """
        start, stop = _bounds(cut)
        before = [(a, min(b, start)) for a, b in self.list if a < start]
        within = [(max(a, start), min(b, stop)) for a, b in self.list if a < stop and b > start]
        after = [(max(a, stop), b) for a, b in self.list if b > stop]
        within = [r for r in within if r[0] < r[1]]
        return RangeList.from_runs(before), RangeList.from_runs(within), RangeList.from_runs(after)

    def __contains__(self, value: object) -> bool:
        """Tell whether an index is in range."""
        index = as_index(value)
        return index is not None and any(a <= index < b for a, b in self.list)

    def __iter__(self) -> Iterator[Range]:
        """Iterate over the ranges."""
        return iter(self.list)

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self.list)

    def __getitem__(self, place: int) -> Range:
        """Return one range."""
        return self.list[place]

    def __eq__(self, other: object) -> bool:
        """Compare with another list of ranges, or with a plain list of pairs."""
        if isinstance(other, RangeList):
            return self.list == other.list
        if isinstance(other, list):
            return self.list == [tuple(pair) for pair in other]
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable, like a list

    def __repr__(self) -> str:
        """Show the ranges."""
        return f"RangeList({self.list})"


def _bounds(value: Range | range) -> Range:
    start, stop = (value.start, value.stop) if isinstance(value, range) else value
    return int(start), int(stop)
