"""The picture of a frame shows each instance where it is, and what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tabular_labels.errors import FileFormatError
from tabular_labels.plot.canvas import name_text, save_figure
from tabular_labels.plot.frame import plot_frame

NAN = float("nan")
XY = np.array(
    [[[40.0, 30.0], [90.0, 50.0], [NAN, NAN]], [[20.0, 70.0], [60.0, 75.0], [85.0, 90.0]]]
)
EDGES = [(0, 1), (1, 2)]
IMAGE = np.full((100, 120, 3), 128, np.uint8)


def rendered(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib types some of itself
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # the same


def test_missing_points_and_their_edges_are_left_out() -> None:
    (axis,) = plot_frame(IMAGE, XY, edges=EDGES).axes
    drawn = [c.get_segments() for c in axis.collections if isinstance(c, LineCollection)]
    assert [len(segments) for segments in drawn] == [1, 2]
    assert [np.asarray(line.get_xdata()).tolist() for line in axis.lines] == [
        [40, 90],
        [20, 60, 85],
    ]


def test_pixel_centres_are_at_integers_and_y_goes_down() -> None:
    (axis,) = plot_frame(IMAGE, XY).axes
    assert tuple(axis.images[0].get_extent()) == (-0.5, 119.5, 99.5, -0.5)
    assert axis.get_xlim() == (-0.5, 119.5)
    assert axis.get_ylim() == (99.5, -0.5)


def test_users_and_predicted_instances_look_different() -> None:
    figure = plot_frame(
        IMAGE, XY, edges=EDGES, track_names=["left", None], is_predicted=[False, True]
    )
    user, predicted = figure.axes[0].lines
    assert user.get_markerfacecolor() != "white"
    assert predicted.get_markerfacecolor() == "white"
    solid, dashed = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    assert str(solid.get_linestyle()) != str(dashed.get_linestyle())
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["left (user)", "untracked (predicted)"]


def test_node_names_stand_beside_the_known_nodes_of_the_largest_instance() -> None:
    (axis,) = plot_frame(IMAGE, XY, node_names=["a", "b", "c"]).axes
    assert sorted(text.get_text() for text in axis.texts) == ["a", "b", "c"]
    (axis,) = plot_frame(IMAGE, XY[:1], node_names=["a", "b", "c"]).axes
    assert sorted(text.get_text() for text in axis.texts) == ["a", "b"]


def test_names_that_would_overlap_are_left_out() -> None:
    xy = np.array([[[10.0, 10.0], [90.0, 90.0], [89.5, 89.5]]])
    (axis,) = plot_frame(IMAGE, xy, node_names=["far away", "tip", "behind"]).axes
    assert sorted(text.get_text() for text in axis.texts) == ["far away", "tip"]


def test_small_animals_get_a_close_up() -> None:
    large = np.zeros((1000, 1000, 3), np.uint8)
    whole, near = plot_frame(large, XY, edges=EDGES).axes
    assert whole.get_xlim() == (-0.5, 999.5)
    assert near.get_xlim()[0] < 20
    assert near.get_xlim()[1] > 90
    assert len(plot_frame(IMAGE, XY).axes) == 1


def test_without_a_picture_the_points_set_the_limits() -> None:
    (axis,) = plot_frame(None, XY, edges=EDGES, title="frame 3", note="no picture").axes
    assert len(axis.images) == 0
    assert axis.get_xlim()[0] < 20
    assert axis.get_xlim()[1] > 90
    assert axis.get_xlabel() == "x (pixels)"


@pytest.mark.parametrize("image", [None, IMAGE, IMAGE[..., 0], IMAGE[..., :1], IMAGE / 255])
@pytest.mark.parametrize("n_instances", [0, 1, 40])
def test_any_number_of_instances_on_any_ground_renders(
    image: np.ndarray | None, n_instances: int
) -> None:
    figure = plot_frame(image, np.repeat(XY[:1], n_instances, axis=0), edges=EDGES)
    assert rendered(figure)[..., :3].std() > 0


def test_an_instance_without_points_renders() -> None:
    figure = plot_frame(IMAGE, np.full((1, 3, 2), NAN), edges=EDGES, node_names=["a", "b", "c"])
    assert rendered(figure).size


def test_odd_names_are_shown_as_they_are() -> None:
    figure = plot_frame(IMAGE, XY, track_names=["_hidden", "$x_$"], node_names=["$", "a_b", "$$"])
    assert rendered(figure).size
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [" _hidden (user)", r"\$x_\$ (user)"]
    assert name_text("") == "(no name)"


def test_a_picture_is_saved_whole_in_the_format_of_its_name(tmp_path: Path) -> None:
    figure = plot_frame(IMAGE, XY, track_names=["蝿", "b"])
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        save_figure(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unknown_picture_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"suffix '\.xyz'.*png"):
        save_figure(plot_frame(None, XY), tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []
