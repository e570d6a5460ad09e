"""Classic JSON of every age is read; broken and hostile JSON is refused with a reason."""

import json
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    DanglingReferenceWarning,
    FileFormatError,
    FormatVersionError,
    TabularLabelsError,
    UnmodelledDataError,
    UnmodelledDataWarning,
    UnsafeFileError,
)
from tabular_labels.io.json_read import parse_document, read_json
from tests.io.slp_cases import BODY

Document = dict[str, Any]


def small_document() -> Document:
    """One frame: a prediction, and the user instance made from it."""
    prediction = {
        "skeleton": "0",
        "track": "1",
        "from_predicted": None,
        "_points": {"0": {"x": 1.0, "y": 2.0, "visible": True, "complete": False, "score": 0.5}},
        "score": 0.75,
        "tracking_score": 0.25,
    }
    user = {
        "skeleton": "0",
        "track": None,
        "from_predicted": dict(prediction),
        "_points": {"1": {"x": 3.0, "y": 4.0, "visible": False, "complete": True}},
    }
    skeleton = {
        "directed": True,
        "graph": {"name": "fly", "num_edges_inserted": 1},
        "links": [{"edge_insert_idx": 0, "key": 0, "source": 0, "target": 1, "type": BODY}],
        "multigraph": True,
        "nodes": [{"id": 0}, {"id": 1}],
    }
    document = {
        "version": "2.0.0",
        "skeletons": [skeleton],
        "nodes": [{"name": "head", "weight": 1.0}, {"name": "tail", "weight": 1.0}],
        "videos": [{"backend": {"filename": "a.mp4", "grayscale": True, "bgr": True}}],
        "tracks": [[0, "left"], [3, "right"]],
        "suggestions": [{"video": "0", "frame_idx": 4, "group": None}],
        "negative_anchors": {"0": [[4, 1.5, 2.5]]},
        "provenance": {},
        "labels": [{"video": "0", "frame_idx": 7, "_instances": [prediction, user]}],
        "format_id": 1,
    }
    own: Document = json.loads(json.dumps(document))  # nothing in it is shared
    return own


def saved(document: object, path: Path) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_file_is_read_into_tables(tmp_path: Path) -> None:
    labels = tl.load_file(saved(small_document(), tmp_path / "no_suffix"))
    prediction, user = labels[0]
    assert (prediction.score, prediction.tracking_score) == (0.75, 0.25)
    assert user.from_predicted == prediction
    assert [prediction.track, user.track] == [labels.tracks[1], None]
    assert labels.to_polars(columns=["node", "x", "y", "visible", "complete", "score"]).rows() == [
        ("head", 1.0, 2.0, True, False, 0.5),
        ("tail", None, None, True, False, 0.0),
        ("head", None, None, True, False, None),
        ("tail", 3.0, 4.0, False, True, None),
    ]
    assert labels.suggestions[0].frame_idx == 4
    assert labels.negative_anchors == {labels.video: [(4, 1.5, 2.5)]}


def older(document: Document) -> Document:
    """Say the same as the first versions did: numbers, dicts, no format."""
    frame = document["labels"][0]
    frame["video"] = 0
    for one in frame["_instances"]:
        one["skeleton"] = 0
        one["track"] = None if one["track"] is None else int(one["track"])
    frame["_instances"][1]["from_predicted"] |= {"skeleton": 0, "track": 1}
    document["tracks"] = [{"spawned_on": 0, "name": "left"}, {"spawned_on": 3, "name": "right"}]
    document["suggestions"] = {"0": [4]}
    del document["format_id"], document["provenance"]
    return document


def test_an_older_file_says_the_same() -> None:
    old, new = (tl.Labels.from_json(d) for d in (older(small_document()), small_document()))
    assert old.equals(new)


def test_files_without_tracks_and_labels_are_read() -> None:
    document = small_document()
    for key in ("tracks", "labels", "suggestions", "negative_anchors"):
        del document[key]
    assert len(tl.Labels.from_json(document)) == 0


def test_a_byte_order_mark_and_trailing_space_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + json.dumps(small_document()).encode() + b"\n\n")
    assert len(tl.load_file(tmp_path / "a")) == 1


def test_a_copy_of_no_prediction_is_counted() -> None:
    document = small_document()
    document["labels"][0]["_instances"][1]["from_predicted"]["_points"]["0"]["x"] = 1.5
    with pytest.warns(DanglingReferenceWarning, match="1 instances come from no prediction"):
        tables = parse_document(document)
    assert tables.instances["from_predicted"].null_count() == 2


def test_a_prediction_of_another_frame_is_found() -> None:
    document = small_document()
    prediction = document["labels"][0]["_instances"].pop(0)
    document["labels"].append({"video": "0", "frame_idx": 2, "_instances": [prediction]})
    tables = parse_document(document)
    assert tables.frames["frame_idx"].to_list() == [2, 7]
    assert tables.instances["from_predicted"].to_list() == [None, 0]


def test_what_is_not_modelled_is_counted_and_refused_on_request(tmp_path: Path) -> None:
    document = small_document()
    document["labels"][0]["_instances"][0]["colour"] = "red"
    with pytest.warns(UnmodelledDataWarning, match=r"values of instances \(1\)"):
        parse_document(document)
    with pytest.raises(UnmodelledDataError):
        read_json(saved(document, tmp_path / "a.json"), strict=True)


def change(document: Document, value: Any, *place: Any) -> Document:
    target: Any = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return document


