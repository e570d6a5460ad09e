"""Labels of LEAP, which are files of MATLAB."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels._types import FloatArray
from tabular_labels.errors import (
    FileFormatError,
    MissingExtraError,
    UnmodelledDataWarning,
    UnsafeFileError,
)

pytest.importorskip("pymatreader")
scipy_io = pytest.importorskip("scipy.io")

NODES = ["head", "thorax", "tail"]
EDGES = [[1, 2], [2, 3]]


def positions() -> FloatArray:
    """Places of three nodes in five frames: one frame without any, and one point missing."""
    made = np.arange(30.0).reshape(3, 2, 5) / 4
    made[:, :, 3] = np.nan
    made[1, :, 4] = np.nan
    return made


def leap_file(folder: Path, **more: Any) -> Path:
    path = folder / "labels.mat"
    skeleton = {"nodes": np.array(NODES, object), "edges": np.array(EDGES)}
    content = {"boxPath": r"D:\day1\box.h5", "skeleton": skeleton, "positions": positions(), **more}
    scipy_io.savemat(path, content)
    return path


def hdf5_file(path: Path) -> h5py.File:
    """Begin a file as MATLAB 7.3 has it: HDF5 after a header."""
    with h5py.File(path, "w", userblock_size=512):
        pass
    version = b"\x00" * 8 + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, made by a test".ljust(116) + version)
    return h5py.File(path, "r+")


def test_labels_of_leap_are_read(tmp_path: Path) -> None:
    labels = tl.load_file(leap_file(tmp_path).rename(tmp_path / "named.otherwise"))
    assert labels.skeleton.node_names == NODES
    assert labels.skeleton.edge_inds == [(0, 1), (1, 2)]
    assert [video.filename for video in labels.videos] == [r"D:\day1\box.h5"]
    assert [frame.frame_idx for frame in labels] == [0, 1, 2, 4]
    assert [[type(one) for one in frame] for frame in labels] == [[tl.Instance]] * 4
    found = [frame[0].numpy() for frame in labels]
    np.testing.assert_array_equal(found, positions().transpose(2, 0, 1)[[0, 1, 2, 4]])


def test_the_real_file_is_read_as_matlab_has_it(shared_data: Path) -> None:
    path = shared_data / "leap_labels.mat"
    with pytest.warns(UnmodelledDataWarning, match=str(path)):
        labels = tl.load_file(path)
    content = scipy_io.loadmat(path, squeeze_me=True)
    xy = content["positions"].transpose(2, 0, 1)
    labelled = np.flatnonzero(~np.isnan(xy).any(axis=2).all(axis=1))
    assert [frame.frame_idx for frame in labels] == labelled.tolist()
    np.testing.assert_array_equal([frame[0].numpy() for frame in labels], xy[labelled])
    assert labels.skeleton.node_names == content["skeleton"]["nodes"].item().tolist()
    edges = content["skeleton"]["edges"].item() - 1
    assert labels.skeleton.edge_inds == [tuple(edge) for edge in edges.tolist()]


def test_newer_files_of_matlab_are_read(tmp_path: Path) -> None:
    with hdf5_file(tmp_path / "a.mat") as file:
        # MATLAB counts the axes from the other side.
        file["positions"] = positions().T
        file["positions"].attrs["MATLAB_class"] = np.bytes_("double")
        nodes = file.create_group("skeleton").create_dataset("nodes", (3, 1), h5py.ref_dtype)
        nodes.attrs["MATLAB_class"] = np.bytes_("cell")
        for k, name in enumerate(NODES):
            text = file.create_dataset(f"#refs#/{k}", data=np.frombuffer(name.encode(), np.uint8))
            text.attrs["MATLAB_class"] = np.bytes_("char")
            nodes[k, 0] = text.ref
    labels = tl.load_file(tmp_path / "a.mat")
    assert labels.skeleton.node_names == NODES
    found = [frame[0].numpy() for frame in labels]
    np.testing.assert_array_equal(found, positions().transpose(2, 0, 1)[[0, 1, 2, 4]])


def test_newer_files_that_link_to_others_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = positions().T
    with hdf5_file(tmp_path / "a.mat") as file:
        file["positions"] = h5py.ExternalLink("secret.h5", "secret")
    with pytest.raises(UnsafeFileError, match="link to another file"):
        tl.load_file(tmp_path / "a.mat")


def test_files_cut_short_are_refused(tmp_path: Path) -> None:
    path = leap_file(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match=str(path)):
        tl.load_file(path)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = leap_file(tmp_path)
    monkeypatch.setitem(sys.modules, "pymatreader", None)
    with pytest.raises(MissingExtraError, match=r'needs pymatreader.*"tabular-labels\[formats\]"'):
        tl.load_file(path)
