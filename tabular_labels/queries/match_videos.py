"""Which videos of two projects are the same recording, from what the projects say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import polars as pl

from tabular_labels.model.tables import Catalog
from tabular_labels.queries.lineage import known_keys

__all__ = ["VIDEO_MATCHES", "VideoRule", "match_videos"]

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

_TEMPORARY = re.compile(r"/tmp_\d+_")


@dataclass(frozen=True)
class _Name:
    """One path under which a recording is known."""

    parts: tuple[str, ...]
    detail: str  # what tells recordings within one file apart

    def common(self, other: _Name) -> int:
        """Count the equal last parts."""
        if self.detail != other.detail:
            return 0
        count = 0
        for mine, theirs in zip(reversed(self.parts), reversed(other.parts), strict=False):
            if mine != theirs:
                break
            count += 1
        return count


@dataclass(frozen=True)
class _Known:
    """What a project says of one video."""

    key: int
    filename: str
    backend: str
    names: tuple[_Name, ...]
    shape: tuple[int | None, ...]

    def tail(self, other: _Known) -> int:
        """Count the equal last parts of the names that have most of them."""
        return max((a.common(b) for a in self.names for b in other.names), default=0)

    def contradicts(self, other: _Known) -> bool:
        """Tell whether both know a size, and not the same."""
        pairs = zip(self.shape, other.shape, strict=True)
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def match_videos(base: Catalog, new: Catalog, rule: VideoRule = "auto") -> pl.DataFrame:
    r"""Find for each video of a project the same one of another.

    Nothing is opened; what counts is what the projects say. With ``"auto"``, in order:

    - ``lineage``: both projects have one origin, or an earlier merge wrote the video
      down, and the basenames are equal;
    - ``same``: equal filename and backend;
    - ``path``: equal paths, with separators of either system;
    - ``source``: one holds pictures of the other, or both of the same recording;
    - ``tail``: the last three parts of the paths are equal, or one path is the end of
      the other; of several such videos the one with the longest equal tail.

    Each rule takes a pair only if neither video has a second candidate by that rule,
    and the number of frames, the height and the width do not differ where both are
    known (a lineage is trusted without). What remains is not guessed: ``by`` says
    ``ambiguous`` and ``candidates`` holds the videos with the same basename.

    Args:
        base: The project to find them in.
        new: The project whose videos are looked for.
        rule: ``classic`` as the classic library: equal paths, sources or three last
            parts; ``name`` also takes equal basenames, ``shape`` equal number of
            frames, height and width; ``none`` matches nothing.

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
    mine, theirs = _known(base.videos), _known(new.videos)
    found: dict[int, tuple[_Known, str]] = {}
    if rule != "none":
        lineage = known_keys(base, new, "videos") if rule != "classic" else {}
        for by, score in _levels(rule, lineage):
            _take(mine, theirs, found, by, score)
    return _table(mine, theirs, found, is_asked=rule != "none")


_Score: TypeAlias = Callable[[_Known, _Known], int]


def _levels(rule: VideoRule, lineage: Mapping[int, int]) -> Sequence[tuple[str, _Score]]:
    """List rules from the surest on; each scores a pair, 0 for no."""
    levels: list[tuple[str, _Score]] = [
        ("lineage", lambda a, b: lineage.get(b.key) == a.key and _basename(a) == _basename(b)),
        ("same", lambda a, b: (a.filename, a.backend) == (b.filename, b.backend)),
        ("path", lambda a, b: bool(a.names and b.names) and a.names[0] == b.names[0]),
        ("source", lambda a, b: not set(a.names).isdisjoint(b.names)),
        ("tail", _classic_tail if rule == "classic" else _whole_tail),
    ]
    if rule in ("name", "shape"):
        levels.append(("name", lambda a, b: min(a.tail(b), 1)))
    if rule == "shape":
        levels.append(("shape", lambda a, b: None not in a.shape and a.shape == b.shape))
    return levels


def _basename(video: _Known) -> str:
    return video.names[0].parts[-1] if video.names and video.names[0].parts else ""


def _classic_tail(a: _Known, b: _Known) -> int:
    tail = a.tail(b)
    return tail if tail >= CLASSIC_PARTS else 0


def _whole_tail(a: _Known, b: _Known) -> int:
    """Take long tails, and paths that end the other one."""
    best = 0
    for one in a.names:
        for other in b.names:
            tail = one.common(other)
            if tail >= min(CLASSIC_PARTS, len(one.parts), len(other.parts)):
                best = max(best, tail)
    return best


def _take(
    mine: Sequence[_Known],
    theirs: Sequence[_Known],
    found: dict[int, tuple[_Known, str]],
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
        if (value := int(score(a, b))) and (by == "lineage" or not a.contradicts(b))
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
    mine: Sequence[_Known],
    theirs: Sequence[_Known],
    found: Mapping[int, tuple[_Known, str]],
    *,
    is_asked: bool,
) -> pl.DataFrame:
    rows = []
    for video in theirs:
        match, by = found.get(video.key, (None, ""))
        near = [a.key for a in mine if is_asked and match is None and a.tail(video)]
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


def _known(videos: pl.DataFrame) -> list[_Known]:
    known = []
    for row in videos.to_dicts():
        backend = json.loads(row["backend"])
        shape = tuple(row[name] for name in ("n_frames", "height", "width"))
        # Equal but for the order of its keys.
        text = json.dumps(backend, sort_keys=True)
        names = _names(row["filename"], backend)
        known.append(_Known(row["video_id"], row["filename"], text, names, shape))
    return known


def _names(filename: str, backend: Mapping[str, Any]) -> tuple[_Name, ...]:
    """Name the file itself, then the recordings it was made from."""
    dataset, listed = backend.get("dataset"), backend.get("filenames")
    detail = dataset if isinstance(dataset, str) else ""
    if isinstance(listed, list):
        detail += "|".join(_parts(str(name))[-1] for name in listed[1:] if name)
    names = [_Name(_parts(filename), detail)] if filename else []
    for key in ("source_video", "original_video"):
        source = backend.get(key)
        inner = source.get("backend", source) if isinstance(source, dict) else {}
        path = inner.get("filename") if isinstance(inner, dict) else None
        if isinstance(path, str) and path not in ("", "."):
            names.append(_Name(_parts(path), str(inner.get("dataset") or "")))
    return tuple(dict.fromkeys(names))


def _parts(path: str) -> tuple[str, ...]:
    """Cut a path of either system at its separators."""
    text = _TEMPORARY.sub("/", path.replace("\\", "/"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if parts and re.fullmatch("[A-Za-z]:", parts[0]):
        parts[0] = parts[0].lower()
    return tuple(parts) or ("",)
