"""Matching videos answers as its slow twin, whatever they are made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.tables import Catalog
from tabular_labels.model.video import Video
from tabular_labels.queries.lineage import known_keys, with_lineage
from tabular_labels.queries.match_videos import match_lineage, match_videos
from tabular_labels.video_marks import mark_videos
from tests import match_reference

ZEROS = np.zeros((20, 9, 10, 1), np.uint8)
LAST = ZEROS.copy()
LAST[-1, -1, -2, 0] = 1  # where no quick look finds it
ARRAYS = (ZEROS, ZEROS.copy(), LAST, ZEROS + 1, ZEROS.astype(bool), ZEROS[:, :8], ZEROS[:0])
SHARED = [Video.from_numpy(array) for array in ARRAYS] + [Video(""), Video("", n_frames=20)]
UNNAMED = ("", "Raw Video Data")
NAMES = ("fly.mp4", "/lab/day1/fly.mp4", "/b/lab/day1/fly.mp4", "/lab/day2/fly.mp4", "bee.mp4")

videos = st.one_of(
    st.sampled_from(SHARED),
    st.sampled_from(ARRAYS).map(Video.from_numpy),
    st.sampled_from(ARRAYS).map(lambda array: Video.from_numpy(array.copy("F"))),
    st.builds(
        lambda name, n: Video(name, n_frames=n),
        st.sampled_from(UNNAMED),
        st.sampled_from((None, 1, 20)),
    ),
    st.builds(
        lambda name, n: Video(name, n_frames=n), st.sampled_from(NAMES), st.sampled_from((None, 20))
    ),
)
lists = st.lists(videos, max_size=4, unique_by=id)
rules = st.sampled_from(("auto", "classic", "name", "shape", "none"))
Side = tuple[Catalog, Objects]


def side(listed: list[Video], first: int, project: str) -> Side:
    """Give videos keys from some number on."""
    tables = catalog_tables(listed, [], [])
    keys = pl.col("video_id") + pl.lit(first, pl.UInt32)
    tables["videos"] = tables["videos"].with_columns(keys)
    catalog = Catalog(**tables, project_id=project)  # type: ignore[arg-type]  # tables only
    return catalog, Objects(dict(enumerate(listed, first)), {}, {})


@st.composite
def two_sides(draw: st.DrawFn) -> tuple[Side, Side]:
    """Draw videos of two projects: of one origin, of a known one, or of two."""
    base = side(draw(lists), draw(st.integers(0, 2)), "ours")
    new = side(draw(lists), draw(st.integers(0, 2)), draw(st.sampled_from(("ours", "theirs"))))
    if draw(st.booleans()):
        keys = draw(st.permutations(list(base[1].video_by_id)))
        known = dict(zip(new[1].video_by_id, keys, strict=False))
        base = replace(base[0], provenance=with_lineage({}, new[0], known, {})), base[1]
    return base, new


@given(two_sides(), rules)
def test_videos_are_matched_as_the_slow_way(sides: tuple[Side, Side], rule: Any) -> None:
    (base, mine), (new, theirs) = sides
    found = match_videos(base, new, rule, mark_videos(mine, theirs))
    origin = known_keys(base, new, "videos")
    assert found.select("video_id", "base_video_id", "by", "candidates").rows() == (
        match_reference.match_videos(mine.video_by_id, theirs.video_by_id, rule, origin)
    )


@given(two_sides())
def test_the_origin_of_videos_is_found_as_the_slow_way(sides: tuple[Side, Side]) -> None:
    (base, mine), (new, theirs) = sides
    found = match_lineage(base, new, mark_videos(mine, theirs))
    origin = known_keys(base, new, "videos")
    assert found == match_reference.of_one_origin(mine.video_by_id, theirs.video_by_id, origin)


@given(two_sides(), rules)
def test_different_pictures_are_never_one_video(sides: tuple[Side, Side], rule: Any) -> None:
    (base, mine), (new, theirs) = sides
    found = match_videos(base, new, rule, mark_videos(mine, theirs))
    for there, here in found.select("video_id", "base_video_id").drop_nulls().iter_rows():
        a, b = mine.video_by_id[here].array, theirs.video_by_id[there].array
        assert a is None or b is None or np.array_equal(a, b)


@given(two_sides(), rules)
def test_without_marks_only_origin_or_shape_match_what_has_no_name(
    sides: tuple[Side, Side], rule: Any
) -> None:
    (base, _), (new, _) = sides
    found = (
        match_videos(base, new, rule)
        .filter(pl.col("filename").is_in(UNNAMED))
        .drop_nulls("base_video_id")
    )
    assert set(found["by"]) <= {"lineage", "shape"}
