"""Which videos of two projects are the same recording, from what the projects say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import polars as pl

from tabular_labels.model.tables import Catalog
from tabular_labels.queries.known_videos import KnownVideo, known_videos
from tabular_labels.queries.lineage import known_keys
from tabular_labels.queries.video_marks import NO_MARKS, VideoMarks

__all__ = ["VIDEO_MATCHES", "VideoRule", "match_lineage", "match_videos"]

VideoRule: TypeAlias = Literal["auto", "classic", "name", "shape", "none"]

VIDEO_MATCHES: dict[str, pl.DataType | type[pl.DataType]] = {
    "video_id": pl.UInt32,
    "filename": pl.String,
    "base_video_id": pl.UInt32,
    "base_filename": pl.String,
    "by": pl.String,
    "candidates": pl.List(pl.UInt32),
}
"""Columns of the table of matched videos; ``base_video_id`` is null where there is none."""

CLASSIC_PARTS = 3
"""Paths with so many equal last parts were one video for the classic library."""


def match_videos(
    base: Catalog, new: Catalog, rule: VideoRule = "auto", marks: VideoMarks = NO_MARKS
) -> pl.DataFrame:
    r"""Find for each video of a project the same one of another.

    Nothing is opened; what counts is what the projects say. With ``"auto"``, in order:

    - ``object``: one `Video` without a filename is in both;
    - ``lineage``: both projects have one origin, or an earlier merge wrote the video
      down, and the basenames are equal;
    - ``pictures``: arrays that hold the same pictures;
    - ``same``: equal filename and backend;
    - ``path``: equal paths, with separators of either system;
    - ``source``: one holds pictures of the other, or both of the same recording;
    - ``tail``: the last three parts of the paths are equal, or one path is the end of
      the other; of several such videos the one with the longest equal tail.

    Each rule takes a pair only if neither video has a second candidate by that rule,
    and the number of frames, the height and the width do not differ where both are
    known (a lineage of files is trusted without). Two arrays with different pictures are
    never the same. A video without a filename whose pictures are not at hand is found by
    ``object``, by lineage, or by its shape when that is asked for. What remains is not
    guessed: ``by`` says ``ambiguous`` and ``candidates`` holds the videos with the same
    basename, or without a filename and with nothing that contradicts.

    Args:
        base: The project to find them in.
        new: The project whose videos are looked for.
        rule: ``classic`` as the classic library: equal paths, sources or three last
            parts, and no lineage; ``name`` also takes equal basenames, ``shape`` equal
            number of frames, height and width; ``none`` matches nothing.
        marks: What only the videos themselves can say.

    Returns:
        One row per video of ``new``, in its order: ``video_id``, ``filename``,
        ``base_video_id`` and ``base_filename`` (null without a match), ``by``,
        ``candidates``.

    Examples:
        >>> from tabular_labels.model.objects import catalog_tables
        >>> from tabular_labels.model.video import Video
        >>> ours = Catalog(**catalog_tables([Video("/home/a/day1/cam/fly.mp4")], [], []))
        >>> theirs = Catalog(**catalog_tables([Video(r"D:\day1\cam\fly.mp4")], [], []))
        >>> match_videos(ours, theirs).select("base_filename", "by").row(0)
        ('/home/a/day1/cam/fly.mp4', 'tail')

    Source:
        ``Video.match_to`` and ``Labels.unify`` of the classic library.
    """
    mine, theirs = known_videos(base.videos, marks.base), known_videos(new.videos, marks.new)
    found: dict[int, tuple[KnownVideo, str]] = {}
    if rule != "none":
        lineage = known_keys(base, new, "videos") if rule != "classic" else {}
        for by, score in _levels(rule, lineage):
            if marks.new or by not in _BY_MARKS:
                _take(mine, theirs, found, by, score)
    return _table(mine, theirs, found, is_asked=rule != "none")


def match_lineage(base: Catalog, new: Catalog, marks: VideoMarks = NO_MARKS) -> dict[int, int]:
    """Find the videos of one origin, by the first two rules of `match_videos`.

    Args:
        base: The project to find them in.
        new: The project whose videos are looked for.
        marks: What only the videos themselves can say.

    Returns:
        Keys of ``base`` by keys of ``new``.

    Examples:
        >>> match_lineage(Catalog(), Catalog())
        {}
    """
    mine, theirs = known_videos(base.videos, marks.base), known_videos(new.videos, marks.new)
    found: dict[int, tuple[KnownVideo, str]] = {}
    for by, score in _levels("auto", known_keys(base, new, "videos")):
        if by in ("object", "lineage"):
            _take(mine, theirs, found, by, score)
    return {key: video.key for key, (video, _) in found.items()}


_Score: TypeAlias = Callable[[KnownVideo, KnownVideo], int]


def _levels(rule: VideoRule, lineage: Mapping[int, int]) -> Sequence[tuple[str, _Score]]:
    """List rules from the surest on; each scores a pair, 0 for no."""
    levels: list[tuple[str, _Score]] = [
        ("object", lambda a, b: a.mark.is_same_object(b.mark)),
        ("lineage", lambda a, b: lineage.get(b.key) == a.key and _is_still(a, b)),
        ("pictures", lambda a, b: a.mark.is_same_pictures(b.mark)),
        ("same", _says_same),
        ("path", lambda a, b: bool(a.names and b.names) and a.names[0] == b.names[0]),
        ("source", lambda a, b: not set(a.names).isdisjoint(b.names)),
        ("tail", _classic_tail if rule == "classic" else _whole_tail),
    ]
    if rule in ("name", "shape"):
        levels.append(("name", lambda a, b: min(a.tail(b), 1)))
    if rule == "shape":
        levels.append(("shape", lambda a, b: None not in a.shape and a.shape == b.shape))
    return levels


_BY_MARKS = frozenset({"object", "pictures"})
"""Rules that the tables alone cannot answer."""

_TRUSTED = _BY_MARKS | {"lineage"}
"""Rules that need no look at what else is said of a video."""


def _is_still(a: KnownVideo, b: KnownVideo) -> bool:
    """Tell whether neither of two videos of one origin became something else."""
    if a.is_nameless and b.is_nameless:
        return not a.contradicts(b)
    return _basename(a) == _basename(b) and not a.mark.holds_other_pictures(b.mark)


def _says_same(a: KnownVideo, b: KnownVideo) -> bool:
    return not a.is_nameless and (a.filename, a.backend) == (b.filename, b.backend)


def _basename(video: KnownVideo) -> str:
    return video.names[0].parts[-1] if video.names and video.names[0].parts else ""


def _classic_tail(a: KnownVideo, b: KnownVideo) -> int:
    tail = a.tail(b)
    return tail if tail >= CLASSIC_PARTS else 0


def _whole_tail(a: KnownVideo, b: KnownVideo) -> int:
    """Take long tails, and paths that end the other one."""
    best = 0
    for one in a.names:
        for other in b.names:
            tail = one.common(other)
            if tail >= min(CLASSIC_PARTS, len(one.parts), len(other.parts)):
                best = max(best, tail)
    return best


def _take(
    mine: Sequence[KnownVideo],
    theirs: Sequence[KnownVideo],
    found: dict[int, tuple[KnownVideo, str]],
    by: str,
    score: _Score,
) -> None:
    """Take the pairs of a rule in which each is the other's only best candidate."""
    taken = {video.key for video, _ in found.values()}
    free = [video for video in mine if video.key not in taken]
    asking = [video for video in theirs if video.key not in found]
    scores = {
        (a.key, b.key): value
        for b in asking
        for a in free
        if (value := int(score(a, b))) and (by in _TRUSTED or not a.contradicts(b))
    }
    best_of_new = _best(scores, 1)
    best_of_base = _best(scores, 0)
    by_key = {video.key: video for video in free}
    for b in asking:
        pair = best_of_new.get(b.key)
        if pair is not None and best_of_base.get(pair[0]) == pair:
            found[b.key] = by_key[pair[0]], by


def _best(scores: Mapping[tuple[int, int], int], end: int) -> dict[int, tuple[int, int]]:
    """Return the only best pair of each video at one end of the pairs."""
    best: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    for pair, score in scores.items():
        high, pairs = best.get(pair[end], (0, []))
        if score >= high:
            best[pair[end]] = score, [*pairs, pair] if score == high else [pair]
    return {key: pairs[0] for key, (_, pairs) in best.items() if len(pairs) == 1}


def _table(
    mine: Sequence[KnownVideo],
    theirs: Sequence[KnownVideo],
    found: Mapping[int, tuple[KnownVideo, str]],
    *,
    is_asked: bool,
) -> pl.DataFrame:
    rows = []
    for video in theirs:
        match, by = found.get(video.key, (None, ""))
        is_open = is_asked and match is None
        near = [a.key for a in mine if is_open and (a.tail(video) or a.may_be(video))]
        rows.append(
            (
                video.key,
                video.filename,
                None if match is None else match.key,
                None if match is None else match.filename,
                by or ("ambiguous" if near else "none"),
                near,
            )
        )
    return pl.DataFrame(rows, schema=VIDEO_MATCHES, orient="row")
