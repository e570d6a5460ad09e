"""Copies of HDF5 objects are the same, to the bytes of their chunks."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tabular_labels.errors import FileFormatError, UnsafeFileError
from tabular_labels.io.hdf5_copy import copy_member

Make = Callable[[h5py.Group], object]
TEXT = h5py.string_dtype()
RECORD = np.dtype([("x", "f8"), ("on", "?"), ("name", TEXT), ("kind", h5py.enum_dtype({"a": 1}))])

MAKERS: dict[str, Make] = {
    "numbers": lambda g: g.create_dataset("d", data=np.arange(12).reshape(3, 4)),
    "scalar": lambda g: g.create_dataset("d", data=np.float32(3)),
    "text": lambda g: g.create_dataset("d", data="één"),
    "bytes": lambda g: g.create_dataset("d", data=np.bytes_("fixed")),
    "texts": lambda g: g.create_dataset("d", data=["a", "", "ccc"], dtype=TEXT, chunks=(2,)),
    "ragged": lambda g: g.create_dataset(
        "d", data=np.array([np.arange(2), np.arange(3)], object), dtype=h5py.vlen_dtype(np.int8)
    ),
    "records": lambda g: g.create_dataset("d", data=np.array([(1, True, "one", 1)], RECORD)),
    "opaque": lambda g: g.create_dataset("d", data=np.array([b"ab", b"cd"], "V2")),
    "booleans": lambda g: g.create_dataset("d", data=np.array([True, False])),
    "none": lambda g: g.create_dataset("d", data=h5py.Empty("f4")),
    "no rows": lambda g: g.create_dataset("d", shape=(0, 3), dtype="f8", maxshape=(None, 3)),
    "never written": lambda g: g.create_dataset("d", shape=(9,), dtype="f8", fillvalue=7),
    "packed": lambda g: g.create_dataset(
        "d", data=np.arange(1000.0), chunks=(300,), compression="gzip", shuffle=True
    ),
    "half written": lambda g: g.create_dataset(
        "d", (90,), "f8", chunks=(9,), fillvalue=3
    ).write_direct(np.ones(9), None, np.s_[27:36]),
    "compact": lambda g: compact(g),
}


def compact(group: h5py.Group) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    made = h5py.h5d.create(group.id, b"d", h5py.h5t.STD_I32BE, space, plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=">i4"))


def copied(path: Path, make: Make) -> tuple[h5py.File, h5py.File]:
    with h5py.File(path / "source.h5", "w") as file:
        make(file.create_group("g"))
    source = h5py.File(path / "source.h5")
    target = h5py.File(path / "target.h5", "w")
    copy_member(source, target, "g", path / "source.h5")
    return source, target


@pytest.mark.parametrize("name", MAKERS)
def test_a_dataset_is_the_same(tmp_path: Path, name: str) -> None:
    source, target = copied(tmp_path, MAKERS[name])
    with source, target:
        old, new = source["g/d"], target["g/d"]
        assert (new.dtype, new.shape, new.maxshape) == (old.dtype, old.shape, old.maxshape)
        assert (new.chunks, new.compression, new.shuffle) == (
            old.chunks,
            old.compression,
            old.shuffle,
        )
        assert new.id.get_storage_size() == old.id.get_storage_size()
        assert new.id.get_create_plist().get_layout() == old.id.get_create_plist().get_layout()
        if old.shape is None:
            assert new[()] == old[()]
        elif name == "ragged":
            assert [list(values) for values in new] == [list(values) for values in old]
        else:
            np.testing.assert_array_equal(new[()], old[()])


def test_attributes_come_along(tmp_path: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.attrs["text"] = "één"
        group.attrs["texts"] = ["a", "bb"]
        group.attrs["number"] = np.int16(3)
        group.attrs["table"] = np.array([(1, 2)], [("a", "i4"), ("b", "f8")])
        group.attrs["none"] = h5py.Empty("f4")
        group.create_dataset("d", data=1).attrs["bytes"] = np.bytes_("fixed")

    source, target = copied(tmp_path, make)
    with source, target:
        for place in ("g", "g/d"):
            old, new = source[place].attrs, target[place].attrs
            assert list(new) == list(old)
            for name in old:
                assert new.get_id(name).dtype == old.get_id(name).dtype
                np.testing.assert_array_equal(new[name], old[name])


def test_attributes_may_have_names_of_other_bytes(tmp_path: Path) -> None:
    source, target = copied(tmp_path, lambda group: group.attrs.create(b"\xff\xfe", 3))
    with source, target:
        assert target["g"].attrs[b"\xff\xfe"] == 3


def test_shared_members_stay_shared(tmp_path: Path) -> None:
    def make(group: h5py.Group) -> None:
        group["inner/d"] = np.arange(3)
        group["again"] = group["inner"]
        group["inner/circle"] = group

    source, target = copied(tmp_path, make)
    with source, target:
        assert target["g/again"] == target["g/inner"]
        assert target["g/inner/circle"] == target["g"]


def test_references_do_not_point_into_another_file(tmp_path: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.create_dataset("d", data=[group.ref], dtype=h5py.ref_dtype)
        group.attrs.create("owner", group.ref, dtype=h5py.ref_dtype)

    source, target = copied(tmp_path, make)
    with source, target:
        assert not target["g/d"][0]
        assert "owner" not in target["g"].attrs


def test_links_out_are_refused(tmp_path: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.create_group("inner")["out"] = h5py.ExternalLink("other.h5", "/")

    with pytest.raises(UnsafeFileError, match="/g/inner/out"):
        copied(tmp_path, make)


def test_room_for_what_was_never_stored_is_refused(tmp_path: Path) -> None:
    def make(group: h5py.Group) -> None:
        group.create_dataset("d", (10**12,), "f8", chunks=(10,))[:10] = 1

    with pytest.raises(FileFormatError, match="every item stored"):
        copied(tmp_path, make)
