"""What a file holds beyond the tables travels along while its references hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import UnmodelledDataError, UnmodelledDataWarning, UnsafeFileError
from tabular_labels.io.attachments import attachment_image
from tabular_labels.io.slp_layout import FRAMES, POINTS
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.tables import LabelTables
from tests.io.slp_cases import content, small_parts, write_parts

RLE = np.arange(9, dtype=np.uint8)


def with_more(table: np.ndarray[Any, Any], column: str, values: list[Any]) -> np.ndarray[Any, Any]:
    more = np.zeros(len(table), [*table.dtype.descr, (column, "f4")])
    for name in table.dtype.names or ():
        more[name] = table[name]
    more[column] = values
    return more


def rich_parts() -> dict[str, Any]:
    """A small file with one of everything that we do not model."""

    def write(file: h5py.File) -> None:
        file.attrs["lab"] = "north"
        file["metadata"].attrs["session"] = 7
        file["frames"].attrs["unit"] = "frames"
        file.create_dataset("masks", data=np.zeros(2, [("instance", "i4"), ("score", "f4")]))
        file.create_dataset("mask_rle", data=RLE, chunks=(3,), compression="gzip")
        group = file.create_group("identity")
        group.create_dataset("name", data=["Ann", "Bob"], dtype=h5py.string_dtype())
        group.attrs["kind"] = "mice"
        file.create_dataset("sessions_json", data=['{"a": 1}'], dtype=h5py.string_dtype())
        file.create_group("of_next_year/deeper")["data"] = np.arange(4)
        file.create_dataset("video0/video", data=np.zeros((2, 5), np.int8))

    parts = small_parts(2.7)
    parts["metadata"] |= {"colour": "blue", "nested": {"a": [1, None]}}
    parts["suggestions_json"] = [{"video": "0", "frame_idx": 7, "group": "late", "why": "odd"}]
    parts["videos_json"] = [{"backend": {"filename": "a.mp4"}, "crop": [1, 2]}]
    parts["frames"] = with_more(parts["frames"], "weight", [0.5, 2.0])
    parts["points"] = with_more(parts["points"], "z/w", [3.0, 4.0])
    return parts | {"x": write}


EXPECTED = {
    "metadata keys": 2,
    "values of suggestions": 1,
    "values of videos": 1,
    "identities": 2,
    "masks": 2,
    "of_next_year": 1,
    "sessions": 1,
    "columns of frames": 1,
    "columns of points": 1,
    "attributes": 3,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_parts(tmp_path / "rich.slp", rich_parts())


@pytest.fixture
def tables(path: Path) -> LabelTables:
    with pytest.warns(UnmodelledDataWarning, match=r"identities \(2\), masks \(2\)") as caught:
        tables = read_slp(path)
    assert len(caught) == 1
    return tables


def assert_carried(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["lab"] == "north"
        assert file["metadata"].attrs["session"] == 7
        assert file["metadata"].attrs["format_id"] == 2.7
        assert file["frames"].attrs["unit"] == "frames"
        assert file["masks"].dtype.names == ("instance", "score")
        assert (file["mask_rle"].chunks, file["mask_rle"].compression) == ((3,), "gzip")
        np.testing.assert_array_equal(file["mask_rle"], RLE)
        assert list(file["identity/name"].asstr()) == ["Ann", "Bob"]
        assert file["identity"].attrs["kind"] == "mice"
        assert list(file["sessions_json"].asstr()) == ['{"a": 1}']
        np.testing.assert_array_equal(file["of_next_year/deeper/data"], np.arange(4))
        assert file["frames"].dtype.names == (*(FRAMES.names or ()), "weight")
        assert list(file["frames"]["weight"]) == [0.5, 2.0]
        assert file["points"].dtype.names == (*(POINTS.names or ()), "z/w")
        assert list(file["points"]["z/w"]) == [3.0, 4.0]
        assert "video0" not in file


def test_counts_name_everything(tables: LabelTables) -> None:
    assert tables.catalog.attachments.counts == EXPECTED


def test_everything_is_carried_to_a_copy(tables: LabelTables, tmp_path: Path) -> None:
    write_slp(tables, tmp_path / "copy.slp")
    assert_carried(tmp_path / "copy.slp")
    with pytest.warns(UnmodelledDataWarning):
        again = read_slp(tmp_path / "copy.slp")
    assert again.catalog.attachments.counts == EXPECTED
    assert again.catalog.attachments.metadata == tables.catalog.attachments.metadata
    assert content(again) == content(tables)


def test_a_scan_refers_to_the_file_and_carries_all(path: Path, tmp_path: Path) -> None:
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        source = open_slp(path)
    attachments = source.catalog.attachments
    assert attachments.counts == EXPECTED
    assert (attachments.image, attachments.path) == (None, str(path))
    structure = source.load_structure()
    tables = LabelTables(
        source.catalog, structure.frames, structure.instances, source.load().points
    )
    write_slp(tables, tmp_path / "copy.slp")
    assert_carried(tmp_path / "copy.slp")
    # The image may also be a file of its own.
    image = attachment_image(attachments)
    assert image is not None
    (tmp_path / "image.h5").write_bytes(image)
    elsewhere = replace(attachments, path=str(tmp_path / "image.h5"))
    assert attachment_image(elsewhere) == image
    # A scanned file may be replaced by what was read from it.
    write_slp(tables, path)
    assert_carried(path)


def test_a_load_of_a_scan_holds_them_in_memory(path: Path) -> None:
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        source = open_slp(path)
    attachments = source.load().catalog.attachments
    assert attachments.image is not None
    assert attachments.path is None


def test_strict_reading_refuses_more_than_the_tables(path: Path) -> None:
    with pytest.raises(UnmodelledDataError, match=r"masks \(2\)"):
        read_slp(path, strict=True)
    with pytest.raises(UnmodelledDataError, match=r"masks \(2\)"):
        open_slp(path, strict=True)


def test_renumbered_rows_leave_them_behind(tables: LabelTables, tmp_path: Path) -> None:
    fewer = LabelTables(
        tables.catalog,
        tables.frames[1:].with_columns(position=pl.lit(0, pl.UInt32)),
        tables.instances[2:],
        tables.points[4:],
    )
    with pytest.warns(UnmodelledDataWarning, match=r"left out.*masks \(2\).*other row numbers"):
        write_slp(fewer, tmp_path / "fewer.slp")
    with h5py.File(tmp_path / "fewer.slp") as file:
        assert "masks" not in file
        assert file["metadata"].attrs["format_id"] == 1.4
        assert file["frames"].dtype == FRAMES


def test_edited_values_keep_them(tables: LabelTables, tmp_path: Path) -> None:
    moved = tables.points.with_columns(pl.col("x") + 1)
    edited = LabelTables(tables.catalog, tables.frames, tables.instances, moved)
    write_slp(edited, tmp_path / "edited.slp")
    assert_carried(tmp_path / "edited.slp")


def test_the_classic_layout_leaves_them_behind(tables: LabelTables, tmp_path: Path) -> None:
    with pytest.warns(UnmodelledDataWarning, match="which the classic layout has not"):
        write_slp(tables, tmp_path / "classic.slp", compat="classic")
    with h5py.File(tmp_path / "classic.slp") as file:
        assert "masks" not in file
        assert file["metadata"].attrs["format_id"] == 1.2


def test_objects_of_a_file_that_is_gone_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        source = open_slp(path)
    tables = replace(source.load(), catalog=source.catalog)
    path.unlink()
    with pytest.warns(UnmodelledDataWarning, match=r"masks \(2\).*cannot be read"):
        write_slp(tables, tmp_path / "copy.slp")


def test_other_instance_ids_cut_the_references(tmp_path: Path) -> None:
    parts = rich_parts()
    parts["instances"]["instance_id"] = [5, 6, 7]
    parts["instances"]["from_predicted"] = [6, -1, -1]
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        tables = read_slp(write_parts(tmp_path / "rich.slp", parts))
    with pytest.warns(UnmodelledDataWarning, match="left out"):
        write_slp(tables, tmp_path / "copy.slp")


def test_points_in_another_order_leave_their_columns_behind(tmp_path: Path) -> None:
    parts = rich_parts()
    swap = parts["instances"].copy()
    swap["point_id_start"], swap["point_id_end"] = [0, 2, 0], [2, 4, 2]
    parts["instances"] = swap
    parts["pred_points"] = with_more(parts["pred_points"], "z", [1.0, 2.0, 3.0, 4.0])
    with pytest.warns(UnmodelledDataWarning, match="columns of pred_points"):
        tables = read_slp(write_parts(tmp_path / "rich.slp", parts))
    write_slp(tables, tmp_path / "copy.slp")
    with h5py.File(tmp_path / "copy.slp") as file:
        assert "z" not in file["pred_points"].dtype.names
        assert "masks" in file


def test_an_image_with_a_way_out_is_refused(tables: LabelTables, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.arange(3)
    with h5py.File(tmp_path / "image.h5", "w") as file:
        file["masks"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
    image = (tmp_path / "image.h5").read_bytes()
    attachments = replace(tables.catalog.attachments, image=image)
    catalog = replace(tables.catalog, attachments=attachments)
    with pytest.raises(UnsafeFileError):
        write_slp(replace(tables, catalog=catalog), tmp_path / "copy.slp")
    assert not (tmp_path / "copy.slp").exists()
