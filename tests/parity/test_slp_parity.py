"""`.slp` files mean the same to sleap-io: what it writes to us, what we write to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabular_labels.errors import UnmodelledDataWarning
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables

sio = pytest.importorskip("sleap_io")

PLAIN = [
    {},
    {"user_fraction": 0.4, "n_skeletons": 2, "shuffled": True},
    {"gap_fraction": 0.3, "untracked_fraction": 0.4, "missing_fraction": 0.5},
    {"empty_fraction": 0.3, "negative_fraction": 0.3, "absent_fraction": 0.2},
    {"n_frames": 0},
]


def number(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def told_by_sleap_io(labels: Any) -> list[Any]:
    """Frames in list order with everything sleap-io knows of their instances."""
    frames = []
    for frame in labels.labeled_frames:
        inside = []
        for one in frame.instances:
            is_predicted = type(one) is sio.PredictedInstance
            source = one.from_predicted
            inside.append(
                {
                    "kind": "predicted" if is_predicted else "user",
                    "skeleton": labels.skeletons.index(one.skeleton),
                    "track": labels.tracks.index(one.track) if one.track else None,
                    "score": number(one.score) if is_predicted else None,
                    "tracking_score": number(one.tracking_score),
                    "from_predicted": frame.instances.index(source) if source else None,
                    "points": [
                        (
                            *map(number, row["xy"]),
                            bool(row["visible"]),
                            bool(row["complete"]),
                            number(row["score"]) if is_predicted else None,
                        )
                        for row in one.points
                    ],
                }
            )
        video = labels.videos.index(frame.video)
        frames.append((video, frame.frame_idx, bool(frame.is_negative), inside))
    return frames


def told_by_tables(tables: LabelTables) -> list[Any]:
    offsets, points = tables.instance_offsets, tables.point_offsets
    values, instances = tables.points.rows(), tables.instances.to_dicts()
    places = {one["instance_id"]: one["instance_idx"] for one in instances}
    frames = []
    for at, frame in sorted(enumerate(tables.frames.to_dicts()), key=lambda f: f[1]["position"]):
        inside = [
            {
                "kind": one["kind"],
                "skeleton": one["skeleton_id"],
                "track": one["track_id"],
                "score": one["score"],
                "tracking_score": one["tracking_score"],
                "from_predicted": places.get(one["from_predicted"]),
                "points": values[points[row] : points[row + 1]],
            }
            for row, one in enumerate(instances)
            if offsets[at] <= row < offsets[at + 1]
        ]
        frames.append((frame["video_id"], frame["frame_idx"], frame["is_negative"], inside))
    return frames


def small_tables_of_sleap_io(labels: Any, *, edges_in_order: bool = True) -> dict[str, Any]:
    return {
        "videos": [(v.filename, tuple(v.shape) if v.shape else None) for v in labels.videos],
        "tracks": [track.name for track in labels.tracks],
        "skeletons": [
            (
                skeleton.name,
                skeleton.node_names,
                skeleton.edge_inds if edges_in_order else sorted(skeleton.edge_inds),
                {frozenset(pair) for pair in skeleton.symmetry_inds},
            )
            for skeleton in labels.skeletons
        ],
        "suggestions": [
            (labels.videos.index(s.video), s.frame_idx, s.metadata.get("group", 0))
            for s in labels.suggestions
        ],
    }


def small_tables(tables: LabelTables, *, edges_in_order: bool = True) -> dict[str, Any]:
    catalog = tables.catalog
    skeletons = []
    for key, name in catalog.skeletons.rows():
        links = [row[1:4] for row in catalog.edges.rows() if row[0] == key]
        edges = [(a, b) for kind, a, b in links if kind == "edge"]
        skeletons.append(
            (
                name,
                [row[2] for row in catalog.nodes.rows() if row[0] == key],
                edges if edges_in_order else sorted(edges),
                {frozenset((a, b)) for kind, a, b in links if kind == "symmetry"},
            )
        )
    shapes = catalog.videos.select("filename", "n_frames", "height", "width", "channels").rows()
    return {
        "videos": [(f, None if None in shape else tuple(shape)) for f, *shape in shapes],
        "tracks": catalog.tracks["name"].to_list(),
        "skeletons": skeletons,
        "suggestions": catalog.suggestions.rows(),
    }


@pytest.mark.parametrize("arguments", PLAIN)
def test_sleap_io_reads_what_we_write(tmp_path: Path, arguments: dict[str, Any]) -> None:
    tables = make_tables(**{"n_frames": 60, "n_nodes": 5} | arguments)
    write_slp(tables, tmp_path / "ours.slp")
    labels = sio.load_slp(tmp_path / "ours.slp", open_videos=False)
    assert told_by_sleap_io(labels) == told_by_tables(tables)
    assert small_tables_of_sleap_io(labels) == small_tables(tables)
    provenance = labels.provenance
    assert provenance.items() >= tables.catalog.provenance.items()
    lazy = sio.load_slp(tmp_path / "ours.slp", open_videos=False, lazy=True)
    assert len(lazy) == tables.frames.height


@pytest.mark.parametrize("arguments", PLAIN[:3])
def test_sleap_io_reads_the_classic_layout(tmp_path: Path, arguments: dict[str, Any]) -> None:
    tables = make_tables(**{"n_frames": 60, "n_nodes": 5} | arguments)
    write_slp(tables, tmp_path / "ours.slp", compat="classic")
    labels = sio.load_slp(tmp_path / "ours.slp", open_videos=False)
    assert told_by_sleap_io(labels) == told_by_tables(tables)
    ours, theirs = small_tables(tables), small_tables_of_sleap_io(labels)
    ours["videos"] = [(name, None) for name, _ in ours["videos"]]
    assert theirs == ours


@pytest.mark.parametrize("arguments", PLAIN)
def test_we_read_what_sleap_io_writes(tmp_path: Path, arguments: dict[str, Any]) -> None:
    tables = make_tables(**{"n_frames": 60, "n_nodes": 5} | arguments)
    write_slp(tables, tmp_path / "ours.slp")
    labels = sio.load_slp(tmp_path / "ours.slp", open_videos=False)
    labels.save(str(tmp_path / "theirs.slp"), embed=False, verbose=False)
    found = read_slp(tmp_path / "theirs.slp")
    assert check_tables(found) == []
    assert told_by_tables(found) == told_by_tables(tables)
    assert small_tables(found) == small_tables(tables)
    assert found.catalog.project_id == tables.catalog.project_id


@pytest.fixture
def skeleton() -> Any:
    nodes = [sio.Node(name) for name in ("head", "left", "right")]
    edges = [sio.Edge(nodes[0], nodes[2]), sio.Edge(nodes[0], nodes[1])]
    return sio.Skeleton(nodes, edges, [sio.Symmetry([nodes[2], nodes[1]])], name="bird")


def make_labels(skeleton: Any) -> Any:
    """A project as sleap-io's users make it, with a link to a prediction in no frame."""
    facts = {"shape": [100, 48, 64, 1], "grayscale": True, "fps": 30.0}
    video = sio.Video("/data/é.mp4", backend_metadata=facts, open_backend=False)
    other = sio.Video("/data/second.mp4", open_backend=False)
    track = sio.Track("Ann")
    points = np.array([[1, 2], [np.nan, np.nan], [5, 6]])
    prediction = sio.PredictedInstance.from_numpy(
        points, skeleton=skeleton, point_scores=np.full(3, 0.5), score=0.25, track=track
    )
    corrected = sio.Instance.from_numpy(points + 1, skeleton=skeleton, from_predicted=prediction)
    return sio.Labels(
        [
            sio.LabeledFrame(video=other, frame_idx=9, instances=[prediction, corrected]),
            sio.LabeledFrame(video=video, frame_idx=4, instances=[]),
            sio.LabeledFrame(video=video, frame_idx=2, instances=[], is_negative=True),
        ],
        videos=[video, other],
        skeletons=[skeleton],
        tracks=[track],
        suggestions=[sio.SuggestionFrame(video=other, frame_idx=3)],
        provenance={"note": "é"},
    )


