"""Names of files are renamed part by part, whatever system they are of."""

from __future__ import annotations

import ntpath
import posixpath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.moved import remap_entry, renamer, split_name

PARTS = st.lists(st.text("abXY .-_é", min_size=1).filter(lambda p: p.strip(".") != ""), min_size=1)


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        (("/old", "/new"), "/old/a.mp4", "/new/a.mp4"),
        (("/old/", "/new/"), "/old/x//a.mp4", "/new/x/a.mp4"),
        (("/old", "/new"), "/older/a.mp4", "/older/a.mp4"),
        (("/old", "/new"), "old/a.mp4", "old/a.mp4"),
        (("old", "new"), "old/a.mp4", "new/a.mp4"),
        (("C:\\lab", "/data"), "c:/LAB/Day/a.mp4", "/data/Day/a.mp4"),
        (("/data", "D:\\lab"), "/data/x/a.mp4", "D:\\lab\\x\\a.mp4"),
        (("/data", "D:/lab"), "/data/x/a.mp4", "D:/lab/x/a.mp4"),
        (("\\\\nas\\lab", "/mnt/lab"), "\\\\NAS\\lab\\a.mp4", "/mnt/lab/a.mp4"),
        (("//nas/lab", "/mnt/lab"), "\\\\nas\\lab\\a.mp4", "/mnt/lab/a.mp4"),
        (("/Data", "/x"), "/data/a.mp4", "/data/a.mp4"),
        (("/data/a.mp4", "/data/b.mp4"), "/data/a.mp4", "/data/b.mp4"),
        (("", "/data"), "day1/a.mp4", "/data/day1/a.mp4"),
        (("", "/data"), "/abs/a.mp4", "/abs/a.mp4"),
        (("", "/data"), "C:\\abs\\a.mp4", "C:\\abs\\a.mp4"),
        (("/data", ""), "/data/day1/a.mp4", "day1/a.mp4"),
        (("/", "/root"), "/a.mp4", "/root/a.mp4"),
        (("/data", "/"), "/data/a.mp4", "/a.mp4"),
        (({"/a": "/1", "/a/b": "/2"}), "/a/b/c.mp4", "/2/c.mp4"),
        (({"/a/b": "/2", "/a": "/1"}), "/a/x/c.mp4", "/1/x/c.mp4"),
        (("/a", "/b"), "", ""),
        (("/a/../b", "/c"), "/b/a.mp4", "/b/a.mp4"),
        (str.upper, "/a/b", "/A/B"),
    ],
)
def test_a_rule_renames_whole_parts(rule: Any, name: str, expected: str) -> None:
    assert renamer(rule)(name) == expected


@pytest.mark.parametrize("rule", ["/a", ["/a"], ["/a", "/b", "/c"], {"/a": 3}, [1, 2], 7])
def test_other_rules_are_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="expected a mapping"):
        renamer(rule)


@given(PARTS, PARTS, PARTS)
def test_a_move_and_its_reverse_give_the_name_back(
    old: list[str], new: list[str], rest: list[str]
) -> None:
    """Between any two systems, as long as names have no separators of the other."""
    here = posixpath.join("/", *old)
    there = ntpath.join("C:\\", *new)
    name = posixpath.join(here, *rest)
    moved = renamer((here, there))(name)
    assert moved == ntpath.join(there, *rest)
    assert renamer((there, here))(moved) == name
    assert split_name(name)[1:] == (*old, *rest)


def test_all_names_of_an_entry_are_renamed() -> None:
    entry = {
        "filename": "/a/1.png",
        "filenames": ["/a/1.png", "/a/2.png"],
        "dataset": "/a",
        "source_video": {"filename": "/a/x.mp4", "backend": {"filename": "/a/x.mp4", "fps": 3}},
    }
    assert remap_entry(entry, renamer(("/a", "/b"))) == {
        "filename": "/b/1.png",
        "filenames": ["/b/1.png", "/b/2.png"],
        "dataset": "/a",
        "source_video": {"filename": "/b/x.mp4", "backend": {"filename": "/b/x.mp4", "fps": 3}},
    }
    assert remap_entry({"filename": "."}, renamer(("", "/b"))) == {"filename": "."}
