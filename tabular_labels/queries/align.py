"""Give the rows of one project the ids of another's rows that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Catalog, Structure

__all__ = ["aligned"]


def aligned(
    old: Catalog, old_structure: Structure, new: Catalog, new_structure: Structure
) -> tuple[Catalog, Structure]:
    """Translate ids of a new project to those of an old one.

    Rows go together when they have equal contents: videos by filename, tracks by name
    and ``spawned_on``, skeletons by name and node names, frames by video and index,
    instances by frame and place in it; of equal ones the first with the first. Rows
    without a partner get ids above those of the old project.

    Returns:
        The new catalog and structure with other ids; rows stay where they are.
    """
    videos = _Ids.match(old.videos, new.videos, "video_id", ["filename"])
    tracks = _Ids.match(old.tracks, new.tracks, "track_id", ["name", "spawned_on"])
    before, after = _skeleton_contents(old), _skeleton_contents(new)
    skeletons = _Ids.match(before, after, "skeleton_id", ["name", "nodes"])
    catalog = new
    for name, table in new.tables().items():
        for ids in (videos, tracks, skeletons):
            if ids.key in table.columns:
                table = table.with_columns(ids.translate(table[ids.key]))
        catalog = replace(catalog, **{name: table})  # type: ignore[arg-type]  # tables only
    frames = new_structure.frames.with_columns(videos.translate(new_structure.frames["video_id"]))
    of_frames = _Ids.match(old_structure.frames, frames, "frame_id", ["video_id", "frame_idx"])
    moved = new_structure.instances.with_columns(
        of_frames.translate(new_structure.instances["frame_id"]),
        tracks.translate(new_structure.instances["track_id"]),
        skeletons.translate(new_structure.instances["skeleton_id"]),
    )
    place = ["frame_id", "instance_idx"]
    of_instances = _Ids.match(old_structure.instances, moved, "instance_id", place)
    instances = moved.with_columns(
        of_instances.translate(moved["instance_id"]),
        of_instances.translate(moved["from_predicted"]),
    )
    frames = frames.with_columns(of_frames.translate(frames["frame_id"]))
    n_nodes = np.zeros(max(int(skeletons.new.max(initial=0)) + 1, 1), np.int64)
    n_nodes[skeletons.new] = new_structure.n_nodes[skeletons.old]
    return catalog, Structure(
        frames, instances, n_nodes, new_structure.part, new_structure.point_start
    )


class _Ids:
    """Which id stands for which."""

    def __init__(self, key: str, old: IntArray, new: IntArray) -> None:
        self.key, self.old, self.new = key, old, new

    @classmethod
    def match(cls, old: pl.DataFrame, new: pl.DataFrame, key: str, content: Sequence[str]) -> _Ids:
        """Match rows of equal content, the first with the first."""
        nth = pl.int_range(pl.len()).over(content).alias("nth")
        numbered = [table.select(key, *content).with_columns(nth) for table in (old, new)]
        partner = numbered[1].join(
            numbered[0].rename({key: "partner"}),
            on=[*content, "nth"],
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )["partner"]
        ids = partner.fill_null(0).to_numpy().astype(np.int64)
        lost = partner.is_null().to_numpy()
        first = int(old[key].to_numpy().max(initial=0)) + 1 if old.height else 0
        ids[lost] = first + np.arange(int(lost.sum()))
        return cls(key, new[key].to_numpy().astype(np.int64), ids)

    def translate(self, column: pl.Series) -> pl.Series:
        """Replace ids in a column; null stays null."""
        rows = rows_of_ids(self.old, column.fill_null(0).to_numpy())
        values = np.append(self.new, 0)[rows]
        made = pl.Series(column.name, values, dtype=column.dtype)
        return made.set(column.is_null(), None) if column.null_count() else made


def _skeleton_contents(catalog: Catalog) -> pl.DataFrame:
    """Put the node names of each skeleton beside it, in their order."""
    nodes = catalog.nodes.group_by("skeleton_id", maintain_order=True).agg(
        nodes=pl.col("name").str.join("\0")
    )
    return catalog.skeletons.join(nodes, on="skeleton_id", how="left", maintain_order="left")
