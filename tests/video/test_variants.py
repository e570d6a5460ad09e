"""No frame is ever another one: every container and timing against a sequential decode."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from tabular_labels.video.index import index_video
from tabular_labels.video.media import MediaFile
from tabular_labels.video.pool import FILES
from tabular_labels.video.reader import MediaFrames
from tests.video.movies import (
    BY_COUNTING,
    FIRST_SHOWN,
    N_FRAMES,
    VARIANTS,
    Picture,
    read_number,
)


@dataclass(frozen=True)
class Movie:
    name: str
    path: Path
    truth: list[Picture]

    @property
    def frames(self) -> MediaFrames:
        return MediaFrames(self.path)


@pytest.fixture(scope="module", params=VARIANTS)
def movie(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Movie]:
    path = VARIANTS[request.param](tmp_path_factory.mktemp("movie"))
    with av.open(str(path)) as container:
        decoded = container.decode(video=0)
        truth = [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in decoded]
    yield Movie(request.param, path, truth)
    FILES.close()


def wrong_frames(movie: Movie, found: dict[int, Picture]) -> list[int]:
    return [k for k, image in found.items() if not np.array_equal(image, movie.truth[k])]


def test_the_truth_is_what_was_drawn(movie: Movie) -> None:
    first = FIRST_SHOWN.get(movie.name, 0)
    assert [read_number(image) for image in movie.truth] == list(range(first, first + N_FRAMES))


def test_single_frames_in_order(movie: Movie) -> None:
    found = {k: movie.frames.read_one(k) for k in range(N_FRAMES)}
    assert wrong_frames(movie, found) == []


def test_single_frames_in_any_order(movie: Movie) -> None:
    order = np.random.default_rng(7).permutation(N_FRAMES).tolist()
    assert wrong_frames(movie, {k: movie.frames.read_one(k) for k in order}) == []


def test_all_frames_at_once(movie: Movie) -> None:
    assert wrong_frames(movie, dict(movie.frames.iterate())) == []
    assert wrong_frames(movie, dict(enumerate(movie.frames.read(range(N_FRAMES))))) == []


def test_shuffled_batches_come_in_the_order_asked_for(movie: Movie) -> None:
    rng = np.random.default_rng(11)
    shuffled = rng.permutation(N_FRAMES)
    for batch in np.array_split(shuffled, 9):
        found = dict(zip(batch.tolist(), movie.frames.read(batch), strict=True))
        assert list(found) == batch.tolist()
        assert wrong_frames(movie, found) == []


def test_sparse_batches_with_repeats(movie: Movie) -> None:
    rng = np.random.default_rng(13)
    for size in (2, 3, 5, 8):
        asked = rng.integers(0, N_FRAMES, size)
        images = movie.frames.read(np.append(asked, asked[0]))
        assert [read_number(image) for image in images] == [
            read_number(movie.truth[k]) for k in [*asked, asked[0]]
        ]
        assert wrong_frames(movie, dict(zip(asked.tolist(), images, strict=False))) == []


def test_strides_forward_and_back(movie: Movie) -> None:
    for step in (2, 5, 9, 17):
        places = [*range(0, N_FRAMES, step), *range(N_FRAMES - 1, -1, -step)]
        assert wrong_frames(movie, {k: movie.frames.read_one(k) for k in places}) == []


def test_seeking_is_used_where_timestamps_tell(
    movie: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MediaFile, "_count", lambda *_: iter(()))
    tells = index_video(movie.path).n_frames == N_FRAMES
    assert tells == (movie.name not in BY_COUNTING)
    assert len(list(MediaFile(movie.path).iterate(np.array([5, 60])))) == (2 if tells else 0)


def test_the_length_is_the_number_of_frames_shown(movie: Movie) -> None:
    assert movie.frames.shape == (N_FRAMES, *movie.truth[0].shape)


def test_sixteen_variants_at_least() -> None:
    assert len(VARIANTS) >= 16
