"""Datasets of PyTorch: the values of batches, with any number of workers."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tabular_labels as tl
from tests import training_reference as reference
from tests.training.scenes import labels_on
from tests.video.movies import encode

torch = pytest.importorskip("torch")

# More workers than this machine has processors.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")

N_MOVIE = 12
METHODS = [
    method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()
]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> tl.Labels:
    movie = encode(tmp_path_factory.mktemp("movie") / "a.mp4", N_MOVIE, bf=2, g=5)
    return labels_on(tl.Video.from_filename(movie), n_frames=N_MOVIE)


def require_equal(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert all(isinstance(value, torch.Tensor) for value in one.values())
        reference.assert_equal({key: value.numpy() for key, value in one.items()}, other)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_a_dataset_has_the_values_of_batches(labels: tl.Labels, images: bool, ragged: bool) -> None:
    options: dict[str, Any] = {"images": images, "ragged": ragged, "shuffle": True, "seed": 2}
    dataset, batches = labels.to_torch_dataset(5, **options), labels.batches(5, **options)
    assert len(dataset) == len(batches) == 3
    for _ in range(2):  # epochs
        require_equal(list(dataset), list(batches))
    dataset.set_epoch(0)
    require_equal(list(dataset), list(batches.of_epoch(0)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cache", ["memory", "file", None])
@pytest.mark.filterwarnings(r"ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_change_nothing(
    labels: tl.Labels, tmp_path: Path, method: str, cache: str | None
) -> None:
    where = tmp_path / "a.arrow" if cache == "file" else cache
    options: dict[str, Any] = {"cache": where, "shuffle": True, "seed": 3}
    batches = labels.batches(5, **options)
    expected = [list(batches) for _ in range(2)]  # with threads before there are workers
    dataset = labels.to_torch_dataset(5, **options)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context=method
    )
    assert len(loader) == 3
    for epoch, known in enumerate(expected):
        dataset.set_epoch(epoch)
        require_equal(list(loader), known)


def test_workers_that_stay_count_epochs_themselves(labels: tl.Labels) -> None:
    batches = labels.batches(2, images=False, shuffle=True, seed=3)
    loader = torch.utils.data.DataLoader(
        labels.to_torch_dataset(2, images=False, shuffle=True, seed=3),
        batch_size=None,
        num_workers=3,
        persistent_workers=True,
    )
    for _ in range(3):
        require_equal(list(loader), list(batches))


def test_more_workers_than_batches_are_no_harm(labels: tl.Labels) -> None:
    dataset = labels.to_torch_dataset(9, images=False)
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=4)
    assert len(loader) == 2  # torch warns when there are more
    found = [batch["frame_ind"].numpy() for batch in loader]
    assert np.concatenate(found).tolist() == list(range(N_MOVIE))
