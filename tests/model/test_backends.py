"""What is stored about a video tells its kind."""

import json
import pickle
from pathlib import PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import ReadOnlyError
from tabular_labels.model.backends import (
    HDF5Video,
    ImageSequenceVideo,
    ImgStoreVideo,
    MediaVideo,
    NumpyVideo,
    VideoBackend,
    _last_part,
    as_backend,
)


@given(st.text("./\\:aéM4~ 5", max_size=8), st.sampled_from(("", ".h5", ".NPY", "/metadata.yaml")))
def test_names_are_taken_apart_as_paths_are(name: str, end: str) -> None:
    path = PureWindowsPath(name + end)
    assert _last_part(name + end) == (path.name, path.suffix.lower())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"filename": "a.mp4", "grayscale": True, "bgr": True}, MediaVideo),
        ({"filename": "a.mp4", "dataset": "", "input_format": "channels_last"}, MediaVideo),
        ({"filename": ".", "dataset": "video0/video", "convert_range": False}, HDF5Video),
        ({"filename": "a.h5"}, HDF5Video),
        ({"filename": "C:\\data\\A.SLP"}, HDF5Video),
        ({"filename": "a", "type": "HDF5Video"}, HDF5Video),
        ({"filename": "", "filenames": ["a.png"], "height_": 4}, ImageSequenceVideo),
        ({"filename": ["a.png", "b.png"]}, ImageSequenceVideo),
        ({"filename": "a.JPG"}, ImageSequenceVideo),
        ({"filename": "a", "index_by_original": False}, ImgStoreVideo),
        ({"filename": "a/metadata.yaml"}, ImgStoreVideo),
        ({"filename": "a.npy"}, NumpyVideo),
        ({"filename": "", "type": "NumpyVideo"}, NumpyVideo),
        ({}, MediaVideo),
    ],
)
def test_values_tell_the_kind(values: dict[str, Any], kind: type[VideoBackend]) -> None:
    backend = as_backend(values)
    assert type(backend) is kind
    assert backend == values
    assert json.loads(json.dumps(backend)) == values


def test_values_of_other_types_are_passed_over() -> None:
    odd = as_backend({"filename": 3, "dataset": ["x"], "grayscale": "yes", "source_video": 1})
    assert isinstance(odd, HDF5Video)
    assert (odd.filename, odd.dataset, odd.grayscale, odd.source_video) == ("", "", None, None)
    assert ImageSequenceVideo({"filenames": ["a", 3, None]}).filenames == ["a"]


def test_a_frozen_backend_refuses_every_change() -> None:
    backend = HDF5Video(filename="a.h5", dataset="box")
    backend["input_format"] = "channels_first"
    backend.freeze()
    for change in (
        lambda: backend.update(a=1),
        lambda: backend.pop("dataset"),
        lambda: backend.setdefault("a", 1),
        backend.clear,
        backend.popitem,
        lambda: backend.__delitem__("dataset"),
        lambda: backend.__ior__({"a": 1}),
    ):
        with pytest.raises(ReadOnlyError, match="copy"):
            change()
    assert (backend.dataset, backend.input_format) == ("box", "channels_first")
    again = pickle.loads(pickle.dumps(backend))
    assert again == backend
    assert not again.is_frozen
    again |= {"dataset": "other"}
    assert again.dataset == "other"