def test_a_project_of_sleap_io_is_read_whole(tmp_path: Path, skeleton: Any) -> None:
    labels = make_labels(skeleton)
    labels.save(str(tmp_path / "theirs.slp"), embed=False, verbose=False)
    tables = read_slp(tmp_path / "theirs.slp")
    assert told_by_tables(tables) == told_by_sleap_io(labels)
    found, expected = small_tables(tables), small_tables_of_sleap_io(labels)
    assert found == expected
    assert tables.catalog.videos["fps"].to_list() == [30.0, None]
    assert tables.catalog.provenance["note"] == "é"


def test_what_we_do_not_model_comes_back_to_sleap_io(tmp_path: Path, skeleton: Any) -> None:
    labels = make_labels(skeleton)
    frame = labels.labeled_frames[0]
    mask = np.zeros((48, 64), bool)
    mask[3:9, 4:20] = True
    frame.masks.append(sio.UserSegmentationMask.from_numpy(mask, instance=frame.instances[1]))
    frame.bboxes.append(sio.UserBoundingBox(x1=1, y1=2, x2=11, y2=12, track=labels.tracks[0]))
    labels.identities = [sio.Identity("mouse A", metadata={"sex": "f"})]
    frame.instances[0].identity = labels.identities[0]
    labels.save(str(tmp_path / "theirs.slp"), embed=False, verbose=False)

    with pytest.warns(UnmodelledDataWarning, match=r"bboxes \(1\).*identities \(1\), masks \(1\)"):
        tables = read_slp(tmp_path / "theirs.slp")
    write_slp(tables, tmp_path / "ours.slp")
    again = sio.load_slp(tmp_path / "ours.slp", open_videos=False)
    assert told_by_sleap_io(again) == told_by_sleap_io(labels)
    back = again.labeled_frames[0]
    np.testing.assert_array_equal(back.masks[0].data, mask)
    assert back.masks[0].instance is back.instances[1]
    assert (back.bboxes[0].x2, back.bboxes[0].track.name) == (11, "Ann")
    assert back.instances[0].identity.name == "mouse A"
    assert again.identities[0].metadata == {"sex": "f"}