FRAME = ("labels", 0)
ONE = (*FRAME, "_instances", 0)
POINT = (*ONE, "_points", "0")


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        ([], ("skeletons",), "skeleton"),
        ("x", ("labels",), "labels"),
        ([7], ("labels",), "labels, item 0"),
        ("1", (*FRAME, "video"), "video"),
        (None, (*FRAME, "video"), "video"),
        (True, (*FRAME, "video"), "video"),
        ([0], (*FRAME, "video"), "video"),
        (-1, (*FRAME, "frame_idx"), "frame_idx"),
        (2**40, (*FRAME, "frame_idx"), "frame_idx"),
        (1.5, (*FRAME, "frame_idx"), "frame_idx"),
        ("7", (*FRAME, "frame_idx"), "frame_idx"),
        ({}, (*FRAME, "_instances"), "_instances"),
        ([[]], (*FRAME, "_instances"), "_instances"),
        ("yes", (*FRAME, "is_negative"), "is_negative"),
        ("9", (*ONE, "skeleton"), "skeleton"),
        ("2", (*ONE, "track"), "track"),
        ("0.5", (*ONE, "score"), "score"),
        ([], (*ONE, "_points"), "_points"),
        ({"9": {"x": 1, "y": 1}}, (*ONE, "_points"), "_points"),
        ({"head": {"x": 1, "y": 1}}, (*ONE, "_points"), "_points"),
        ({"00": {"x": 1, "y": 1}, "0": {"x": 1, "y": 1}}, (*ONE, "_points"), "each node once"),
        ([1, 2], POINT, "_points"),
        ({"x": 1.0}, POINT, "a point without y"),
        ("1.0", (*POINT, "x"), "x"),
        (10**400, (*POINT, "x"), "x"),
        (1, (*POINT, "visible"), "visible"),
        ([], (*ONE, "from_predicted"), "from_predicted"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(value: Any, place: Any, said: str) -> None:
    with pytest.raises(FileFormatError, match="expected") as caught:
        parse_document(change(small_document(), value, *place))
    assert said in str(caught.value)


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(FormatVersionError, match="format_id: found 2"):
        parse_document(small_document() | {"format_id": 2})


# Hostile input

CALL = {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["touch pwned"]}]}
OBJECT = {"py/object": "subprocess.Popen", "args": ["touch", "pwned"]}


@pytest.mark.parametrize("payload", [CALL, OBJECT, {"py/repr": "os/os.system('touch pwned')"}])
@pytest.mark.parametrize(
    "place",
    [
        ("skeletons", 0, "links", 0, "type"),
        ("skeletons", 0, "nodes", 0, "id"),
        ONE,
        POINT,
        (*ONE, "from_predicted"),
    ],
)
def test_pickled_objects_are_refused_and_nothing_runs(
    payload: Any, place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    with pytest.raises(UnsafeFileError):
        read_json(saved(change(small_document(), payload, *place), tmp_path / "a.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert not {"jsonpickle", "subprocess"} & (set(sys.modules) - before)


def test_a_tag_in_the_provenance_stays_a_value() -> None:
    labels = tl.Labels.from_json(small_document() | {"provenance": {"made": OBJECT}})
    assert labels.provenance["made"] == OBJECT


def test_a_pickle_is_no_labels_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(pickle.dumps({"labels": []}))
    with pytest.raises(FileFormatError):
        tl.load_file(tmp_path / "a.json")


@pytest.mark.parametrize("place", ["provenance", "labels", "other"])
@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_json_is_refused_without_exhausting_the_stack(
    place: str, depth: int, tmp_path: Path
) -> None:
    text = json.dumps(small_document() | {place: "HERE"})
    path = tmp_path / "a.json"
    path.write_text(text.replace('"HERE"', "[" * depth + "]" * depth))
    with pytest.raises(FileFormatError):
        read_json(path)


def test_a_long_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(small_document()).replace(": 1.0", ": 1" + "0" * 10_000, 1))
    with pytest.raises(FileFormatError):
        read_json(path)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_an_archive_writes_nothing_wherever_its_members_point(tmp_path: Path) -> None:
    inside = tmp_path / "deep" / "down"
    inside.mkdir(parents=True)
    document = json.dumps(small_document()).encode()
    hostile = {"../../evil.json": document, "/tmp/evil.json": document, "..\\evil.json": document}
    path = zipped(inside / "a.json.zip", {**hostile, "labels.json": document})
    assert len(tl.load_file(path)) == 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.json.zip"]
    with pytest.raises(FileFormatError, match="one JSON file at its top"):
        read_json(zipped(inside / "b.json.zip", hostile))


def test_two_documents_in_an_archive_are_refused(tmp_path: Path) -> None:
    document = json.dumps(small_document()).encode()
    with pytest.raises(FileFormatError, match="one JSON file"):
        read_json(zipped(tmp_path / "a.zip", {"a.json": document, "b.json": document}))


def test_a_zip_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabular_labels.io.json_read.SPARE", 1000)
    bomb = zipped(tmp_path / "a.json.zip", {"a.json": b'{"labels":[' + b" " * 5_000_000})
    with pytest.raises(UnsafeFileError, match="200 times the size"):
        read_json(bomb)


def understated(data: bytes) -> bytes:
    """Claim in both headers that the member is small."""
    at = data.index(b"PK\x01\x02")
    small = struct.pack("<I", 10)
    return data[:22] + small + data[26 : at + 24] + small + data[at + 28 :]


@pytest.mark.parametrize("damage", [understated, lambda data: data[:-30], lambda d: d[:40]])
def test_a_damaged_archive_is_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.json.zip", {"a.json": json.dumps(small_document()).encode()})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileFormatError):
        tl.read_json(path)


def test_every_cut_of_a_file_is_refused_or_read(tmp_path: Path) -> None:
    data = json.dumps(small_document()).encode()
    path = tmp_path / "a.json"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(TabularLabelsError):
            read_json(path)
