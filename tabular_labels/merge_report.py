"""`MergePlan` and `MergeReport`: what a merge would do, and what it did."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from tabular_labels.merge_match import Match, as_text
from tabular_labels.merging import Decided
from tabular_labels.queries.merge_plan import (
    MergeCounts,
    plan_dropped,
    plan_frames,
    plan_instances,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tabular_labels.queries.merge_catalog import MergedCatalog
    from tabular_labels.queries.merge_strategies import Decision

__all__ = ["MergePlan", "MergeReport"]

_LABELS = {
    "frames_only_in_base": "frames only here",
    "frames_only_in_new": "frames only there",
    "frames_in_both": "frames in both",
}
_NAMED = 5


class MergeReport:
    """What a merge did, or would do, in numbers.

    Attributes:
        strategy: How conflicts were decided.
        tolerance: Up to how many pixels apart poses were versions of one.
        counts: How much there was of what, see `MergeCounts`; each is an attribute too.
        conflicts: The first places with instances in conflict, as filename and frame index.
        n_namesakes: How many tracks are added although these labels have one of their name.
    """

    def __init__(
        self,
        strategy: str,
        tolerance: float,
        counts: MergeCounts,
        conflicts: Sequence[tuple[str, int]],
        n_namesakes: int = 0,
    ) -> None:
        self.strategy = strategy
        self.tolerance = tolerance
        self.counts = counts
        self.conflicts = list(conflicts)
        self.n_namesakes = n_namesakes

    @property
    def changes(self) -> bool:
        """Whether there was, or is, anything to do."""
        return self.counts.changes

    def __getattr__(self, name: str) -> int:
        """Return one of the counts."""
        counts = self.__dict__.get("counts")
        if counts is None or name not in vars(counts):
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message)
        number: int = vars(counts)[name]
        return number

    def table(self) -> pl.DataFrame:
        """Return the counts as a table: ``what`` (String), ``n`` (Int64)."""
        rows = [(_LABELS.get(k, k.replace("_", " ")), n) for k, n in vars(self.counts).items()]
        return pl.DataFrame(rows, schema={"what": pl.String, "n": pl.Int64}, orient="row")

    def summary(self) -> str:
        """Say what was done in a few lines."""
        exact = "exact" if self.tolerance == 0 else f"within {self.tolerance:g} pixels"
        shown = self.table().filter(pl.col("n") > 0).rows()
        lines = [f"merge: {self.strategy}, {exact}"]
        lines += [f"  {what}: {n:,}" for what, n in shown]
        if not self.changes:
            lines.append("  nothing changes")
        if self.conflicts:
            lines.append(f"  first conflicts: {_by_video(self.conflicts[:_NAMED])}")
        if self.n_namesakes:
            lines.append(
                f"  tracks kept apart from one of the same name: {self.n_namesakes:,} "
                '(if they are the same animals: tracks="name")'
            )
        return "\n".join(lines)

    __str__ = __repr__ = summary


class MergePlan:
    """What `Labels.merge` would do, as tables; nothing has changed yet.

    Examples:
        >>> import tabular_labels as tl
        >>> fly, video = tl.Skeleton(["head"]), tl.Video("fly.mp4")
        >>> ours = tl.Labels([tl.LabeledFrame(video, 0, [tl.Instance(fly, [[1, 2]])])])
        >>> theirs = tl.Labels([tl.LabeledFrame(video, 0, [tl.Instance(fly, [[4, 6]])])])
        >>> plan = ours.merge_plan(theirs)
        >>> plan.instances.select("frame_idx", "status", "action", "distance").row(0)
        (0, 'conflicting', 'add', 5.0)
        >>> print(plan.report)
        merge: keep_both, exact
          frames in both: 1
          instances conflicting: 1
          instances added: 1
          first conflicts: fly.mp4 at frame 0
    """

    def __init__(self, match: Match, decided: Decided) -> None:
        self.match = match
        self.decided = decided

    @cached_property
    def frames(self) -> pl.DataFrame:
        """Every place of both labels, see `queries.merge_plan.plan_frames`."""
        return self._of_parts(plan_frames)

    @cached_property
    def instances(self) -> pl.DataFrame:
        """Every instance of the other labels, see `queries.merge_plan.plan_instances`."""
        return self._of_parts(plan_instances)

    @cached_property
    def dropped(self) -> pl.DataFrame:
        """Instances of these labels that the merge leaves out."""
        return self._of_parts(plan_dropped)

    def _of_parts(self, plan: Callable[[MergedCatalog, Decision], pl.DataFrame]) -> pl.DataFrame:
        catalog = self.decided.catalog
        return pl.concat([plan(catalog, decision) for decision in self.decided.decisions()])

    @cached_property
    def report(self) -> MergeReport:
        """The numbers."""
        decided = self.decided
        return MergeReport(
            decided.strategy,
            decided.tolerance,
            decided.count(),
            decided.conflicts(),
            decided.n_namesakes,
        )

    def __str__(self) -> str:
        """Show what matched, the numbers, and the first conflicts."""
        at_odds = self.instances.filter(pl.col("status") == "conflicting")
        text = f"{self.match}\n{self.report}"
        return (
            f"{text}\nconflicts (distance in pixels):\n{as_text(at_odds)}"
            if at_odds.height
            else text
        )

    __repr__ = __str__


def _by_video(places: Sequence[tuple[str, int]]) -> str:
    """Name each video once, with the indices of its frames."""
    found: dict[str, list[str]] = {}
    for name, index in places:
        found.setdefault(name, []).append(str(index))
    return "; ".join(
        f"{name} at frame{'s' if len(at) > 1 else ''} {', '.join(at)}" for name, at in found.items()
    )
