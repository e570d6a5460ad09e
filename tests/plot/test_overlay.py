"""What is drawn into pictures is where the points are; the rest stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

from tabular_labels.plot.overlay import Overlay

NAN = float("nan")


@pytest.mark.parametrize("shape", [(48, 64), (47, 65), (31, 200), (1024, 1024), (719, 1281)])
@pytest.mark.parametrize("scale", [0.5, 1, 1.3, 2])
def test_sizes_are_even_and_what_was_promised(shape: tuple[int, int], scale: float) -> None:
    overlay = Overlay(*shape, scale=scale)
    drawn = overlay.draw(np.zeros((*shape, 1), np.uint8), np.array([[[3.0, 3.0]]]))
    assert drawn.shape == (*overlay.shape, 3)
    assert all(side % 2 == 0 for side in overlay.shape)
    assert all(abs(side - scale * own) <= 2 for side, own in zip(overlay.shape, shape, strict=True))


def test_nodes_are_centred_on_their_points_and_the_rest_is_untouched() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    drawn = Overlay(60, 80).draw(image, np.array([[[50.0, 20.0], [NAN, NAN]]]), edges=[(0, 1)])
    rows, columns = np.nonzero((drawn != image).any(axis=2))
    assert abs(rows.mean() - 20) < 0.6
    assert abs(columns.mean() - 50) < 0.6
    assert np.ptp(rows) < 9


def test_what_was_drawn_does_not_stay_for_the_next_picture() -> None:
    overlay, image = Overlay(60, 80), np.full((60, 80, 1), 90, np.uint8)
    first = overlay.draw(image, np.array([[[50.0, 20.0], [10.0, 40.0]]]), edges=[(0, 1)])
    assert first.std() > 0
    second = overlay.draw(image, np.array([[[5.0, 5.0]]]))
    assert (second[15:] == 90).all()
    assert (overlay.draw(image, np.zeros((0, 3, 2))) == 90).all()
    assert (overlay.draw(image, np.full((2, 3, 2), NAN)) == 90).all()


def test_predicted_edges_are_dashed_and_tracks_have_colours() -> None:
    overlay, image = Overlay(60, 200), np.zeros((60, 200, 1), np.uint8)
    xy = np.array([[[10.0, 30.0], [190.0, 30.0]]])
    user = overlay.draw(image, xy, edges=[(0, 1)], is_predicted=[False])
    guess = overlay.draw(image, xy, edges=[(0, 1)], is_predicted=[True])
    assert (user[30, 20:180].max(axis=1) > 60).all()
    assert (guess[30, 20:180].max(axis=1) == 0).sum() > 20
    other = overlay.draw(image, xy, edges=[(0, 1)], colour_numbers=[1])
    assert user[30, 100].argmax() == 0  # orange
    assert other[30, 100].argmax() == 2  # blue


def test_larger_pictures_repeat_pixels_and_smaller_ones_take_middles() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
    nothing = np.zeros((0, 1, 2))
    larger = Overlay(4, 6, scale=2).draw(image, nothing)[..., 0]
    assert np.array_equal(larger, image[..., 0].repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(Overlay(4, 6).draw(image, nothing)[..., 1], image[..., 0])
