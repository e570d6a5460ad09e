"""Formats of other programs: written by sleap-io from our labels, and by us from its.

Files that are broken, hostile or beyond a format are in ``test_foreign_bad_input.py``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.io.foreign_write import LOSSES
from tabular_labels.io.sleap_io_inert import blank_points
from tabular_labels.suffixes import format_of
from tests.imports import ROOT
from tests.io.foreign_cases import CASES, Case, project, told, what_comes_back

sio = pytest.importorskip("sleap_io")

DOCUMENT = ROOT / "docs" / "formats.md"
# Tables and arrays of points, of which everybody knows that they are no projects.
EXPORTS = ("analysis", "analysis_csv", "csv")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("movies")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What formats lose is looked at here by comparing; points are missing, not left open."""
    with blank_points(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def native(labels: tl.Labels, folder: Path) -> object:
    """Let sleap-io read the project by itself."""
    path = folder / "native.slp"
    tl.write_slp(labels, path)
    return sio.load_slp(path.as_posix(), open_videos=True)


def both(tmp_path: Path, case: Case) -> tuple[Path, Path]:
    """Names for the file of each; they end with one name, which JABS keeps in the file."""
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    name = f"labels{case.suffix}"
    return tmp_path / "theirs" / name, tmp_path / "ours" / name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_sleap_io_writes_of_our_labels_is_what_it_writes_of_its_own(
    case: Case, movies: Path, tmp_path: Path
) -> None:
    labels = project(movies, case.labels)
    theirs, ours = both(tmp_path, case)
    case.save(native(labels, tmp_path), str(theirs))
    made = labels.to_sleap_io()
    for video in made.videos:
        video.open()
    case.save(made, str(ours))
    assert alike(tl.load_file(ours), tl.load_file(theirs), case)
    again = [tl.Labels.from_sleap_io(case.load(str(path))) for path in (ours, theirs)]
    assert alike(again[0], again[1], case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_we_write_of_sleap_ios_labels_is_what_it_writes(
    case: Case, movies: Path, tmp_path: Path
) -> None:
    labels = project(movies, case.labels)
    theirs, ours = both(tmp_path, case)
    source = native(labels, tmp_path)
    tl.Labels.from_sleap_io(source).save(ours, **case.options)
    case.save(source, str(theirs))
    assert alike(tl.load_file(ours), tl.load_file(theirs), case)
    again = [tl.Labels.from_sleap_io(case.load(str(path))) for path in (ours, theirs)]
    assert alike(again[0], again[1], case)


def alike(mine: tl.Labels, theirs: tl.Labels, case: Case) -> bool:
    """Tell whether both say the same, wherever the pictures of frames are named to be."""
    if not case.has_order_of_nodes:
        mine, theirs = with_sorted_nodes(mine), with_sorted_nodes(theirs)
    left, right = (
        [(Path(name).name, index, inside) for name, index, inside in told(labels)]
        for labels in (mine, theirs)
    )
    assert left == right
    skeletons = [
        [(s.name, s.node_names, s.edge_inds) for s in labels.skeletons] for labels in (mine, theirs)
    ]
    assert skeletons[0] == skeletons[1]
    return True


def with_sorted_nodes(labels: tl.Labels) -> tl.Labels:
    table = labels.to_polars().with_columns(pl.col("node").cast(pl.String))
    keys = ["video_id", "position", "instance_id", "node"]
    return tl.Labels.from_polars(table.sort(keys), videos=labels.videos)


def test_the_table_in_the_document_is_what_comes_back(movies: Path, tmp_path: Path) -> None:
    rows = []
    for k, case in enumerate(CASES):
        labels = project(movies, case.labels)
        (tmp_path / str(k)).mkdir()
        theirs, ours = both(tmp_path / str(k), case)
        labels.save(ours, **case.options)
        case.save(native(labels, tmp_path / str(k)), str(theirs))
        found = [what_comes_back(labels, tl.load_file(path)) for path in (ours, theirs)]
        assert found[0] == found[1]
        assert said_to_be_lost(case, found[0])
        rows.append({"format": case.title, "of": case.labels, **found[0]})
    table = [
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
        *("| " + " | ".join(row.values()) + " |" for row in rows),
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    expected = f"{head}{BEGIN}\n" + "\n".join(table) + f"\n{END}{tail}"
    if os.environ.get("TABULAR_LABELS_WRITE_DOCS"):
        DOCUMENT.write_text(expected, encoding="utf-8")
    assert text == expected, "run this test with TABULAR_LABELS_WRITE_DOCS=1"


def test_the_table_of_frames_that_sleap_io_writes_is_read(movies: Path, tmp_path: Path) -> None:
    # sleap-io itself takes the places of instances for nodes when it reads the file.
    labels = project(movies, "all")
    path = tmp_path / "a.csv"
    sio.save_csv(native(labels, tmp_path), path.as_posix(), format="frames")
    found = what_comes_back(labels, tl.load_file(path))
    lost = {"edges": "no", "suggestions": "no"}
    assert found == what_comes_back(labels, labels) | lost


def said_to_be_lost(case: Case, found: dict[str, str]) -> bool:
    """Tell whether what does not come back is what a warning would name."""
    form = format_of(f"labels{case.suffix}")
    if form in EXPORTS:
        return True
    losses = () if form is None else LOSSES.get(form, ())
    names = {
        "frame indices": ("frame indices",),
        "kinds": ("kinds of instances",),
        "tracks": ("tracks", "names of tracks"),
        "x, y": ("fractions of pixels",),
        "scores": ("scores",),
        "nodes": ("names of nodes",),
        "edges": ("edges",),
        "suggestions": ("suggestions",),
    }
    fine = ("yes", "exact", "rounded")
    lost = {what for what in names if found[what] not in fine}
    assert all(set(names[what]) & set(losses) for what in lost), (case.title, lost)
    return True


def test_what_nwb_misplaces_is_counted(tmp_path: Path) -> None:
    # A track that is seen at regular gaps gets a rate, which is rounded to nothing.
    video, fly = tl.Video("a.mp4"), tl.Skeleton(["head"])
    always, seldom = tl.Track(0, "always"), tl.Track(0, "seldom")
    frames = [
        tl.LabeledFrame(
            video,
            k,
            [
                tl.PredictedInstance(fly, {"head": tl.PredictedPoint(k, 9, score=1)}, track=track)
                for track in ([always, seldom] if k % 3 == 0 else [always])
            ],
        )
        for k in range(7)
    ]
    labels = tl.Labels(frames)
    with pytest.warns(tl.errors.LeftOutWarning, match=r"2 of 10 instances and 0 of 7 frame"):
        labels.save(tmp_path / "a.nwb")
    assert tl.load_file(tmp_path / "a.nwb")._snapshot.counts.instances == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error", tl.errors.LeftOutWarning)
        labels.extract([0, 1, 2]).save(tmp_path / "b.nwb")


def test_places_of_invisible_points_are_counted_where_a_format_leaves_them_out(
    tmp_path: Path,
) -> None:
    fly = tl.Skeleton(["head", "tail"])
    hidden = tl.Instance(fly, {"head": tl.Point(1, 2), "tail": tl.Point(3, 4, visible=False)})
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4", n_frames=1), 0, [hidden])])
    for suffix in (".nwb", ".coco.json", ".dlc.csv"):
        with pytest.warns(tl.errors.UnmodelledDataWarning, match=r"invisible points \(1\)"):
            labels.save(tmp_path / f"a{suffix}")
        back = tl.load_file(tmp_path / f"a{suffix}")
        assert back.to_polars("points", columns=["x"])["x"].to_list() == [1.0, None]
