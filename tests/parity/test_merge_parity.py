"""Merging real files as sleap-io does, where both mean the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tabular_labels as tl

sio = pytest.importorskip("sleap_io")
pytestmark = pytest.mark.filterwarnings("ignore")  # sleap-io and what it imports may warn

PAIRS = ["clip", "centered_pair", "dance", "clip_predictions"]


def files(shared_data: Path, name: str) -> tuple[Path, Path]:
    folder = shared_data / "slp"
    pair = folder / f"{name}_sub.slp", folder / f"{name}_sub_perturbed.slp"
    if not all(path.exists() for path in pair):
        pytest.skip(f"no real files {pair}")
    return pair


def said(labels: Any) -> Counter[tuple[Any, ...]]:
    """Count what instances say, in a form that both packages have."""
    return Counter(
        (
            frame.frame_idx,
            type(instance).__name__,
            np.asarray(instance.numpy(), np.float64).round(6).tobytes(),
        )
        for frame in labels
        for instance in frame.instances
    )


def load(path: Path) -> Any:
    return sio.load_slp(str(path), open_videos=False)


@pytest.mark.parametrize("name", PAIRS)
def test_keeping_both_keeps_the_same_instances(shared_data: Path, name: str) -> None:
    first, second = files(shared_data, name)
    ours = tl.load_file(first)
    ours.merge(tl.load_file(second), tracks="name")
    theirs = load(first)
    theirs.merge(load(second), frame="keep_both", track="name")
    assert len(ours.videos) == len(theirs.videos)
    assert len(ours.tracks) == len(theirs.tracks)
    assert len(ours) == len(theirs)
    # Theirs keeps twice what both say.
    assert set(said(ours)) == set(said(theirs))


@pytest.mark.parametrize("name", PAIRS)
def test_replacing_predictions_leaves_the_same_instances(shared_data: Path, name: str) -> None:
    first, second = files(shared_data, name)
    ours = tl.load_file(first)
    ours.merge(tl.load_file(second), "replace_predictions", tracks="name")
    theirs = load(first)
    theirs.merge(load(second), frame="replace_predictions", track="name")
    assert said(ours) == said(theirs)


@pytest.mark.parametrize("name", PAIRS)
def test_a_match_finds_the_same_things(shared_data: Path, name: str) -> None:
    first, second = files(shared_data, name)
    ours = tl.load_file(first).match(tl.load_file(second), tracks="name")
    theirs = load(first).match(load(second), track="name")
    for things in ("video_map", "skeleton_map", "track_map"):
        mine, other = getattr(ours, things), getattr(theirs, things)
        assert [one is None for one in mine.values()] == [one is None for one in other.values()]


@pytest.mark.parametrize("name", PAIRS)
def test_a_merged_file_is_read_by_sleap_io(shared_data: Path, name: str, tmp_path: Path) -> None:
    first, second = files(shared_data, name)
    ours = tl.load_file(first)
    plan = ours.merge_plan(tl.load_file(second), "user_over_predicted", tolerance=5, tracks="name")
    report = ours.apply_merge(plan)
    assert report.frames_added > 0
    ours.save(tmp_path / "merged.slp")
    assert said(load(tmp_path / "merged.slp")) == said(ours)


def edited_copies(path: Path) -> tuple[tl.Labels, tl.Labels, dict[str, int]]:
    """Let two people work on copies; return these, and which frames they changed how."""
    ours, theirs = tl.load_file(path), tl.load_file(path)
    first, second, third = (int(ours[k].frame_idx) for k in (0, 1, 2))
    ours[0][0][0].x += 4.0
    theirs[1][0][0].x -= 9.0
    shape = theirs[2][0].numpy()
    last = max(int(frame.frame_idx) for frame in theirs)
    theirs.append(
        tl.LabeledFrame(theirs.videos[0], last + 1, [tl.Instance(theirs.skeletons[0], shape)])
    )
    return ours, theirs, {"ours": first, "theirs": second, "same": third, "added": last + 1}


@pytest.mark.parametrize("name", ["clip", "dance"])
def test_copies_that_two_people_edited_become_one_again(
    shared_data: Path, name: str, tmp_path: Path
) -> None:
    path = files(shared_data, name)[0]
    ours, theirs, at = edited_copies(path)
    n_frames, n_instances = len(ours), ours._snapshot.counts.instances
    plan = ours.merge_plan(theirs, tracks="name")
    conflicting = plan.frames.filter(plan.frames["n_conflicting"] > 0)["frame_idx"]
    assert conflicting.to_list() == [at["ours"], at["theirs"]]
    report = ours.apply_merge(plan)
    # Each edit is a version of its own; all else is said twice.
    assert (report.frames_added, report.instances_conflicting) == (1, 2)
    assert report.instances_redundant == n_instances - 2
    ours.save(tmp_path / "merged.slp")
    merged = load(tmp_path / "merged.slp")
    assert (len(merged), sum(len(frame) for frame in merged)) == (n_frames + 1, n_instances + 3)
    assert said(merged) == said(ours)
    both = said(tl.load_file(path)) | said(edited_copies(path)[0]) | said(theirs)
    assert said(merged) == both
