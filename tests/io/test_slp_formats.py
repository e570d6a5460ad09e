"""Every variant of ``.slp`` that writers have made, built by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tabular_labels.errors import (
    DanglingReferenceWarning,
    FileFormatError,
    FormatVersionError,
    UnmodelledDataError,
    UnmodelledDataWarning,
)
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.slp_cases import BODY, changed, content, records, small_parts, write_parts

PREDICTED = [(1.5, 2.5), (3.5, None), (5.0, 6.0), (None, None)]


def read_parts(path: Path, parts: dict[str, Any], **storage: Any) -> LabelTables:
    tables = read_slp(write_parts(path / "some.slp", parts, **storage))
    assert check_tables(tables) == []
    return tables


def xy(tables: LabelTables) -> list[Any]:
    return tables.points.select("x", "y").rows()


def test_a_classic_file_is_read_whole(tmp_path: Path) -> None:
    found = content(read_parts(tmp_path, small_parts()))
    assert found["skeletons"] == [("fly", [("head", 1.0), ("tail", 1.0)], [("edge", 0, 1)])]
    assert found["tracks"] == [("one", 0), ("two", 4)]
    assert found["suggestions"] == [(0, 7, None)]
    assert found["anchors"] == [(0, 3, 1.5, 2.5)]
    assert found["provenance"] == {"model": "a"}
    video = found["videos"][0]
    assert (video["filename"], video["n_frames"]) == ("a.mp4", None)
    assert video["backend"] == {"filename": "a.mp4", "grayscale": True}
    (_, index, _, (user, prediction)), (_, later, _, (alone,)) = found["frames"]
    assert (index, later) == (3, 5)
    assert user == {
        "kind": "user",
        "skeleton": 0,
        "track": 0,
        "score": None,
        "tracking_score": None,
        "from_predicted": 1,
        "points": [(1.0, 2.0, True, True, None), (None, None, False, False, None)],
    }
    assert (prediction["score"], prediction["tracking_score"]) == (0.75, 0.5)
    assert prediction["points"] == [(1.5, 2.5, True, False, 0.9), (3.5, None, True, False, None)]
    assert (alone["track"], alone["from_predicted"]) == (1, None)


@pytest.mark.parametrize("format_id", [None, 1, 1.0])
def test_the_oldest_formats_move_user_points_alone(tmp_path: Path, format_id: float | None) -> None:
    tables = read_parts(tmp_path, small_parts(format_id))
    assert xy(tables) == [(0.5, 1.5), (None, None), *PREDICTED]


@pytest.mark.parametrize("format_id", [1.1, 1.2, 1.3, 1.4, 1.9, 2.0, 2.8, 2.9])
def test_later_formats_move_nothing(tmp_path: Path, format_id: float) -> None:
    tables = read_parts(tmp_path, small_parts(format_id))
    assert xy(tables) == [(1.0, 2.0), (None, None), *PREDICTED]


def test_a_format_written_as_text_is_understood(tmp_path: Path) -> None:
    assert xy(read_parts(tmp_path, small_parts() | {"format_id": "1.0"}))[0] == (0.5, 1.5)


@pytest.mark.parametrize("format_id", [0.0, 0.9, 3.0, 17.0, float("nan"), "new", np.zeros(2)])
def test_an_unknown_format_is_refused(tmp_path: Path, format_id: object) -> None:
    path = write_parts(tmp_path / "some.slp", small_parts() | {"format_id": format_id})
    with pytest.raises(FormatVersionError, match="format"):
        read_slp(path)


def test_tracking_scores_may_be_missing(tmp_path: Path) -> None:
    parts = small_parts(1.1)
    names = list(parts["instances"].dtype.names)[:-1]
    parts["instances"] = np.array(
        parts["instances"][names].tolist(), [(n, parts["instances"].dtype[n]) for n in names]
    )
    assert read_parts(tmp_path, parts).instances["tracking_score"].null_count() == 3


def test_lists_may_be_inside_the_metadata(tmp_path: Path) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))
    parts["metadata"] |= {
        "videos": parts.pop("videos_json"),
        "tracks": [{"spawned_on": 0, "name": "one"}, {"spawned_on": 4, "name": "two"}],
        "suggestions": {"0": [7]},
        "negative_anchors": {"0": [[3.0, 1.5, 2.5]]},
    }
    del parts["tracks_json"], parts["suggestions_json"]
    assert content(read_parts(tmp_path, parts)) == expected


def test_references_may_be_numbers(tmp_path: Path) -> None:
    parts = small_parts()
    parts["suggestions_json"] = [{"video": 0, "frame_idx": 7, "group": 2}]
    assert content(read_parts(tmp_path, parts))["suggestions"] == [(0, 7, 2)]


def test_provenance_may_be_missing(tmp_path: Path) -> None:
    parts = small_parts()
    del parts["metadata"]["provenance"], parts["metadata"]["negative_anchors"]
    tables = read_parts(tmp_path, parts)
    assert tables.catalog.provenance == {}
    assert tables.catalog.project_id


def as_plain(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.stack([table[name].astype(float) for name in table.dtype.names or ()], axis=1)


def as_big_endian(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return table.astype(table.dtype.newbyteorder(">"))


def as_narrow(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    narrow = {"<u8": "<i4", "<i8": "<i4", "<f8": "<f4", "|b1": "|u1"}
    fields = [(name, narrow.get(kind, kind)) for name, kind in table.dtype.descr]
    return table.astype(np.dtype(fields))


def as_padded(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return table.astype(np.dtype(table.dtype.descr, align=True))


def as_permuted(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    names = sorted(table.dtype.names or ())
    layout = np.dtype([(name, table.dtype[name]) for name in names])
    return np.array(table[names].tolist(), layout)


LAYOUTS = [
    {},
    {"chunks": (1,), "maxshape": (None,)},
    {"chunks": (3,), "maxshape": (None,)},
    {"chunks": (2,), "compression": "gzip"},
    {"chunks": (2,), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (2,), "compression": "lzf"},
]
TABLES = ("frames", "instances", "points", "pred_points")


@pytest.mark.parametrize("storage", LAYOUTS)
@pytest.mark.parametrize("form", [np.copy, as_big_endian, as_narrow, as_padded, as_permuted])
def test_rows_may_be_stored_in_many_ways(
    tmp_path: Path, storage: dict[str, Any], form: Callable[..., Any]
) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))
    if form is as_narrow:
        # 0.9 and 0.1 are other numbers with fewer bits.
        parts["pred_points"]["score"] = expected_score = [0.5, np.nan, 0.25, 1.0]
        for (*_, inside), scores in zip(expected["frames"], ([0, 1], [2, 3]), strict=True):
            points = inside[-1]["points"]
            wanted = [None if np.isnan(expected_score[k]) else expected_score[k] for k in scores]
            inside[-1]["points"] = [
                (*p[:4], score) for p, score in zip(points, wanted, strict=True)
            ]
    parts |= {name: form(parts[name]) for name in TABLES}
    assert content(read_parts(tmp_path, parts, **storage)) == expected


@pytest.mark.parametrize("storage", [{}, {"chunks": True}, {"chunks": (1, 2)}])
def test_tables_may_be_plain_arrays(tmp_path: Path, storage: dict[str, Any]) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))
    parts |= {name: as_plain(parts[name]) for name in TABLES}
    assert content(read_parts(tmp_path, parts, **storage)) == expected


def test_plain_arrays_may_name_their_columns(tmp_path: Path) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))

    def write_named(file: h5py.File) -> None:
        for name in TABLES:
            table = as_permuted(small_parts()[name])
            dataset = file.create_dataset(name, data=as_plain(table))
            dataset.attrs["field_names"] = str(list(table.dtype.names or ())).replace("'", '"')

    tables = dict.fromkeys(TABLES)
    assert content(read_parts(tmp_path, parts | tables | {"extra": write_named})) == expected


def test_texts_may_be_of_variable_length(tmp_path: Path) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))

    def write_texts(file: h5py.File) -> None:
        rows = ['[0, "one"]', '[4, "two"]']
        file.create_dataset("tracks_json", data=rows, dtype=h5py.string_dtype())
        del file["metadata"].attrs["json"]
        file["metadata"].attrs["json"] = json.dumps(parts["metadata"])

    assert (
        content(read_parts(tmp_path, parts | {"tracks_json": None, "x": write_texts})) == expected
    )


@pytest.mark.parametrize("storage", [*LAYOUTS, {"chunks": (2,), "maxshape": (9,)}])
@pytest.mark.parametrize("file", [{"libver": "latest"}, {"userblock_size": 1024}])
def test_files_may_be_of_any_hdf5_layout(
    tmp_path: Path, storage: dict[str, Any], file: dict[str, Any]
) -> None:
    parts = small_parts()
    expected = content(read_parts(tmp_path, parts))
    path = write_parts(tmp_path / "other.slp", parts, opened=file, **storage)
    assert content(read_slp(path)) == expected


@pytest.mark.parametrize("rows", [1, 1000, 10**6])
def test_chunks_may_be_of_any_size(tmp_path: Path, rows: int) -> None:
    tables = make_tables(2000 if rows > 1 else 20, n_nodes=9, user_fraction=0.2)
    write_slp(tables, tmp_path / "some.slp")
    with h5py.File(tmp_path / "some.slp", "r+") as file:
        for name in TABLES:
            data = file[name][:]
            del file[name]
            file.create_dataset(
                name, data=data, chunks=(rows,), maxshape=(None,), compression="gzip"
            )
    assert read_slp(tmp_path / "some.slp").points.equals(tables.points)


def test_unsorted_frames_keep_their_places(tmp_path: Path) -> None:
    parts = small_parts()
    parts["frames"]["frame_idx"] = [5, 3]
    tables = read_parts(tmp_path, parts)
    assert tables.frames.select("frame_id", "frame_idx", "position").rows() == [
        (1, 3, 1),
        (0, 5, 0),
    ]
    assert tables.instances["instance_id"].to_list() == [2, 0, 1]
    assert tables.instances["from_predicted"].to_list() == [None, 1, None]
    assert xy(tables) == [*PREDICTED[2:], (1.0, 2.0), (None, None), *PREDICTED[:2]]


def test_frames_may_take_instances_in_any_order(tmp_path: Path) -> None:
    parts = small_parts()
    parts["frames"]["instance_id_start"] = [1, 0]
    parts["frames"]["instance_id_end"] = [3, 1]
    tables = read_parts(tmp_path, parts)
    assert tables.instances["instance_id"].to_list() == [1, 2, 0]
    assert tables.instances["instance_idx"].to_list() == [0, 1, 0]
    assert xy(tables) == [*PREDICTED, (1.0, 2.0), (None, None)]


def test_links_go_by_instance_id(tmp_path: Path) -> None:
    parts = small_parts()
    parts["instances"]["instance_id"] = [70, 80, 90]
    parts["instances"]["from_predicted"][0] = 90
    tables = read_parts(tmp_path, parts)
    assert tables.instances["from_predicted"].to_list() == [2, None, None]


@pytest.mark.parametrize("ids", [[0, 1, 1], [0, 5, 6]])
def test_a_link_to_no_single_instance_becomes_null(tmp_path: Path, ids: list[int]) -> None:
    parts = small_parts()
    parts["instances"]["instance_id"] = ids
    with pytest.warns(DanglingReferenceWarning, match="1 instances"):
        tables = read_parts(tmp_path, parts)
    assert tables.instances["from_predicted"].null_count() == 3


@pytest.mark.parametrize("target", [3, 2**31, 2**32 - 1, 2**63 - 1])
def test_a_link_out_of_the_file_becomes_null(tmp_path: Path, target: int) -> None:
    parts = small_parts()
    parts["instances"]["from_predicted"][0] = target
    with pytest.warns(DanglingReferenceWarning, match="1 instances"):
        tables = read_parts(tmp_path, parts)
    assert tables.instances["from_predicted"].null_count() == 3


def test_a_correction_comes_from_a_prediction_only(tmp_path: Path) -> None:
    parts = small_parts()
    parts["instances"]["from_predicted"] = [0, 2, -1]
    with pytest.warns(DanglingReferenceWarning, match="1 instances"):
        tables = read_parts(tmp_path, parts)
    assert tables.instances["from_predicted"].to_list() == [None, 2, None]


def orphaned() -> dict[str, Any]:
    """The prediction that a user instance came from is in no frame."""
    parts = small_parts()
    parts["frames"] = changed(parts["frames"], 0, instance_id_end=1)
    parts["pred_points"] = np.append(parts["pred_points"], parts["pred_points"][:1])
    return parts


def test_rows_of_no_frame_are_counted(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "some.slp", orphaned())
    with (
        pytest.warns(
            UnmodelledDataWarning, match=r"in no frame \(1\), points in no instance \(1\)"
        ),
        pytest.warns(DanglingReferenceWarning, match="1 instances"),
    ):
        tables = read_slp(path)
    assert check_tables(tables) == []
    assert tables.instances["instance_id"].to_list() == [0, 2]
    assert tables.points.height == 4
    with pytest.raises(UnmodelledDataError, match="in no frame"):
        read_slp(path, strict=True)


def test_negative_frames_are_found_by_place(tmp_path: Path) -> None:
    parts = small_parts(1.4)
    layout = np.dtype([("video_id", "<u4"), ("frame_idx", "<u8")])
    parts["negative_frames"] = records(layout, [(0, 5)])
    assert read_parts(tmp_path, parts).frames["is_negative"].to_list() == [False, True]
    parts["negative_frames"] = records(layout, [(0, 4)])
    with pytest.warns(UnmodelledDataWarning, match=r"negative marks without a frame \(1\)"):
        read_parts(tmp_path, parts)


def test_videos_of_packages_may_go_by_the_number_of_their_group(tmp_path: Path) -> None:
    def backend(number: int) -> dict[str, Any]:
        return {"filename": "other.pkg.slp", "dataset": f"video{number}/video"}

    parts = small_parts()
    parts["videos_json"] = [{"backend": backend(3)}, {"backend": backend(5)}]
    parts["frames"]["video"] = [5, 3]
    assert read_parts(tmp_path, parts).frames["video_id"].to_list() == [0, 1]
    # A number that is every row's is a row.
    parts["frames"]["video"] = [1, 0]
    parts["videos_json"] = [{"backend": backend(1)}, {"backend": backend(0)}]
    assert read_parts(tmp_path, parts).frames["frame_idx"].to_list() == [5, 3]


@pytest.mark.parametrize("used", [[0, 0], [1, 1], [2, 2], [0, 2], [1, 2], [0, 1]])
def test_videos_of_packages_are_written_so_that_they_are_read(
    tmp_path: Path, used: list[int]
) -> None:
    """Whatever groups the pictures are in, the same videos keep the frames."""
    for numbers in ([1, 2, 5], [1, 0, 2], [2, 0, 1], [7, 8, 9], [1, 2, 3]):
        parts = small_parts()
        parts["videos_json"] = [
            {"backend": {"filename": "other.pkg.slp", "dataset": f"video{k}/video"}}
            for k in numbers
        ]
        parts["videos_json"][1] = {"backend": {"filename": "plain.mp4"}}
        parts["frames"]["video"] = used
        parts["x"] = lambda file: file["frames"].attrs.create("video_ids", "rows")
        tables = read_parts(tmp_path, parts)
        assert sorted(tables.frames["video_id"].to_list()) == used
        write_slp(tables, tmp_path / "copy.slp")
        assert content(read_slp(tmp_path / "copy.slp")) == content(tables)


def test_a_template_around_a_skeleton_is_carried(tmp_path: Path) -> None:
    parts = small_parts()
    template = {
        "nx_graph": parts["metadata"]["skeletons"][0],
        "description": "two nodes",
        "preview_image": {"py/b64": "aGk="},
    }
    parts["metadata"]["skeletons"] = [template]
    with pytest.warns(UnmodelledDataWarning, match=r"skeletons with descriptions \(1\)"):
        tables = read_parts(tmp_path, parts)
    write_slp(tables, tmp_path / "copy.slp")
    with pytest.warns(UnmodelledDataWarning, match="descriptions"):
        again = read_slp(tmp_path / "copy.slp")
    assert again.catalog.attachments.metadata["skeletons"] == {
        "0": {"of": "fly", "wrapper": {k: v for k, v in template.items() if k != "nx_graph"}}
    }


def test_edges_follow_their_insertion_not_the_file(tmp_path: Path) -> None:
    parts = small_parts()
    links = parts["metadata"]["skeletons"][0]["links"]
    links[0]["edge_insert_idx"] = 1
    links += [{"edge_insert_idx": 0, "key": 0, "source": 1, "target": 0, "type": {"py/id": 1}}]
    assert BODY in [link["type"] for link in links]
    found = content(read_parts(tmp_path, parts))
    assert found["skeletons"][0][2] == [("edge", 1, 0), ("edge", 0, 1)]


def test_a_video_search_corrects_where_videos_are(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "some.slp", small_parts())
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "a.mp4").touch()
    moved = str(tmp_path / "moved" / "a.mp4")
    assert read_slp(path, video_search=[tmp_path, tmp_path / "moved"]).catalog.videos[
        "filename"
    ].to_list() == [moved]

    def correct(videos: list[dict[str, Any]]) -> None:
        videos[0]["backend"]["filename"] = "b.mp4"

    tables = read_slp(path, video_search=correct)
    assert content(tables)["videos"][0]["filename"] == "b.mp4"
    assert open_slp(path, video_search=correct).catalog.videos.equals(tables.catalog.videos)


def test_a_video_search_may_stop_the_reading_or_fail(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "some.slp", small_parts())
    with pytest.raises(FileFormatError, match="asked to stop"):
        read_slp(path, video_search=lambda _: True)
    # What goes wrong inside is the caller's, not the file's.
    with pytest.raises(ZeroDivisionError):
        read_slp(path, video_search=lambda _: 1 / 0)
    with pytest.raises(KeyError):
        read_slp(path, video_search=lambda videos: videos[0]["none"])
