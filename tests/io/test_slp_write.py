"""The two layouts that are written, and what writing refuses."""

import json
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import FileFormatError, InvariantError, UnmodelledDataWarning
from tabular_labels.io import slp_write_points
from tabular_labels.io.slp_layout import FRAMES, INSTANCES, POINTS, PRED_POINTS, PROJECT_ID_KEY
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.schema import FRAMES as FRAMES_TABLE
from tabular_labels.model.schema import SUGGESTIONS, VIDEOS
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.slp_cases import content, small_parts, write_parts

LAYOUTS = {"frames": FRAMES, "instances": INSTANCES, "points": POINTS, "pred_points": PRED_POINTS}


@pytest.fixture
def small(tmp_path: Path) -> LabelTables:
    return read_slp(write_parts(tmp_path / "small.slp", small_parts()))


def test_the_classic_layout_is_the_one_of_the_original_program(
    small: LabelTables, tmp_path: Path
) -> None:
    write_slp(small, tmp_path / "classic.slp", compat="classic")
    with h5py.File(tmp_path / "classic.slp") as file:
        assert set(file) == {*LAYOUTS, "metadata", "videos_json", "tracks_json", "suggestions_json"}
        for name, layout in LAYOUTS.items():
            assert file[name].dtype == layout
            assert file[name].maxshape == (None,)
            assert file[name].chunks is not None
            assert file[name].compression is None
        attributes = file["metadata"].attrs
        assert attributes["format_id"] == 1.2
        assert isinstance(attributes["json"], np.bytes_)
        assert json.loads(attributes["json"]).keys() == {
            "version", "skeletons", "nodes", "videos", "tracks", "suggestions",
            "negative_anchors", "provenance",
        }  # fmt: skip
        assert file["tracks_json"].dtype.kind == "S"
        assert file["tracks_json"][1] == b'[4,"two"]'
        assert json.loads(file["suggestions_json"][0]) == {
            "video": "0",
            "frame_idx": 7,
            "group": None,
        }
        assert json.loads(file["videos_json"][0]) == {
            "backend": {
                "filename": "a.mp4",
                "grayscale": True,
                "bgr": True,
                "dataset": "",
                "input_format": "",
            }
        }
        scores = file["instances"]["score"]
        assert np.isnan(scores[0])
        assert list(scores[1:]) == [0.75, 0.25]


def test_empty_lists_of_the_classic_layout_are_numbers(tmp_path: Path) -> None:
    write_slp(LabelTables(), tmp_path / "empty.slp", compat="classic")
    with h5py.File(tmp_path / "empty.slp") as file:
        for name in ("videos_json", "tracks_json", "suggestions_json"):
            assert (file[name].shape, file[name].dtype) == ((0,), np.float64)
    assert read_slp(tmp_path / "empty.slp").points.is_empty()


def test_symmetries_are_two_links_in_the_classic_layout(tmp_path: Path) -> None:
    tables = make_tables(3, n_nodes=5)
    kinds = {}
    compats: list[Literal["today", "classic"]] = ["today", "classic"]
    for compat in compats:
        write_slp(tables, tmp_path / "some.slp", compat=compat)
        with h5py.File(tmp_path / "some.slp") as file:
            links = json.loads(file["metadata"].attrs["json"])["skeletons"][0]["links"]
        kinds[compat] = [link for link in links if "edge_insert_idx" not in link]
    assert len(kinds["today"]) == 1
    assert [(link["source"], link["target"]) for link in kinds["classic"]] == [(3, 4), (4, 3)]


def test_todays_layout_is_the_one_of_current_programs(small: LabelTables, tmp_path: Path) -> None:
    write_slp(small, tmp_path / "today.slp")
    with h5py.File(tmp_path / "today.slp") as file:
        lists = {"videos_json", "tracks_json", "suggestions_json", "sessions_json"}
        assert set(file) == {*LAYOUTS, *lists, "metadata", "provenance_json"}
        for name, layout in LAYOUTS.items():
            assert file[name].dtype == layout
            assert file[name].chunks is None
        for name in lists:
            assert h5py.check_string_dtype(file[name].dtype).length is None
        assert file["metadata"].attrs["format_id"] == 1.4
        assert list(file["instances"]["score"]) == [0, 0.75, 0.25]
        provenance = json.loads(file["provenance_json"][()])
        assert provenance == {"model": "a", PROJECT_ID_KEY: small.catalog.project_id}


