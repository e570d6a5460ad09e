"""Broken, hostile and truncated ``.slp`` files get one clear error of ours."""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tabular_labels.errors import FileFormatError, UnmodelledDataWarning, UnsafeFileError
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.testing.builders import make_tables
from tests.io.slp_cases import NAN, changed, small_parts, write_parts

Change = Callable[[dict[str, Any]], object]


def refuse(path: Path, match: str) -> FileFormatError:
    """Read a file that must be refused, with a message of every part."""
    with pytest.raises(FileFormatError, match=match) as caught:
        read_slp(path)
    error = caught.value
    assert error.path in (str(path), str(path.resolve()))
    assert error.place
    assert error.found
    assert error.expected
    assert error.remedy.endswith(".")
    return error


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_slp(tmp_path / "none.slp")


def test_other_files_are_refused(tmp_path: Path) -> None:
    for data in (b"", b"hello", b"\x89HDF\r\n\x1a\n", b"\0" * 4096):
        (tmp_path / "some.slp").write_bytes(data)
        refuse(tmp_path / "some.slp", r"some\.slp")
    refuse(tmp_path, "directory")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_parts(tmp_path / "some.slp", small_parts()).read_bytes()
    for length in range(0, len(whole), 251):
        (tmp_path / "some.slp").write_bytes(whole[:length])
        refuse(tmp_path / "some.slp", r"some\.slp")


@pytest.mark.parametrize(
    "name",
    ["metadata", "frames", "instances", "points", "pred_points", "videos_json", "tracks_json"],
)
def test_a_missing_member_is_named(tmp_path: Path, name: str) -> None:
    parts = small_parts() | {name: None}
    if name.endswith("_json"):
        del parts["metadata"][name[:-5]]
    refuse(write_parts(tmp_path / "some.slp", parts), f"/{name}")


def put(table: str, column: str, value: Any, row: int = 0) -> Change:
    return lambda parts: parts.update({table: changed(parts[table], row, **{column: value})})


BAD_ROWS = [
    (put("frames", "video", 1), "/frames, row 0, column video: found 1, expected one of 1"),
    (put("frames", "video", 2**32 - 1), "/frames, row 0, column video"),
    (put("frames", "frame_idx", 2**32 - 1), "/frames, row 0, column frame_idx"),
    (put("frames", "frame_idx", 2**64 - 1), "/frames, row 0, column frame_idx"),
    (put("frames", "instance_id_end", 4), "/frames, row 0, column instance_id_end: found 4"),
    (put("frames", "instance_id_end", 2**63), "/frames, row 0, column instance_id_end"),
    (put("frames", "instance_id_start", 3), "/frames, row 0, column instance_id_start"),
    (put("frames", "instance_id_end", 3), "/frames, rows 0 and 1: found the same instances"),
    (put("instances", "instance_type", 2, 1), "/instances, row 1, column instance_type: found 2"),
    (put("instances", "skeleton", 1), "/instances, row 0, column skeleton: found 1"),
    (put("instances", "track", 2), "/instances, row 0, column track: found 2"),
    (put("instances", "track", -2), "/instances, row 0, column track: found -2"),
    (put("instances", "point_id_end", 3), "/instances, row 0, column point_id_end"),
    (put("instances", "point_id_end", 1), "/instances, row 0, column point_id_end: found 1"),
    (put("instances", "point_id_start", 2), "/instances, row 0, column point_id_end: found 0"),
    (put("instances", "point_id_start", 2**64 - 1), "/instances, row 0, column point_id_start"),
]


@pytest.mark.parametrize(("change", "match"), BAD_ROWS)
@pytest.mark.parametrize("storage", [{}, {"chunks": (1,), "compression": "gzip"}])
def test_bad_rows_are_named(
    tmp_path: Path, change: Change, match: str, storage: dict[str, Any]
) -> None:
    parts = small_parts()
    change(parts)
    path = write_parts(tmp_path / "some.slp", parts, **storage)
    refuse(path, match)
    # Opening looks at no rows; the first look does.
    source = open_slp(path)
    with pytest.raises(FileFormatError, match=match):
        source.load_structure()


