"""What of two projects is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tabular_labels.errors import MergeError
from tabular_labels.model.objects import catalog_tables
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Catalog
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.lineage import LINEAGE_KEY, PROJECTS_KEPT, known_keys, with_lineage
from tabular_labels.queries.match import match_catalogs
from tabular_labels.queries.match_videos import match_lineage
from tabular_labels.queries.merge_catalog import merge_catalogs
from tabular_labels.queries.video_marks import VideoMark, VideoMarks


def catalog(
    videos: list[Video] | None = None,
    skeletons: list[Skeleton] | None = None,
    tracks: list[Track] | None = None,
    **facts: Any,
) -> Catalog:
    tables: dict[str, Any] = dict(catalog_tables(videos or [], skeletons or [], tracks or []))
    return Catalog(**tables, **facts)


def of_files(*names: str, **facts: Any) -> Catalog:
    return catalog([Video.from_filename(name, **facts) for name in names])


def pairs_of(base: Catalog, new: Catalog, rule: Any = "auto") -> list[tuple[int | None, str]]:
    match = match_catalogs(base, new, videos=rule)
    return list(match.videos.select("base_video_id", "by").iter_rows())


@pytest.mark.parametrize(
    ("ours", "theirs", "by"),
    [
        ("/lab/day1/left.mp4", "/lab/day1/left.mp4", "same"),
        ("/lab/day1/left.mp4", "\\lab\\day1\\left.mp4", "path"),
        ("C:\\lab\\left.mp4", "c:/lab/left.mp4", "path"),
        ("/home/a/proj/day1/left.mp4", "D:\\data\\proj\\day1\\left.mp4", "tail"),
        ("left.mp4", "/home/a/day1/left.mp4", "tail"),
        ("/x/day1/left.mp4", "day1\\left.mp4", "tail"),
        ("/a/tmp_123_lab/day1/left.mp4", "/b/lab/day1/left.mp4", "tail"),
    ],
)
def test_videos_are_matched_by_paths_of_either_system(ours: str, theirs: str, by: str) -> None:
    assert pairs_of(of_files(ours), of_files(theirs)) == [(0, by)]


def test_equal_basenames_in_other_folders_are_reported_not_guessed() -> None:
    match = match_catalogs(of_files("/lab/day1/left.mp4"), of_files("/lab/day2/left.mp4"))
    row = match.videos.row(0, named=True)
    assert (row["base_video_id"], row["by"], row["candidates"]) == (None, "ambiguous", [0])


def test_several_videos_at_the_end_of_a_path_are_reported_not_guessed() -> None:
    base = of_files("/lab/day1/left.mp4", "/lab/day2/left.mp4")
    match = match_catalogs(base, of_files("left.mp4"))
    assert match.videos.select("by", "candidates").row(0) == ("ambiguous", [0, 1])


def test_two_videos_never_match_one() -> None:
    assert pairs_of(of_files("/lab/day1/left.mp4"), of_files("left.mp4", "day1/left.mp4")) == [
        (None, "ambiguous"),
        (0, "tail"),
    ]
    assert pairs_of(of_files("a.mp4"), of_files("a.mp4", "a.mp4")) == [(None, "ambiguous")] * 2


def test_the_longest_equal_tail_decides() -> None:
    base = of_files("/a/one/day1/cam/left.mp4", "/a/two/day1/cam/left.mp4")
    assert pairs_of(base, of_files("/b/two/day1/cam/left.mp4")) == [(1, "tail")]


def test_videos_of_other_sizes_are_not_the_same() -> None:
    small = of_files("left.mp4", n_frames=10, height=4, width=4)
    large = of_files("left.mp4", n_frames=11, height=4, width=4)
    assert pairs_of(small, large) == [(None, "ambiguous")]
    assert pairs_of(small, of_files("left.mp4")) == [(0, "same")]


def test_the_name_or_the_shape_count_when_asked_for() -> None:
    base = of_files("/lab/day1/left.mp4", n_frames=10, height=4, width=5)
    assert pairs_of(base, of_files("/lab/day2/left.mp4"), "name") == [(0, "name")]
    other = of_files("right.mp4", n_frames=10, height=4, width=5)
    assert pairs_of(base, other, "shape") == [(0, "shape")]
    assert pairs_of(base, other, "name") == [(None, "none")]
    assert pairs_of(base, base, "none") == [(None, "none")]


def test_the_classic_rule_wants_three_parts() -> None:
    assert pairs_of(of_files("z/foo.mp4"), of_files("foo.mp4"), "classic") == [(None, "ambiguous")]
    assert pairs_of(of_files("/q/x/y/foo.mp4"), of_files("x/y/foo.mp4"), "classic") == [(0, "tail")]


def test_embedded_pictures_match_their_source_but_not_their_neighbours() -> None:
    def embedded(number: int, source: str) -> Video:
        backend = {
            "filename": ".",
            "dataset": f"video{number}/video",
            "source_video": {"backend": {"filename": source}},
        }
        return Video("/lab/labels.pkg.slp", backend)

    package = catalog([embedded(0, "/lab/a.mp4"), embedded(1, "/lab/b.mp4")])
    plain = of_files("/lab/b.mp4", "/lab/a.mp4")
    assert pairs_of(plain, package) == [(1, "source"), (0, "source")]
    assert [by for _, by in pairs_of(package, package)] == ["lineage", "lineage"]
    other = replace(package, project_id="other")
    assert pairs_of(package, other) == [(0, "same"), (1, "same")]


def marked(base: list[VideoMark], new: list[VideoMark]) -> VideoMarks:
    return VideoMarks(dict(enumerate(base)), dict(enumerate(new)))


NAMELESS = [Video("", n_frames=10, height=4, width=4) for _ in range(2)]
TWO = catalog(NAMELESS, project_id="ours")


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ([(0, 5), (1, 6)], [(2, 6)], (1, "pictures", [])),
        ([(0, 5), (1, 5)], [(1, 5)], (1, "object", [])),
        ([(0, 5), (1, 5)], [(2, 5)], (None, "ambiguous", [0, 1])),
        ([(0, 5), (1, 6)], [(2, 7)], (None, "none", [])),
        ([(0, 5), (1, None)], [(2, 7)], (None, "ambiguous", [1])),
        ([(0, 5), (1, None)], [(1, None)], (1, "object", [])),
        ([(0, 5), (1, 6)], [(2, None)], (None, "ambiguous", [0, 1])),
        ([], [], (None, "ambiguous", [0, 1])),
    ],
)
def test_videos_without_a_filename_match_by_object_or_pictures(
    base: Any, new: Any, expected: Any
) -> None:
    marks = marked([VideoMark(*each) for each in base], [VideoMark(*each) for each in new])
    other = catalog(NAMELESS[:1], project_id="theirs")
    found = match_catalogs(TWO, other, marks=marks).videos
    assert found.select("base_video_id", "by", "candidates").row(0) == expected
    assert pairs_of(TWO, other, "none") == [(None, "none")]


def test_videos_without_a_filename_match_by_origin_unless_something_contradicts() -> None:
    assert pairs_of(TWO, TWO) == [(0, "lineage"), (1, "lineage")]
    swapped = marked([VideoMark(0, 5), VideoMark(1, 6)], [VideoMark(2, 6), VideoMark(3, 5)])
    found = match_catalogs(TWO, TWO, marks=swapped).videos
    assert found.select("base_video_id", "by").rows() == [(1, "pictures"), (0, "pictures")]
    assert match_lineage(TWO, TWO, swapped) == {}
    longer = catalog([Video("", n_frames=11), NAMELESS[0]], project_id="ours")
    assert pairs_of(TWO, longer) == [(None, "none"), (1, "lineage")]
    assert match_lineage(TWO, longer) == {1: 1}


def test_the_shape_of_what_has_no_filename_counts_when_asked_for() -> None:
    one, other = (catalog(NAMELESS[:1], project_id=name) for name in ("ours", "theirs"))
    assert pairs_of(one, other, "shape") == [(0, "shape")]
    marks = marked([VideoMark(0, 5)], [VideoMark(1, 6)])
    assert match_catalogs(one, other, videos="shape", marks=marks).videos["by"][0] == "none"


def test_skeletons_match_by_names_in_any_order() -> None:
    ours = catalog(skeletons=[Skeleton(["a", "b"], [("a", "b")])])
    turned = catalog(skeletons=[Skeleton(["b", "a"], [("a", "b")])])
    match = match_catalogs(ours, turned)
    assert match.skeletons.select("base_skeleton_id", "by", "same_edges").row(0) == (
        0,
        "same",
        True,
    )
    assert match.nodes["base_node_id"].to_list() == [1, 0]


def test_edges_in_the_other_direction_are_other_edges() -> None:
    ours = catalog(
        skeletons=[Skeleton(["a", "b"], [("b", "a")]), Skeleton(["a", "b"], [("a", "b")])]
    )
    match = match_catalogs(ours, catalog(skeletons=[Skeleton(["a", "b"], [("a", "b")])]))
    assert match.skeletons.select("base_skeleton_id", "by").row(0) == (1, "same")
    alone = catalog(skeletons=[Skeleton(["a", "b"], [("b", "a")])])
    match = match_catalogs(alone, catalog(skeletons=[Skeleton(["a", "b"], [("a", "b")])]))
    assert match.skeletons.select("by", "same_edges").row(0) == ("nodes", False)


def test_added_nodes_bring_their_edges() -> None:
    ours = catalog(skeletons=[Skeleton(["a", "b"], [("a", "b")])])
    theirs = catalog(skeletons=[Skeleton(["c", "b", "a"], [("b", "a"), ("b", "c")], [("a", "c")])])
    match = match_catalogs(ours, theirs)
    assert match.skeletons["by"].to_list() == ["part"]
    assert match.nodes["base_node_id"].to_list() == [None, 1, 0]
    merged = merge_catalogs(match)
    assert merged.catalog.nodes["name"].to_list() == ["a", "b", "c"]
    assert merged.catalog.edges.select("kind", "source", "target", "position").rows() == [
        ("edge", 0, 1, 0),
        ("edge", 1, 2, 1),
        ("symmetry", 0, 2, 0),
    ]
    assert merged.base.skeletons[0].nodes.tolist() == [0, 1, -1]  # type: ignore[union-attr]  # nodes were added
    assert merged.new.skeletons[0].nodes.tolist() == [2, 1, 0]  # type: ignore[union-attr]  # nodes move


def test_skeletons_without_a_common_node_stay_two() -> None:
    match = match_catalogs(
        catalog(skeletons=[Skeleton(["a"])]), catalog(skeletons=[Skeleton(["b"], name="other")])
    )
    assert match.skeletons["by"].to_list() == ["none"]
    merged = merge_catalogs(match).catalog
    assert merged.skeletons["name"].to_list() == [None, "other"]
    with pytest.raises(MergeError, match=r"no node name in common"):
        merge_catalogs(match.with_keys("skeletons", {0: 0}))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("lineage", [None, None]),
        ("name_and_spawned_on", [0, None]),
        ("name", [0, 1]),
        ("none", [None, None]),
    ],
)
def test_tracks_of_other_origin_are_matched_on_request(rule: Any, expected: list[Any]) -> None:
    ours = catalog(tracks=[Track(0, "a"), Track(0, "b")])
    theirs = catalog(tracks=[Track(0, "a"), Track(7, "b")])
    match = match_catalogs(ours, theirs, tracks=rule)
    assert match.tracks["base_track_id"].to_list() == expected


def test_tracks_of_one_origin_are_the_same_while_they_say_the_same() -> None:
    ours = catalog(tracks=[Track(0, "a"), Track(0, "b")], project_id="p")
    theirs = catalog(tracks=[Track(0, "a"), Track(0, "renamed")], project_id="p")
    match = match_catalogs(ours, theirs)
    assert match.tracks["base_track_id"].to_list() == [0, None]


def test_tracks_of_one_name_are_not_guessed() -> None:
    ours = catalog(tracks=[Track(0, "a"), Track(3, "a")])
    match = match_catalogs(ours, catalog(tracks=[Track(5, "a")]), tracks="name")
    assert match.tracks.select("base_track_id", "by").row(0) == (None, "ambiguous")


def test_what_a_merge_wrote_down_is_known_later_in_both_directions() -> None:
    base, new = catalog(project_id="base"), catalog(project_id="new")
    merged = replace(base, provenance=with_lineage(base.provenance, new, {0: 2}, {0: 4, 1: 5}))
    assert known_keys(merged, new, "tracks") == {0: 4, 1: 5}
    assert known_keys(new, merged, "tracks") == {4: 0, 5: 1}
    assert known_keys(merged, new, "videos") == {0: 2}
    # A third project that was merged into the second is known too.
    third = catalog(project_id="third")
    second = replace(new, provenance=with_lineage({}, third, {}, {9: 1}))
    merged = replace(base, provenance=with_lineage({}, second, {}, {0: 4, 1: 5}))
    assert known_keys(merged, third, "tracks") == {9: 5}


def test_lineage_is_bounded_and_forgives_what_others_wrote() -> None:
    provenance: dict[str, Any] = {}
    for number in range(PROJECTS_KEPT + 3):
        provenance = with_lineage(provenance, catalog(project_id=str(number)), {}, {0: number})
    assert next(iter(provenance[LINEAGE_KEY])) == "3"
    assert len(provenance[LINEAGE_KEY]) == PROJECTS_KEPT
    odd = {"new": {"tracks": [[1], "x", [0, 0, 2**60], [0, -1, 2], [True, 0, 1]]}}
    for value in ("text", odd, {"new": 7}):
        base = catalog(project_id="base", provenance={LINEAGE_KEY: value})
        assert known_keys(base, catalog(project_id="new"), "tracks") == {}


def test_a_match_is_edited_before_it_is_used() -> None:
    match = match_catalogs(of_files("/lab/day1/left.mp4"), of_files("/lab/day2/left.mp4"))
    changed = match.with_keys("videos", {0: 0})
    assert changed.videos.select("base_filename", "by").row(0) == ("/lab/day1/left.mp4", "given")
    assert merge_catalogs(changed).catalog.videos.height == 1
    assert merge_catalogs(changed.with_keys("videos", {0: None})).catalog.videos.height == 2
    assert merge_catalogs(match).catalog.videos.height == 2


@pytest.mark.parametrize("keys", [{5: 0}, {0: 5}])
def test_unknown_keys_are_refused(keys: dict[int, int | None]) -> None:
    match = match_catalogs(of_files("a.mp4"), of_files("b.mp4"))
    with pytest.raises(MergeError, match=r"found keys \[5\]"):
        match.with_keys("videos", keys)


def test_two_videos_that_would_become_one_are_refused() -> None:
    match = match_catalogs(of_files("a.mp4"), of_files("b.mp4", "c.mp4"))
    with pytest.raises(MergeError, match=r"2 videos of the new project.*'a\.mp4'"):
        merge_catalogs(match.with_keys("videos", {0: 0, 1: 0}))


def test_marks_are_merged_without_repeats() -> None:
    video = Video.from_filename("a.mp4")
    anchors = {video: [(3, 1.0, 2.0), (4, 1.0, 2.0)]}
    tables: dict[str, Any] = dict(catalog_tables([video], [], [], negative_anchors=anchors))
    base = Catalog(**{**tables, "negative_anchors": tables["negative_anchors"].head(1)})
    merged = merge_catalogs(match_catalogs(base, Catalog(**tables))).catalog
    assert merged.negative_anchors.rows() == [(0, 3, 1.0, 2.0), (0, 4, 1.0, 2.0)]


def test_keys_that_no_longer_fit_are_an_error() -> None:
    base = of_files("a.mp4")
    videos = base.videos.with_columns(video_id=base.videos["video_id"] + (2**32 - 1))
    with pytest.raises(MergeError, match=r"videos: found keys up to 4294967295"):
        merge_catalogs(match_catalogs(replace(base, videos=videos), of_files("b.mp4")))