def test_the_project_keeps_its_id_out_of_sight(small: LabelTables, tmp_path: Path) -> None:
    write_slp(small, tmp_path / "copy.slp")
    again = read_slp(tmp_path / "copy.slp").catalog
    assert again.project_id == small.catalog.project_id
    assert again.provenance == {"model": "a"}
    assert read_slp(tmp_path / "small.slp").catalog.project_id != small.catalog.project_id


def with_videos(tables: LabelTables, *rows: dict[str, Any]) -> LabelTables:
    full = [
        {"video_id": i, "n_frames": None, "height": None, "width": None}
        | {"channels": None, "fps": None}
        | row
        | {"backend": json.dumps(row["backend"])}
        for i, row in enumerate(rows)
    ]
    videos = pl.DataFrame(full, schema=VIDEOS.memory_columns)
    return LabelTables(Catalog(videos=videos, project_id="p"))


VIDEO_ROWS: list[dict[str, Any]] = [
    {"filename": "a.mp4", "backend": {"filename": "a.mp4", "shape": [9, 4, 5, 3], "fps": 30.0}},
    {"filename": "a.mp4", "backend": {}, "n_frames": 9, "height": 4, "width": 5, "channels": 3},
    {"filename": "a.mp4", "backend": {"filename": "a.mp4"}, "height": 4, "fps": 12.5},
    {"filename": "moved.mp4", "backend": {"filename": "a.mp4"}},
    {"filename": "1.png", "backend": {"filename": "1.png", "filenames": ["1.png", "2.png"]}},
    {"filename": "", "backend": {}},
]


def test_videos_keep_what_is_known_of_them(small: LabelTables, tmp_path: Path) -> None:
    tables = with_videos(small, *VIDEO_ROWS)
    write_slp(tables, tmp_path / "videos.slp")
    with h5py.File(tmp_path / "videos.slp") as file:
        rows = [json.loads(text) for text in file["videos_json"]]
    assert rows[1]["backend"]["shape"] == [9, 4, 5, 3]
    assert rows[3]["backend"]["filename"] == rows[3]["filename"] == "moved.mp4"
    assert rows[4]["filename"] == ["1.png", "2.png"]
    found = read_slp(tmp_path / "videos.slp").catalog.videos
    expected = tables.catalog.videos.to_dicts()
    # Where the columns say otherwise, the backend is changed.
    expected[0]["backend"] = json.dumps(VIDEO_ROWS[0]["backend"] | {"fps": None})
    expected[3]["backend"] = json.dumps({"filename": "moved.mp4"})
    assert found.to_dicts() == expected


def package_parts(path: Path) -> dict[str, Any]:
    """A classic training package: pictures of one video inside the file."""

    def write(file: h5py.File) -> None:
        pictures = file.create_dataset("video0/video", data=np.zeros((2, 5), np.int8))
        pictures.attrs.update({"format": "png", "height": 48, "width": 64, "channels": 1})
        file["video0/frame_numbers"] = np.array([3, 5])
        source = {"backend": {"filename": "a.mp4", "shape": [90, 48, 64, 1]}}
        file.create_group("video0/source_video").attrs["json"] = json.dumps(source)

    backend = {"filename": ".", "dataset": "video0/video", "input_format": "channels_last"}
    return small_parts() | {"videos_json": [{"backend": backend}], "x": write}


def test_embedded_videos_stay_where_they_are(tmp_path: Path) -> None:
    package = write_parts(tmp_path / "some.pkg.slp", package_parts(tmp_path))
    tables = read_slp(package)
    (video,) = tables.catalog.videos.to_dicts()
    assert video["filename"] == str(package)
    assert json.loads(video["backend"])["filename"] == "."
    assert json.loads(video["backend"])["shape"] == [2, 48, 64, 1]
    assert (video["n_frames"], video["height"], video["width"], video["channels"]) == (
        90,
        48,
        64,
        1,
    )
    (tmp_path / "other").mkdir()
    write_slp(tables, tmp_path / "other" / "copy.slp")
    (copy,) = read_slp(tmp_path / "other" / "copy.slp").catalog.videos.to_dicts()
    assert copy["filename"] == str(package)
    assert json.loads(copy["backend"]) == json.loads(video["backend"]) | {"filename": str(package)}
    assert copy["n_frames"] == 90
    with h5py.File(tmp_path / "other" / "copy.slp") as file:
        assert "video0" not in file
        assert "source_video" in json.loads(file["videos_json"][0])


def test_a_package_is_not_replaced_by_labels_that_need_it(tmp_path: Path) -> None:
    package = write_parts(tmp_path / "some.pkg.slp", package_parts(tmp_path))
    before = package.read_bytes()
    with pytest.raises(FileFormatError, match="Save under another name"):
        write_slp(read_slp(package), package)
    assert package.read_bytes() == before


