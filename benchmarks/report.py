"""Rows of the table of results, bounds they must keep, and printing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = [
    "Bound",
    "Row",
    "at_most",
    "best_of_peers",
    "render",
    "times_limit",
    "times_peer",
    "times_result",
]


_PEAK = "peak"


@dataclass(frozen=True)
class Bound:
    """What a row must keep.

    Attributes:
        text: As it is printed.
        holds: Tells whether a row keeps it, None when the row lacks what it compares.
        size: The size at which it is meant.
    """

    text: str
    holds: Callable[[Row], bool | None]
    size: str = "M"


@dataclass
class Row:
    """One work: ours beside the hand-written way and beside sleap-io.

    ``ours``, ``limit`` and ``peer`` are in ``unit``: ``s`` of CPU time, ``s wall``, or
    bytes ``B``. ``peers`` holds each peer that was measured, or why it was not.
    """

    work: str
    ours: float
    unit: str = "s"
    limit: float | None = None
    peer: float | None = None
    peer_name: str = ""
    extra: int | None = None
    result: int | None = None
    verdicts: list[tuple[str, bool | None, str]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours in terms of the limit."""
        return None if not self.limit else self.ours / self.limit

    @property
    def faster(self) -> float | None:
        """Sleap-io's in terms of ours."""
        return None if self.peer is None or not self.ours else self.peer / self.ours

    def judge(self, bounds: Sequence[Bound]) -> None:
        """Note which bounds hold."""
        self.verdicts = [(bound.text, bound.holds(self), bound.size) for bound in bounds]

    def take_memory(self, other: Row) -> None:
        """Take the memory from the same work, measured where it can be seen."""
        self.extra, self.result = other.extra, other.result
        self.details["limit extra"] = other.details.get("limit extra")
        judged = {text: holds for text, holds, _ in other.verdicts if text.startswith(_PEAK)}
        self.verdicts = [(text, judged.get(text, holds), at) for text, holds, at in self.verdicts]

    def to_json(self) -> dict[str, Any]:
        """Return everything, with what follows from it."""
        return {**asdict(self), "ratio": self.ratio, "faster": self.faster}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Row:
        """Read what `to_json` gave."""
        rest = {k: v for k, v in values.items() if k not in ("ratio", "faster", "verdicts")}
        text = [(str(t), holds, str(size)) for t, holds, size in values["verdicts"]]
        return cls(**rest, verdicts=text)


def times_limit(most: float, size: str = "M") -> Bound:
    """Bound ours by a multiple of the hand-written way."""
    text = f"<= {most:g} x limit"
    return Bound(text, lambda row: None if row.ratio is None else row.ratio <= most, size)


def times_peer(least: float, size: str = "M") -> Bound:
    """Demand that ours is so many times faster than sleap-io."""
    text = "faster than sleap-io" if least == 1 else f">= {least:g} x faster"
    return Bound(text, lambda row: None if row.faster is None else row.faster >= least, size)


def times_result(most: float, size: str = "M") -> Bound:
    """Bound the memory at the peak by a multiple of the result's size."""

    def holds(row: Row) -> bool | None:
        known = row.extra is not None and row.result
        return row.extra <= most * row.result if known else None  # type: ignore[operator]  # both known

    return Bound(f"{_PEAK} <= {most:g} x result", holds, size)


def at_most(most: float, text: str, size: str = "M") -> Bound:
    """Bound ours itself."""
    return Bound(text, lambda row: row.ours <= most, size)


def best_of_peers(peers: dict[str, float]) -> tuple[str, float] | None:
    """Return the fastest peer."""
    return min(peers.items(), key=lambda item: item[1]) if peers else None


def render(rows: Sequence[Row], size: str) -> str:
    """Lay rows out as one table."""
    head = ["work", "ours", "limit", "ratio", "sleap-io", "times faster", "peak MB", "bound", "met"]
    lines = [head, *(_cells(row, size) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k in (0, 7, 8) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in ruled
    )


def _cells(row: Row, size: str) -> list[str]:
    peer = _amount(row.peer, row.unit) or str(row.details.get("peer left out", ""))
    return [
        row.work,
        _amount(row.ours, row.unit),
        _amount(row.limit, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"{peer} {row.peer_name}".strip(),
        "" if row.faster is None else f"{row.faster:,.3g}",
        "" if row.extra is None else f"{row.extra / 1e6:,.0f}",
        "; ".join(
            text if meant == size else f"{text} ({meant})" for text, _, meant in row.verdicts
        ),
        "; ".join(_verdict(holds, meant == size) for _, holds, meant in row.verdicts),
    ]


def _verdict(holds: bool | None, binding: bool) -> str:
    """Say whether a bound holds; in brackets at a size for which it was not meant."""
    if holds is None:
        return "-"
    word = "yes" if holds else "NO" if binding else "no"
    return word if binding else f"({word})"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "B":
        return f"{value / 1e6:,.1f} MB"
    for factor, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= factor:
            return f"{value / factor:.3g} {name}"
    return f"{value / 1e-6:.3g} us"
