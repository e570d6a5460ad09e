import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabular_labels.errors import (
    ConflictError,
    FileFormatError,
    FormatVersionError,
    InvariantError,
    QueryError,
    UnsafeFileError,
)
from tabular_labels.io import manifest_document
from tabular_labels.io.manifest import MIGRATIONS
from tabular_labels.io.manifest_json import dump, parse
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import (
    is_project,
    list_versions,
    publish,
    read_history,
    read_manifest,
    version_path,
)
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Attachments, LabelTables
from tabular_labels.testing.builders import make_tables

Document = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_parquet(make_tables(40, n_nodes=3), tmp_path / "mice", points_per_shard=200)
    return tmp_path / "mice"


def read_json(path: Path) -> Document:
    document: Document = json.loads(path.read_bytes())
    return document


def change(project: Path, edit: Callable[[Document], object]) -> None:
    """Edit the manifest of version 1 as no program of ours would."""
    path = version_path(project, 1)
    document = read_json(path)
    edit(document)
    path.write_text(json.dumps(document))


JSON_VALUES = [
    {"inf": math.inf, "-inf": -math.inf, "large": 2**200, "tiny": 5e-324, "exact": 0.1 + 0.2},
    {"$float": "nan"},
    {"$float": 1.5},
    {"$object": [["$float", "inf"]]},
    {"a": {"$object": {}}, "b": [{"$float": [math.inf]}]},
    {"lone": "\ud800", "nul": "\0", "text": "naïve 触角 🐭\r\n"},
    {"nested": [[], {}, [None, True, False]]},
]


@pytest.mark.parametrize("value", JSON_VALUES)
def test_every_value_survives_strict_json(value: Document) -> None:
    data = dump({"value": value}, "x.json")
    assert parse(data, "x.json") == {"value": value}
    json.loads(data, parse_constant=lambda name: pytest.fail(name))


def test_nan_survives_strict_json() -> None:
    found = parse(dump({"value": [math.nan]}, "x.json"), "x.json")["value"]
    assert math.isnan(found[0])


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    tables = LabelTables()
    catalog = replace(tables.catalog, provenance={"model": object()})
    with pytest.raises(FileFormatError, match="provenance"):
        write_parquet(replace(tables, catalog=catalog), tmp_path / "mice")
    assert not list(tmp_path.rglob("*.parquet"))


def test_provenance_and_attachments_survive(tmp_path: Path) -> None:
    tables = make_tables(10, n_nodes=3)
    attachments = Attachments({"masks": 3}, metadata={"x": [math.inf]}, numbering="abc")
    provenance = {"weights": [math.inf, 2**80], "$float": "nan"}
    catalog = replace(tables.catalog, attachments=attachments, provenance=provenance)
    write_parquet(replace(tables, catalog=catalog), tmp_path / "mice")
    found = open_parquet(tmp_path / "mice").catalog
    assert found.provenance == provenance
    assert found.attachments == attachments


def test_an_image_of_attachments_is_kept_verbatim(tmp_path: Path) -> None:
    tables = make_tables(10, n_nodes=3)
    attachments = Attachments({"masks": 3}, image=b"\x89HDF\r\n\x1a\n" + bytes(range(256)))
    catalog = replace(tables.catalog, attachments=attachments)
    write_parquet(replace(tables, catalog=catalog), tmp_path / "mice")
    found = open_parquet(tmp_path / "mice").catalog.attachments
    assert found.image is None
    assert found.path is not None
    assert Path(found.path).read_bytes() == attachments.image


def test_each_version_has_its_history(project: Path) -> None:
    write_parquet(LabelTables(), project, overwrite=True, message="cleared")
    first, second = read_history(project)
    assert (first.version, first.parent, first.message) == (1, None, "")
    assert (second.version, second.parent, second.message) == (2, 1, "cleared")
    assert second.rows == Counts(0, 0, 0)
    assert first.created < second.created
    (project / "history" / "00000001.json").unlink()
    assert read_history(project) == [first, second]


def test_versions_are_listed_and_strangers_are_not(project: Path) -> None:
    for name in ("notes.txt", ".00000002.json.abc.tmp", "3.json", "00000004.json.bak"):
        (project / "versions" / name).write_text("{}")
    assert list_versions(project) == [1]
    assert read_manifest(project).info.version == 1


def test_versions_beyond_eight_digits_are_the_newest(project: Path) -> None:
    manifest = read_manifest(project)
    for version in (99_999_999, 100_000_000):
        publish(project, replace(manifest, info=replace(manifest.info, version=version)))
    assert list_versions(project) == [1, 99_999_999, 100_000_000]
    assert read_manifest(project).info.version == 100_000_000


def test_a_version_is_published_once(project: Path) -> None:
    manifest = read_manifest(project)
    before = version_path(project, 1).read_bytes()
    with pytest.raises(ConflictError):
        publish(project, manifest)
    assert version_path(project, 1).read_bytes() == before