def test_two_instances_with_the_same_points_are_refused(tmp_path: Path) -> None:
    parts = small_parts()
    put("instances", "point_id_start", 1, 2)(parts)
    put("instances", "point_id_end", 3, 2)(parts)
    refuse(write_parts(tmp_path / "some.slp", parts), "/instances, rows 1 and 2: found the same")


@pytest.mark.parametrize("value", [NAN, 0.5, np.inf, -1e300])
def test_numbers_that_are_not_whole_are_refused(tmp_path: Path, value: float) -> None:
    parts = small_parts()
    frames = parts["frames"]
    plain = np.stack([frames[name].astype(float) for name in frames.dtype.names], axis=1)
    plain[1, 2] = value
    refuse(write_parts(tmp_path / "some.slp", parts | {"frames": plain}), "row 1, column frame_idx")


@pytest.mark.parametrize(
    "table",
    [
        np.zeros(3),
        np.zeros((2, 4)),
        np.zeros((2, 2, 5)),
        np.array(["a", "b"], "S"),
        np.zeros((), [("x", "f8")]),
        np.zeros(2, [("frame_id", "u8"), ("video", "S4")]),
        np.float64(1),
    ],
)
def test_tables_of_another_form_are_refused(tmp_path: Path, table: Any) -> None:
    refuse(write_parts(tmp_path / "some.slp", small_parts() | {"frames": table}), "/frames")


def test_a_column_of_texts_is_refused(tmp_path: Path) -> None:
    parts = small_parts()
    layout = [(name, parts["frames"].dtype[name]) for name in parts["frames"].dtype.names]
    layout[2] = ("frame_idx", np.dtype("S4"))
    parts["frames"] = np.zeros(2, layout)
    refuse(write_parts(tmp_path / "some.slp", parts), "/frames, column frame_idx")


def link(**values: Any) -> Change:
    return lambda parts: parts["metadata"]["skeletons"][0]["links"][0].update(values)


def metadata(**values: Any) -> Change:
    return lambda parts: parts["metadata"].update(values)


def graph(**values: Any) -> Change:
    return lambda parts: parts["metadata"]["skeletons"][0].update(values)


DEEP = ["[" * 100_000 + "]" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "[" * 201 + "]" * 201]
BAD_JSON = [
    (lambda parts: parts.update(metadata="{"), "no valid JSON"),
    (lambda parts: parts.update(metadata=b"\xff\xfe{}"), "UTF-8"),
    (lambda parts: parts.update(metadata="[]"), "expected an object"),
    (metadata(skeletons=None), "skeletons"),
    (metadata(nodes={}), "nodes"),
    (metadata(nodes=[{"name": "a"}]), "for a node"),
    (metadata(nodes=[{"name": "a"}, {"name": "a"}]), "'a' twice"),
    (metadata(nodes=[{"name": None}, {"name": "a"}]), "a node with a name"),
    (metadata(nodes=[{"name": "b", "weight": NAN}, {"name": "a"}]), "weight"),
    (metadata(nodes=[{"name": "b", "weight": 10**400}, {"name": "a"}]), "weight"),
    (metadata(negative_anchors={"0": [[1, 10**400, 3]]}), "negative_anchors"),
    (link(source=7), "for a node"),
    (link(source=-1), "for a node"),
    (link(source=True), "for a node"),
    (graph(nodes=[{"id": 0}]), "link to 'tail'"),
    (graph(nodes=[{"id": 0}, {"id": 0}]), "'head' twice"),
    (graph(links=3), "links"),
    (graph(links=[4]), "a link without"),
    (graph(graph={"name": 3}), "name 3"),
    (link(type={"py/id": 7}), "py/id"),
    (link(type={"py/reduce": [{"py/tuple": [3]}]}), "type"),
    (link(type={"py/reduce": 3}), "type"),
    (lambda parts: parts.update(videos_json=["{"]), "videos_json, row 0"),
    (lambda parts: parts.update(videos_json=["3"]), "videos_json, row 0"),
    (lambda parts: parts.update(videos_json=['{"backend": 3}']), "videos_json, row 0"),
    (lambda parts: parts.update(tracks_json=["3"]), "tracks_json, row 0"),
    (lambda parts: parts.update(tracks_json=['[0, {"a": 1}]']), "tracks_json, row 0"),
    (lambda parts: parts.update(tracks_json=[f"[{2**63}, \"a\"]"]), "tracks_json, row 0"),
    (lambda parts: parts.update(suggestions_json=['{"video": 4}']), "suggestions_json, row 0"),
    (
        lambda parts: parts.update(suggestions_json=['{"video": "0", "frame_idx": -1}']),
        "suggestions_json, row 0, frame_idx",
    ),
    (metadata(negative_anchors={"4": []}), "negative_anchors"),
    (metadata(negative_anchors={"0": [[1, 2]]}), "negative_anchors"),
    (metadata(negative_anchors={"0": [[1, "2", 3]]}), "negative_anchors"),
    (metadata(provenance=[3]), "provenance"),
    (lambda parts: parts.update(provenance_json=np.bytes_(b"{")), "provenance_json"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "match"), BAD_JSON)