def test_metadata_beyond_an_attributes_room_is_kept(tmp_path: Path) -> None:
    tables = make_tables(4, n_nodes=2500)
    write_slp(tables, tmp_path / "wide.slp")
    with h5py.File(tmp_path / "wide.slp") as file:
        assert len(file["metadata"].attrs["json"]) > 2**16
    assert content(read_slp(tmp_path / "wide.slp")) == content(tables)


def test_duplicates_of_a_negative_frame_need_not_be_negative(tmp_path: Path) -> None:
    tables = make_tables(4, n_videos=1, n_instances=0)
    frames = pl.DataFrame(
        {
            "frame_id": [0, 1, 2],
            "video_id": [0, 0, 0],
            "frame_idx": [5, 5, 6],
            "position": [0, 1, 2],
            "is_negative": [False, True, False],
        },
        schema=FRAMES_TABLE.memory_columns,
    )
    write_slp(LabelTables(tables.catalog, frames), tmp_path / "some.slp")
    assert read_slp(tmp_path / "some.slp").frames.equals(frames)


def test_the_classic_layout_says_that_negative_frames_are_lost(tmp_path: Path) -> None:
    tables = make_tables(40, negative_fraction=0.5)
    n = int(tables.frames["is_negative"].sum())
    with pytest.warns(UnmodelledDataWarning, match=rf"negative frames \({n}\)"):
        write_slp(tables, tmp_path / "some.slp", compat="classic")


def test_scores_of_user_points_are_said_to_be_lost(small: LabelTables, tmp_path: Path) -> None:
    points = small.points.with_columns(score=pl.lit(0.5, pl.Float64))
    tables = LabelTables(small.catalog, small.frames, small.instances, points)
    with pytest.warns(UnmodelledDataWarning, match=r"scores of user points \(2\)"):
        write_slp(tables, tmp_path / "some.slp")


def test_values_that_are_not_json_are_refused(small: LabelTables, tmp_path: Path) -> None:
    for value in (object(), {1, 2}, b"bytes"):
        catalog = Catalog(provenance={"a": value})
        with pytest.raises(FileFormatError, match=r"(provenance|metadata): found a value"):
            write_slp(LabelTables(catalog), tmp_path / "some.slp")
    catalog = Catalog(provenance={"path": Path("a/b"), "n": np.int64(3)})
    write_slp(LabelTables(catalog), tmp_path / "some.slp")
    assert read_slp(tmp_path / "some.slp").catalog.provenance == {"path": "a/b", "n": 3}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("frames", "video_id"),
        ("instances", "skeleton_id"),
        ("instances", "track_id"),
        ("instances", "from_predicted"),
        ("suggestions", "video_id"),
    ],
)
def test_references_to_nothing_are_refused(
    small: LabelTables, tmp_path: Path, table: str, column: str
) -> None:
    tables = {name: getattr(small, name) for name in ("frames", "instances", "points")}
    catalog: dict[str, Any] = dict(small.catalog.tables())
    catalog["skeletons"] = pl.concat(
        [catalog["skeletons"], catalog["skeletons"].with_columns(skeleton_id=pl.lit(9, pl.UInt16))]
    )
    if table == "suggestions":
        wrong = pl.DataFrame([(7, 3, None)], schema=SUGGESTIONS.memory_columns, orient="row")
        catalog["suggestions"] = wrong
    else:
        dtype = tables[table].schema[column]
        tables[table] = tables[table].with_columns(pl.lit(7, dtype).alias(column))
    (tmp_path / "some.slp").write_text("what was there")
    with pytest.raises(InvariantError, match=column):
        write_slp(LabelTables(Catalog(**catalog), **tables), tmp_path / "some.slp")
    assert (tmp_path / "some.slp").read_text() == "what was there"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.slp", "some.slp"]


def test_a_write_that_fails_leaves_what_was_there(
    small: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "some.slp"
    write_slp(small, target)
    before = target.read_bytes()

    def run_out_of_space(*_: object) -> None:
        message = "no space left on device"
        raise OSError(message)

    monkeypatch.setattr(slp_write_points, "_values", run_out_of_space)
    with pytest.raises(OSError, match="no space"):
        write_slp(small, target)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.slp", "some.slp"]


def test_writing_over_the_file_read_from_is_fine(small: LabelTables, tmp_path: Path) -> None:
    write_slp(small, tmp_path / "small.slp")
    assert content(read_slp(tmp_path / "small.slp")) == content(small)