def is_readable(path: Path) -> bool:
    """Leave out formats in which sleap-io moves predicted points too."""
    return open_slp(path).format_id >= 1.1


def test_real_projects_are_read_alike(shared_data: Path) -> None:
    paths = [path for path in sorted(shared_data.rglob("*.slp")) if is_readable(path)]
    assert paths
    for path in paths:
        labels, tables = sio.load_slp(path, open_videos=False), read_slp(path)
        assert check_tables(tables) == []
        theirs, ours = told_by_sleap_io(labels), told_by_tables(tables)
        if open_slp(path).format_id < 1.2:
            # No tracking scores were stored; sleap-io reads 0.
            for *_, inside in theirs:
                for one in inside:
                    one["tracking_score"] = None
        assert ours == theirs, path
        # sleap-io takes edges as they stand, the classic programs by their insertion.
        found = small_tables(tables, edges_in_order=False)
        expected = small_tables_of_sleap_io(labels, edges_in_order=False)
        found["videos"] = [(name.replace("\\", "/"), shape) for name, shape in found["videos"]]
        assert found == expected, path


def test_real_projects_come_back(shared_data: Path, tmp_path: Path) -> None:
    for path in sorted(shared_data.rglob("*.slp")):
        tables = read_slp(path)
        write_slp(tables, tmp_path / "copy.slp")
        again = read_slp(tmp_path / "copy.slp")
        assert again.frames.equals(tables.frames)
        assert again.instances.equals(tables.instances)
        assert again.points.equals(tables.points)
        for name, table in tables.catalog.tables().items():
            assert table.equals(again.catalog.tables()[name]), (path, name)