def test_bad_metadata_is_named(tmp_path: Path, change: Change, match: str) -> None:
    parts = small_parts()
    change(parts)
    provenance = parts.pop("provenance_json", None)
    if provenance is not None:
        parts["x"] = lambda file: file.create_dataset("provenance_json", data=provenance)
    refuse(write_parts(tmp_path / "some.slp", parts), match)


@pytest.mark.parametrize("name", ["videos_json", "tracks_json", "suggestions_json"])
@pytest.mark.parametrize("text", DEEP, ids=len)
def test_deep_json_is_refused(tmp_path: Path, name: str, text: str) -> None:
    refuse(write_parts(tmp_path / "some.slp", small_parts() | {name: [text]}), "nested too deeply")


@pytest.mark.parametrize(
    "tag",
    [
        {"py/object": "os.system"},
        {"py/reduce": [{"py/type": "subprocess.Popen"}, {"py/tuple": [["true"]]}]},
        {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["true"]}]},
        {"py/repr": "os/os.getcwd()"},
        {"py/object": "sleap.skeleton.Node", "py/newargs": []},
        {"py/object": ["sleap.skeleton.Node"]},
    ],
)
def test_tags_that_no_skeleton_has_are_refused(tmp_path: Path, tag: dict[str, Any]) -> None:
    for change in (link(type=tag), link(source=tag), graph(nodes=[{"id": tag}])):
        parts = small_parts()
        change(parts)
        with pytest.raises(UnsafeFileError, match=r"Do not trust"):
            read_slp(write_parts(tmp_path / "some.slp", parts))


def leave(file: h5py.File, name: str) -> None:
    if name in file:
        del file[name]


def external_link(file: h5py.File) -> None:
    leave(file, "points")
    file["points"] = h5py.ExternalLink("other.h5", "/points")


def soft_link(file: h5py.File) -> None:
    leave(file, "points")
    file["points"] = h5py.SoftLink("/pred_points")


def hidden_link(file: h5py.File) -> None:
    file.create_group("extra/deeper")["way_out"] = h5py.ExternalLink("other.h5", "/")


def link_in_pictures(file: h5py.File) -> None:
    file.create_group("video0")["source_video"] = h5py.ExternalLink("other.h5", "/")
    leave(file, "videos_json")
    row = json.dumps({"backend": {"filename": ".", "dataset": "video0/video"}})
    file["videos_json"] = np.array([row], "S")


def external_storage(file: h5py.File) -> None:
    leave(file, "points")
    shape, dtype = (2,), small_parts()["points"].dtype
    file.create_dataset("points", shape, dtype, external=[("/etc/passwd", 0, 36)])


def virtual(file: h5py.File) -> None:
    leave(file, "points")
    layout = h5py.VirtualLayout((2,), small_parts()["points"].dtype)
    layout[:] = h5py.VirtualSource("other.h5", "points", (2,))
    file.create_virtual_dataset("points", layout)


