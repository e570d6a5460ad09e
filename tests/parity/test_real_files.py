"""Real SLEAP files come in, go to Parquet and back to `.slp`, and stay equal."""

from pathlib import Path
from typing import Any, Literal

import pytest

import tabular_labels as tl

sio = pytest.importorskip("sleap_io")

FILES = (
    "clip.predictions.slp",
    "clip.slp",
    "minimal_instance.slp",
    "small_robot_minimal.slp",
    "slp/centered_pair_predictions.slp",
    "slp/centered_pair_sub.slp",
    "slp/centered_pair_sub_perturbed.slp",
    "slp/clip.slp",
    "slp/clip_2node.slp",
    "slp/clip_predictions.slp",
    "slp/clip_predictions_sub.slp",
    "slp/clip_predictions_sub_perturbed.slp",
    "slp/clip_sub.slp",
    "slp/clip_sub_perturbed.slp",
    "slp/dance.slp",
    "slp/dance_sub.slp",
    "slp/dance_sub_perturbed.slp",
    "slp/minimal_instance.slp",
    "slp/small_robot_minimal.slp",
    "slp/two_video.slp",
)


def told_by_sleap_io(path: Path) -> dict[str, Any]:
    """Everything sleap-io knows; edges as sets, as it ignores their stored order."""
    labels = sio.load_slp(str(path), open_videos=False)
    return {
        "videos": [str(video.filename) for video in labels.videos],
        "tracks": [track.name for track in labels.tracks],
        "skeletons": [
            (s.name, s.node_names, set(s.edge_inds), {frozenset(p) for p in s.symmetry_inds})
            for s in labels.skeletons
        ],
        "suggestions": [(labels.videos.index(s.video), s.frame_idx) for s in labels.suggestions],
        "frames": [
            (labels.videos.index(frame.video), frame.frame_idx, len(frame))
            for frame in labels.labeled_frames
        ],
        "instances": [
            (
                type(one).__name__,
                None if one.track is None else labels.tracks.index(one.track),
                one.numpy(invisible_as_nan=False).tobytes(),
                one.points["visible"].tobytes(),
                one.from_predicted is not None,
                float(one.score) if type(one) is sio.PredictedInstance else None,
            )
            for frame in labels.labeled_frames
            for one in frame.instances
        ],
    }


@pytest.mark.parametrize("name", FILES)
def test_real_file_goes_through_parquet_and_back(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / name
    labels = tl.load_file(source)
    labels.save(tmp_path / "project.parquet")
    kept = tl.load_file(tmp_path / "project.parquet")
    assert kept.equals(labels)
    assert tl.scan_parquet(tmp_path / "project.parquet").equals(labels)
    assert tl.scan_slp(source).equals(labels)
    expected = told_by_sleap_io(source)
    layouts: tuple[Literal["today", "classic"], ...] = ("today", "classic")
    for compat in layouts:
        tl.write_slp(kept, tmp_path / f"{compat}.slp", compat=compat)
        assert tl.load_file(tmp_path / f"{compat}.slp").equals(labels)
        assert told_by_sleap_io(tmp_path / f"{compat}.slp") == expected
    assert kept.describe() == labels.describe()
