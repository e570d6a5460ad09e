"""The picture of occupancy shows what the runs say, at any size."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

from tabular_labels.plot.canvas import save_figure
from tabular_labels.plot.occupancy import bin_runs, plot_occupancy


@given(
    runs=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(1, 20)), max_size=12
    ),
    n_bins=st.integers(1, 70),
)
def test_bins_hold_the_frames_that_runs_cover(
    runs: list[tuple[int, int, int]], n_bins: int
) -> None:
    rows, start, length = np.array(runs, np.int64).reshape(-1, 3).T
    binned = bin_runs(rows, start, start + length, (4, n_bins), 70 / n_bins)
    fine = np.zeros((4, 70 * n_bins))  # each frame cut into n_bins slices
    for row, first, n in runs:
        fine[row, first * n_bins : (first + n) * n_bins] += 1
    assert np.allclose(binned, fine.reshape(4, n_bins, 70).mean(axis=2), atol=1e-9)


def painted(runs: pl.DataFrame, panel: int = 0) -> np.ndarray:
    """Return the picture of a panel as (n_rows, n_bins, 4)."""
    return np.asarray(plot_occupancy(runs).axes[panel].images[0].get_array())


def test_a_short_video_is_drawn_frame_by_frame() -> None:
    runs = pl.DataFrame(
        {"video": ["v"] * 3, "track": ["a", "a", "b"], "start": [2, 8, 4], "stop": [5, 9, 7]}
    )
    alpha = painted(runs)[..., 3]
    assert alpha.shape == (2, 7)
    assert alpha.tolist() == [[1, 1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 1, 0, 0]]


def test_a_single_frame_of_a_long_video_can_be_seen() -> None:
    runs = pl.DataFrame(
        {"video": ["v"] * 2, "track": ["a", "b"], "start": [0, 700_000], "stop": [10**6, 700_001]}
    )
    alpha = painted(runs)[1, :, 3]
    assert (alpha > 0.2).sum() == 1
    assert int(alpha.argmax()) == 700_000 * 1600 // 10**6


def test_panels_are_videos_and_rows_are_tracks() -> None:
    runs = pl.DataFrame(
        {
            "video": ["same.mp4", "same.mp4", "same.mp4"],
            "video_id": [0, 0, 5],
            "track": ["fly", "fly", "fly"],
            "track_id": [1, 2, 2],
            "start": [0, 0, 3],
            "stop": [4, 2, 9],
        }
    )
    first, second = plot_occupancy(runs).axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["fly", "fly"]
    assert [label.get_text() for label in second.get_yticklabels()] == ["fly"]
    assert second.get_xlabel() == "frame index"
    assert first.get_title(loc="right") == "2 tracks, 2 runs"
    assert second.get_title(loc="right") == "1 track, 1 run"


def test_a_track_keeps_its_colour_in_every_panel() -> None:
    runs = pl.DataFrame(
        {"video": ["v", "v", "w"], "track": ["a", "b", "b"], "start": [0] * 3, "stop": [4] * 3}
    )
    assert np.array_equal(painted(runs, 0)[1, 0, :3], painted(runs, 1)[0, 0, :3])
    assert not np.array_equal(painted(runs, 0)[0, 0, :3], painted(runs, 1)[0, 0, :3])


def test_no_runs_say_so() -> None:
    runs = pl.DataFrame(
        schema={"video": pl.String, "track": pl.String, "start": pl.Int64, "stop": pl.Int64}
    )
    (axis,) = plot_occupancy(runs).axes
    assert [text.get_text() for text in axis.texts] == ["no tracked instances"]


def test_videos_beyond_the_limit_are_counted_in_the_title() -> None:
    runs = pl.DataFrame(
        {"video": [f"{k}.mp4" for k in range(9)], "track": "a", "start": 0, "stop": 9}
    )
    figure = plot_occupancy(runs, max_videos=4)
    assert len(figure.axes) == 4
    assert "the first 4 of 9 videos" in figure.get_suptitle()


def test_ten_thousand_tracks_in_a_million_frames_take_moments(tmp_path: object) -> None:
    start = np.sort(np.random.default_rng(0).integers(0, 10**6, 50_000))
    runs = pl.DataFrame(
        {
            "video": ["v"] * len(start),
            "track": [f"track_{k % 10_000}" for k in range(len(start))],
            "start": start,
            "stop": start + 40,
        }
    )
    began = time.perf_counter()
    figure = plot_occupancy(runs)
    save_figure(figure, f"{tmp_path}/many.png")
    assert time.perf_counter() - began < 15
    assert np.asarray(figure.axes[0].images[0].get_array()).shape == (400, 1600, 4)
    assert "25 tracks a row" in figure.axes[0].get_title(loc="right")