@pytest.mark.parametrize("version", [0, 2, -1])
def test_a_version_that_is_not_there_is_named(project: Path, version: int) -> None:
    with pytest.raises(QueryError, match=f"versions 1 to 1, expected {version}"):
        read_manifest(project, version)


def test_a_missing_path_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["empty", "file.slp", "mice/data", "mice/tabular-labels.json"])
def test_what_is_no_project_is_told_what_one_looks_like(
    project: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.slp").write_bytes(b"")
    assert is_project(project)
    assert not is_project(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"versions/ and data/.*write_parquet"):
        read_manifest(tmp_path / name)


def test_a_project_without_versions_is_told_so(project: Path) -> None:
    version_path(project, 1).unlink()
    with pytest.raises(FileFormatError, match="no version"):
        read_manifest(project)


def test_another_programs_marker_is_refused(project: Path) -> None:
    (project / "tabular-labels.json").write_text('{"format": "something else"}')
    with pytest.raises(FileFormatError, match="something else"):
        read_manifest(project)


def test_a_newer_format_is_refused_by_name(project: Path) -> None:
    change(project, lambda document: document.update(format_version=99))
    with pytest.raises(FormatVersionError, match=r"found 99, expected 1 to 1\. Upgrade"):
        read_manifest(project)


def test_an_older_format_is_migrated_step_by_step(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_manifest(project)
    change(project, lambda document: document.update(note=document.pop("message")))
    monkeypatch.setattr(manifest_document, "FORMAT_VERSION", 3)
    monkeypatch.setitem(MIGRATIONS, 1, lambda old: {**old, "text": old["note"]})
    monkeypatch.setitem(MIGRATIONS, 2, lambda old: {**old, "message": old["text"]})
    assert read_manifest(project).info == expected.info


def test_an_older_format_without_a_migration_is_refused(project: Path) -> None:
    change(project, lambda document: document.update(format_version=0))
    with pytest.raises(FileFormatError, match="format_version"):
        read_manifest(project)


def at(*keys: str | int) -> Callable[[Any], Any]:
    def walk(document: Any) -> Any:
        for key in keys:
            document = document[key]
        return document

    return walk


def put(value: Any, *keys: str | int) -> Callable[[Document], object]:
    def edit(document: Document) -> None:
        at(*keys[:-1])(document)[keys[-1]] = value

    return edit


def drop(*keys: str | int) -> Callable[[Document], object]:
    return lambda document: at(*keys[:-1])(document).pop(keys[-1])


POINTS = ("shards", 0, "points")
UNSAFE = [
    "/etc/passwd",
    "../mice/data/x.parquet",
    "data/../../x.parquet",
    "data/./x.parquet",
    "data//x.parquet",
    "data\\x.parquet",
    "C:/x.parquet",
    "C:x.parquet",
    "\\\\host\\share\\x.parquet",
    "//host/share/x.parquet",
    "file:///etc/passwd",
    "s3://bucket/x.parquet",
    "data/*.parquet",
    "data/x.parquet\n",
    "data/x.parquet\0",
    "data/x.py",
    "data/.x.parquet",
    "versions/x.parquet",
    "x.parquet",
    "data/" + "x" * 300 + ".parquet",
    "",
]


@pytest.mark.parametrize("path", UNSAFE)
def test_paths_out_of_the_project_are_refused(project: Path, path: str) -> None:
    change(project, put(path, *POINTS, "path"))
    with pytest.raises(UnsafeFileError, match=r"shards\[0\]\.points\.path"):
        read_manifest(project)


def copy_points_path(document: Document) -> None:
    document["shards"][1]["points"]["path"] = document["shards"][0]["points"]["path"]


def swap_shards(document: Document) -> None:
    document["shards"].reverse()


def add_half_a_delta(document: Document) -> None:
    shard = document["shards"][0]
    files = {
        name: {**shard[name], "path": f"edits/{name}.parquet"}
        for name in ("frames", "instances", "points")
    }
    document["deltas"].append({**shard, **files})


BROKEN: dict[str, tuple[Callable[[Document], object], str]] = {
    "another format": (put("x", "format"), "format"),
    "no format version": (drop("format_version"), "format_version"),
    "a format version of text": (put("1", "format_version"), "format_version"),
    "a boolean for a number": (put(True, "format_version"), "format_version"),
    "another version": (put(7, "version"), "version: found 7, expected 1"),
    "a negative parent": (put(-1, "parent"), "parent"),
    "no rows": (drop("rows"), "rows"),
    "negative rows": (put(-1, "rows", "points"), r"rows\.points"),
    "other rows": (put(1, "rows", "points"), r"rows\.points"),
    "a million million frames": (put(10**12, "rows", "frames"), r"rows\.frames"),
    "no schema": (drop("schemas", "points"), "schemas"),
    "another dtype": (put("Float32", "schemas", "points", "x"), "schemas"),
    "shards as an object": (put({}, "shards"), "shards"),
    "a shard of text": (put("x", "shards", 0), r"shards\[0\]"),
    "no file": (drop(*POINTS), r"shards\[0\]\.points"),
    "a file of null": (put(None, *POINTS), r"shards\[0\]\.points"),
    "a path of numbers": (put(7, *POINTS, "path"), r"points\.path"),
    "negative bytes": (put(-5, *POINTS, "bytes"), r"points\.bytes"),
    "absurd bytes": (put(2**80, *POINTS, "bytes"), r"points\.bytes"),
    "absurd rows": (put(2**50, *POINTS, "rows"), r"points\.rows"),
    "fractional rows": (put(1.5, *POINTS, "rows"), r"points\.rows"),
    "no digest": (put("abc", *POINTS, "sha256"), r"points\.sha256"),
    "a file twice": (copy_points_path, r"shards\[1\]\.points\.path"),
    "shards out of order": (swap_shards, r"shards\[1\]\.first"),
    "an empty range": (put([99, 0], "shards", 0, "first"), r"shards\[0\]"),
    "a key of one number": (put([0], "shards", 0, "first"), r"shards\[0\]\.first"),
    "a key of text": (put(["0", 0], "shards", 0, "first"), r"shards\[0\]\.first"),
    "a key too large": (put([0, 2**40], "shards", 0, "last"), r"shards\[0\]\.last"),
    "a delta without its list": (add_half_a_delta, r"deltas\[0\]\.replaced"),
    "attachments of another kind": (
        lambda document: document.update(
            attachments={"path": "data/x.parquet", "rows": 0, "bytes": 1, "sha256": "0" * 64}
        ),
        r"attachments\.path",
    ),
    "no catalog": (drop("catalog"), "catalog"),
    "no videos": (drop("catalog", "videos"), r"catalog\.videos"),
    "a column missing": (drop("catalog", "videos", "fps"), r"catalog\.videos"),
    "columns of unequal length": (put([], "catalog", "videos", "fps"), r"catalog\.videos"),
    "a number as filename": (put(7, "catalog", "videos", "filename", 0), r"catalog\.videos"),
    "a null as filename": (put(None, "catalog", "videos", "filename", 0), r"catalog\.videos"),
    "an id too large": (put(2**32, "catalog", "tracks", "track_id", 0), r"catalog\.tracks"),
    "a boolean id": (put(True, "catalog", "tracks", "track_id", 0), r"catalog\.tracks"),
    "an unhashable float": (
        put({"$float": ["nan"]}, "catalog", "videos", "fps", 0),
        r"catalog\.videos",
    ),
    "a huge fps": (put(10**400, "catalog", "videos", "fps", 0), r"catalog\.videos"),
    "a kind of edge nobody knows": (
        put("rope", "catalog", "edges", "kind", 0),
        r"catalog\.edges",
    ),
    "provenance of text": (put("x", "catalog", "provenance"), r"catalog\.provenance"),
    "negative counts": (put({"a": -1}, "catalog", "attachments", "counts"), "counts"),
}


@pytest.mark.parametrize(("edit", "place"), BROKEN.values(), ids=BROKEN)
def test_a_broken_manifest_is_one_clear_error(
    project: Path, edit: Callable[[Document], object], place: str
) -> None:
    change(project, edit)
    with pytest.raises(FileFormatError, match=rf"00000001\.json: .*{place}") as raised:
        read_manifest(project)
    assert raised.value.remedy
    assert raised.value.expected


TEXTS = {
    "nothing": b"",
    "half": b'{"format": "tab',
    "a list": b"[]",
    "a number": b"7",
    "NaN": b'{"format": NaN}',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a long number": b'{"format_version": ' + b"9" * 10_000 + b"}",
    "a broken tag": b'{"x": {"$object": [1]}}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_manifest_is_one_clear_error(project: Path, text: bytes) -> None:
    version_path(project, 1).write_bytes(text)
    with pytest.raises(FileFormatError, match=r"00000001\.json"):
        read_manifest(project)


def test_a_catalog_that_breaks_rules_is_named_with_its_file(project: Path) -> None:
    change(project, put(0, "catalog", "tracks", "track_id", 1))
    with pytest.raises(InvariantError, match="track_id is unique") as raised:
        read_manifest(project)
    assert any("00000001.json" in note for note in raised.value.__notes__)


def points_path(project: Path) -> Path:
    return project / read_manifest(project).shards[0].points.path


def test_a_missing_file_is_named_on_opening(project: Path) -> None:
    points_path(project).unlink()
    with pytest.raises(FileFormatError, match=r"points-0000-.*no such file"):
        open_parquet(project)


def test_a_cut_file_is_named_on_opening(project: Path) -> None:
    path = points_path(project)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=r"points-0000-.*bytes, as the manifest says"):
        open_parquet(project)


def test_a_folder_in_the_place_of_a_file_is_refused(project: Path) -> None:
    path = points_path(project)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnsafeFileError, match="no regular file"):
        open_parquet(project)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_out_of_the_project_are_refused(project: Path, tmp_path: Path, what: str) -> None:
    path = points_path(project) if what == "file" else project / "data"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFileError, match="a link to"):
        open_parquet(project)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_the_whole_project_is_fine(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    assert open_parquet(tmp_path / "link").load().frames.height == 40