def plugin(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2,))
    plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))  # blosc
    leave(file, "extra")
    space = h5py.h5s.create_simple((2,))
    h5py.h5d.create(file.id, b"extra", h5py.h5t.NATIVE_INT32, space, plist)


@pytest.mark.parametrize(
    "danger",
    [external_link, soft_link, hidden_link, link_in_pictures, external_storage, virtual, plugin],
)
def test_ways_out_of_the_file_are_refused(
    tmp_path: Path, danger: Callable[[h5py.File], None]
) -> None:
    path = write_parts(tmp_path / "some.slp", small_parts() | {"danger": danger})
    with pytest.raises(UnsafeFileError):
        read_slp(path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    def name_oddly(file: h5py.File) -> None:
        file.create_group(b"\xff\xfe")

    path = write_parts(tmp_path / "some.slp", small_parts() | {"x": name_oddly})
    refuse(path, "not UTF-8")


def test_a_link_in_a_circle_is_walked_once(tmp_path: Path) -> None:
    def circle(file: h5py.File) -> None:
        file.create_group("extra")["again"] = file["/"]

    path = write_parts(tmp_path / "some.slp", small_parts() | {"x": circle})
    with pytest.warns(UserWarning, match="extra"):
        assert read_slp(path).frames.height == 2


@pytest.mark.parametrize("storage", [{}, {"chunks": (1000,)}, {"chunks": (9,), "compression": 1}])
@pytest.mark.parametrize("rows", [10**6, 10**9, 10**12])
def test_rows_that_were_never_stored_are_refused(
    tmp_path: Path, storage: dict[str, Any], rows: int
) -> None:
    def claim(file: h5py.File) -> None:
        for name in ("pred_points", "frames"):
            dtype = file[name].dtype
            del file[name]
            file.create_dataset(name, (rows,), dtype, **storage)

    path = write_parts(tmp_path / "some.slp", small_parts() | {"x": claim})
    refuse(path, "every item stored")


def test_huge_chunks_are_refused(tmp_path: Path) -> None:
    def claim(file: h5py.File) -> None:
        del file["tracks_json"]
        file.create_dataset("tracks_json", (1,), "S1000000", chunks=(4000,), maxshape=(None,))

    path = write_parts(tmp_path / "some.slp", small_parts() | {"x": claim})
    refuse(path, "tracks_json")


def test_a_file_that_changed_is_not_read_further(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "some.slp", small_parts())
    source = open_slp(path)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(FileFormatError, match="modified since it was opened"):
        source.load_structure()
    same_size = open_slp(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(FileFormatError, match="modified since it was opened"):
        same_size.load_structure()


def damaged_heap(path: Path, step: Callable[[int], int]) -> None:
    """Change the size of the free space that ends the heap of a file's texts."""
    write_slp(make_tables(3), path)
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16
    while data[at : at + 2] != b"\0\0":
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    size = int.from_bytes(data[at + 8 : at + 16], "little")
    data[at + 8 : at + 16] = step(size).to_bytes(8, "little")
    path.write_bytes(data)


@pytest.mark.parametrize("step", [lambda _: 0, lambda _: 2**64 - 8, lambda size: size + 8])
def test_a_heap_that_leads_nowhere_is_refused(tmp_path: Path, step: Callable[[int], int]) -> None:
    """The HDF5 library would walk on the spot for ever."""
    damaged_heap(tmp_path / "some.slp", step)
    refuse(tmp_path / "some.slp", "damaged heap")


def test_a_heap_of_attributes_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    def add(file: h5py.File) -> None:
        file["frames"].attrs["note"] = "kept in a heap"

    path = write_parts(tmp_path / "some.slp", small_parts() | {"x": add})
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16
    at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at : at + 16] = bytes(16)
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        refuse(path, "damaged heap")


def test_a_sound_heap_is_walked(tmp_path: Path) -> None:
    damaged_heap(tmp_path / "some.slp", lambda size: size)
    assert read_slp(tmp_path / "some.slp").frames.height == 3
