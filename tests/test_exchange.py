"""Tables out of labels and back, piece by piece, in every format."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels import streaming
from tabular_labels._types import Level
from tabular_labels.errors import FileFormatError, QueryError, UnknownTrackError
from tabular_labels.io.table_files import escaped
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

WRITERS = {
    "csv": tl.write_csv,
    "ndjson": tl.write_ndjson,
    "parquet": tl.write_parquet_table,
}
KEYS = ["frame_id", "position", "instance_id", "from_predicted", "track_id", "video_id"]


def some_labels(**options: Any) -> tl.Labels:
    options = {"n_nodes": 3, "untracked_fraction": 0.3, "gap_fraction": 0.2, **options}
    return tl.Labels.from_tables(make_tables(60, **options))


def read_back(path: Path, form: str, schema: pl.Schema) -> pl.DataFrame:
    if form == "parquet":
        return pl.read_parquet(path).cast(dict(schema))  # type: ignore[arg-type]  # a mapping
    texts = {k: pl.String if isinstance(v, pl.Enum) else v for k, v in schema.items()}
    if form == "csv":
        table = pl.read_csv(path, schema_overrides=texts)
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert all(list(row) == list(schema) for row in rows)
        table = pl.DataFrame(rows, schema=texts)
    return table.cast(dict(schema))  # type: ignore[arg-type]  # a mapping


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("scanned", [False, True])
def test_a_file_holds_every_row_once(
    form: str, level: Level, scanned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_ROWS_AT_ONCE", 70)  # so that there are many pieces
    labels = some_labels(empty_fraction=0.2, shuffled=True)
    expected = labels.to_polars(level)
    if scanned:
        tl.write_slp(labels, tmp_path / "a.slp")
        labels = tl.scan_slp(tmp_path / "a.slp")
        expected = labels.collect().to_polars(level)
    told: list[tuple[int, int]] = []
    WRITERS[form](labels, tmp_path / "out", level, progress=lambda *done: told.append(done))
    assert_frame_equal(read_back(tmp_path / "out", form, expected.schema), expected)
    assert told[-1] == (60, 60)
    assert told == sorted(told)
    assert len(told) > 2


def test_pieces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = some_labels()
    monkeypatch.setattr(streaming, "_ROWS_AT_ONCE", 50)
    stream = streaming.TableStream(labels._snapshot, "points")
    sizes = [table.height for _, table in stream.batches()]
    assert max(sizes) <= 50
    assert sum(sizes) == labels.to_polars().height


@pytest.mark.parametrize("form", WRITERS)
def test_cancelling_leaves_what_was_there(form: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")

    def cancel(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WRITERS[form](some_labels(), tmp_path / "out", progress=cancel)
    assert (tmp_path / "out").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("window", [10, 100_000])
def test_padding_adds_a_row_for_each_frame_without(
    level: Level, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_ROWS_AT_ONCE", window)
    labels = some_labels(empty_fraction=0.2)
    tl.write_parquet_table(labels, tmp_path / "plain", level)
    tl.write_parquet_table(labels, tmp_path / "padded", level, pad_frames=True)
    plain, padded = (pl.read_parquet(tmp_path / name) for name in ("plain", "padded"))
    lengths = [(k, video.n_frames or 0) for k, video in enumerate(labels.videos)]
    every = {(k, i) for k, n in lengths for i in range(n)}
    had = set(plain.select("video_id", "frame_idx").rows())
    assert set(padded.select("video_id", "frame_idx").rows()) == every
    assert padded.height == plain.height + len(every - had)
    assert padded["video"].null_count() == 0
    key = "frame_id" if level == "frames" else "instance_id"
    assert_frame_equal(padded.filter(pl.col(key).is_not_null()), plain)
    assert padded.select("video_id", "frame_idx").rows() == sorted(
        padded.select("video_id", "frame_idx").rows()
    )


def test_unknown_columns_and_levels_are_refused_before_a_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="wing"):
        tl.write_csv(some_labels(), tmp_path / "a.csv", columns=["x", "wing"])
    with pytest.raises(QueryError, match="level"):
        tl.write_csv(some_labels(), tmp_path / "a.csv", "pixels")  # type: ignore[arg-type]  # so
    assert list(tmp_path.iterdir()) == []


def test_scanned_labels_do_not_replace_their_own_file(tmp_path: Path) -> None:
    tl.write_slp(some_labels(), tmp_path / "a.slp")
    scanned = tl.scan_slp(tmp_path / "a.slp")
    writers: list[Callable[..., object]] = [*WRITERS.values(), tl.write_json]
    for write in (*writers, tl.write_analysis, tl.write_analysis_csv):
        with pytest.raises(ValueError, match="read from"):
            write(scanned, tmp_path / "a.slp")


# Spreadsheets

EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]


def test_names_are_no_formulas_in_a_spreadsheet(tmp_path: Path) -> None:
    skeleton = tl.Skeleton(["=cmd|'/c calc'!A1", "plain"])
    frames = [
        tl.LabeledFrame(
            tl.Video("=evil.mp4"), k, [tl.Instance(skeleton, [[-1, -2], [3, 4]], tl.Track(0, name))]
        )
        for k, name in enumerate(EVIL)
    ]
    labels = tl.Labels(frames)
    for level in ("points", "instances"):
        tl.write_csv(labels, tmp_path / "a.csv", level, escape_formulas=True)
        table = pl.read_csv(tmp_path / "a.csv")
        cells = [*table.columns, *(v for c in table.select(pl.col(pl.String)) for v in c)]
        assert not [cell for cell in cells if cell and cell[0] in "=+-@\t\r\n"]
        assert table["track"].unique(maintain_order=True).to_list() == [f"'{n}" for n in EVIL]
    assert table["'=cmd|'/c calc'!A1.x"].to_list() == [-1.0] * len(EVIL)  # a number stays one
    tl.write_analysis_csv(labels, tmp_path / "a.csv", 0, escape_formulas=True)
    assert "\n=" not in (tmp_path / "a.csv").read_text().replace('"\n', "")
    tl.write_csv(labels, tmp_path / "a.csv")
    assert pl.read_csv(tmp_path / "a.csv")["track"][0] == EVIL[0]


def test_escaping_changes_no_other_text() -> None:
    table = pl.DataFrame({"a": ["x=1", "", None, "'=1", "ü"], "b": [-1, 2, 3, 4, 5]})
    assert_frame_equal(escaped(table), table)


# Back into labels


def told(labels: tl.Labels) -> pl.DataFrame:
    """Every point with its names; keys may differ."""
    table = labels.to_polars()
    return table.drop(KEYS).with_columns(pl.col(pl.Enum).cast(pl.String))


@given(tables=label_tables(max_skeletons=1, duplicates=False))
def test_points_with_all_their_columns_come_back(tables: LabelTables) -> None:
    labels = tl.Labels.from_tables(tables)
    back = tl.Labels.from_polars(
        labels.to_polars(), videos=(), skeletons=labels.skeletons, tracks=()
    )
    names = (labels.tracks, labels.videos)
    if all(len({str(t) for t in things}) == len(things) for things in names):
        assert_frame_equal(told(back), told(labels))


@pytest.mark.parametrize("level", ["points", "instances"])
def test_labels_come_back_from_csv(level: Level, tmp_path: Path) -> None:
    labels = some_labels(n_skeletons=2, user_fraction=0.3, shuffled=True)
    tl.write_csv(labels, tmp_path / "a.csv", level)
    back = tl.load_file(tmp_path / "a.csv")
    dropped = ["visible", "complete"] if level == "instances" else []
    assert_frame_equal(told(back).drop(dropped), told(labels).drop(dropped))
    # The list order comes back too.
    order = [[f.frame_idx for f in one if len(f.instances)] for one in (labels, back)]
    assert order[0] == order[1]


def test_links_to_predictions_come_back() -> None:
    labels = some_labels(user_fraction=0.5)
    back = tl.Labels.from_polars(labels.to_polars())

    def links(of: tl.Labels) -> list[Any]:
        origins = [one.from_predicted for one in of.user_instances]
        return [o and (o.frame_idx, o.score, o.numpy().tolist()) for o in origins]

    assert json.dumps(links(back)) == json.dumps(links(labels))
    assert None not in links(back)


def test_wide_frames_come_back() -> None:
    labels = some_labels(user_fraction=0.0)
    back = tl.Labels.from_polars(labels.to_polars("frames", wide=True))
    columns = ["frame_idx", "instance_idx", "node", "x", "y", "kind"]
    assert_frame_equal(told(back).select(columns), told(labels).select(columns))


def test_other_libraries_tables_come_back() -> None:
    pytest.importorskip("pandas")
    labels = some_labels()
    for back in (
        tl.Labels.from_pandas(labels.to_pandas()),
        tl.Labels.from_arrow(labels.to_arrow()),
        tl.Labels.from_arrow(labels),
        tl.Labels.from_polars(labels.lazy()),
    ):
        assert_frame_equal(told(back), told(labels))


def test_a_plain_table_makes_one_instance_for_each_repeat_of_a_node() -> None:
    table = pl.DataFrame(
        {
            "frame_idx": [5, 5, 5, 2],
            "node": ["head", "tail", "head", "tail"],
            "x": [1.0, 2.0, 3.0, float("nan")],
            "y": [1.0, 2.0, 3.0, 4.0],
        }
    )
    labels = tl.Labels.from_polars(table)
    assert [frame.frame_idx for frame in labels] == [5, 2]
    first, second = labels[0]
    assert first.numpy().tolist() == [[1, 1], [2, 2]]
    assert second["head"].x == 3.0
    assert second["tail"].isnan()
    assert len(labels.user_instances) == 3


def test_what_has_a_score_was_predicted() -> None:
    table = pl.DataFrame(
        {"frame_idx": [0, 1], "a.x": [1.0, 2.0], "a.y": [1.0, 2.0], "score": [0.5, None]}
    )
    assert [type(one).__name__ for one in tl.Labels.from_polars(table).all_instances] == [
        "PredictedInstance",
        "Instance",
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"frame_idx": [0]}, "node"),
        ({"x": [1.0], "y": [1.0], "node": ["a"]}, "frame_idx"),
        ({"frame_idx": ["0"], "x": [1.0], "y": [1.0], "node": ["a"]}, "frame_idx"),
        ({"frame_idx": [None, 0], "x": [1.0] * 2, "y": [1.0] * 2, "node": ["a"] * 2}, "1 nulls"),
        ({"frame_idx": [0], "x": ["one"], "y": [1.0], "node": ["a"]}, "column 'x'"),
        (
            {
                "frame_idx": [0, 0],
                "instance_id": [4, 4],
                "node": ["a", "a"],
                "x": [1, 2],
                "y": [1, 2],
            },
            "'a' twice",
        ),
    ],
)
def test_tables_that_make_no_labels_are_refused(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(QueryError, match="expected") as caught:
        tl.Labels.from_polars(pl.DataFrame(columns))
    assert said in str(caught.value)


def test_tracks_that_are_not_given_are_refused() -> None:
    with pytest.raises(UnknownTrackError):
        tl.Labels.from_polars(some_labels().to_polars(), tracks=[tl.Track(0, "other")])


# Arrays


def test_dense_arrays_come_back() -> None:
    labels = some_labels(user_fraction=0.0, untracked_fraction=0.0, n_videos=2)
    arrays = [labels.numpy(video=k, return_confidence=True) for k in range(2)]
    back = tl.Labels.from_numpy(
        arrays, [v.copy() for v in labels.videos], labels.skeleton.copy(),
        tracks=[t.copy() for t in labels.tracks],
    )  # fmt: skip
    for k in range(2):
        np.testing.assert_array_equal(back.numpy(video=k, return_confidence=True), arrays[k])


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 2, 1, 2), (3, 2, 2, 4), (3, 1, 2, 2)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    skeleton, tracks = tl.Skeleton(["a", "b"]), [tl.Track(0, "t")]
    if shape == (3, 1, 2, 2):
        assert (
            len(tl.Labels.from_numpy(np.ones(shape), tl.Video("v"), skeleton, tracks=tracks)) == 3
        )
        return
    with pytest.raises(QueryError, match="expected"):
        tl.Labels.from_numpy(np.ones(shape), tl.Video("v"), skeleton, tracks=tracks)


@pytest.mark.parametrize("fps", [30.0, None])
def test_a_dataset_in_movements_form_comes_back(fps: float | None) -> None:
    pytest.importorskip("xarray")
    tables = make_tables(40, n_videos=1, n_nodes=3, user_fraction=0.0, gap_fraction=0.2)
    videos = tables.catalog.videos.with_columns(fps=pl.lit(fps, pl.Float64))
    catalog = replace(tables.catalog, videos=videos)
    labels = tl.Labels.from_tables(
        LabelTables(catalog, tables.frames, tables.instances, tables.points)
    )
    dataset = labels.to_xarray()
    back = tl.Labels.from_xarray(dataset)
    np.testing.assert_array_equal(back.numpy(), labels.numpy()[: len(back.numpy())])
    assert back.skeleton.node_names == labels.skeleton.node_names
    assert (back.video.fps, back.video.filename) == (fps, labels.video.filename)
    assert (back.to_xarray()["confidence"].to_numpy().shape[1:]) == (3, 4)
    turned = dataset.transpose("individuals", "space", "keypoints", "time")
    assert tl.Labels.from_xarray(turned).equals(back)
    with pytest.raises(QueryError, match="position"):
        tl.Labels.from_xarray(dataset.rename(position="where"))
    thinned = dataset.isel(time=slice(3, None, 2))
    indices = [frame.frame_idx for frame in tl.Labels.from_xarray(thinned)]
    assert indices == [
        frame.frame_idx for frame in back if frame.frame_idx % 2 == 1 and frame.frame_idx >= 3
    ]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"video_file": "a.h5", "source_file": "b.mp4"}, "a.h5"),
        ({"source_file": "day1/a.mp4"}, "day1/a.mp4"),
        ({"source_file": "day1/a.analysis.h5"}, ""),
        ({"source_file": "day1/a.slp"}, ""),
        ({"source_file": None}, ""),
        ({}, ""),
    ],
)
def test_the_file_of_poses_is_no_video(attributes: dict[str, Any], name: str) -> None:
    pytest.importorskip("xarray")
    dataset = some_labels(n_videos=1, untracked_fraction=0.0).to_xarray()
    dataset = dataset.assign_coords(time=range(dataset.sizes["time"]))
    dataset.attrs = attributes
    assert tl.Labels.from_xarray(dataset).videos[0].filename == name
    video = tl.Video("other.mp4")
    assert tl.Labels.from_xarray(dataset, video=video).videos[0].filename == "other.mp4"


# Files


@pytest.mark.parametrize(
    "text",
    [
        "frame_idx,node,x,y\n0,a,one,2\n",
        "frame_idx,node,x,y,x\n0,a,1,2,3\n",
        "frame_idx,node,x,y\n0.5,a,1,2\n",
        "frame_idx,node,x,y\n99999999999999999999,a,1,2\n",
    ],
)
def test_a_broken_csv_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(FileFormatError, match="expected"):
        tl.read_csv(tmp_path / "a.csv")


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b"\xff\xfe\x00", b"frame_idx\n1\n", b""])
def test_another_text_is_no_labels_file(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    for read in (tl.load_file, tl.read_csv):
        with pytest.raises(FileFormatError):
            read(tmp_path / "a.csv")


def test_the_suffix_says_what_is_written_and_the_content_what_is_read(tmp_path: Path) -> None:
    labels = some_labels(n_videos=1, untracked_fraction=0.0, user_fraction=0.0)
    names = ("a.slp", "a.h5", "a.json", "a.json.zip", "a.csv", "a.analysis.h5", "a.analysis.csv")
    for name in names:
        labels.save(tmp_path / name)
        hidden = (tmp_path / name).rename(tmp_path / "hidden")
        back = tl.load_file(hidden)
        assert back.to_polars(columns=["x", "y"]).equals(labels.to_polars(columns=["x", "y"]))
    labels.save(tmp_path / "a.ndjson")
    assert tl.load_file(tmp_path / "a.ndjson").equals(tl.Labels.from_polars(labels.to_polars()))
    first = (tmp_path / "a.ndjson").read_text().splitlines()[0]
    assert json.loads(first)["node"] == "head"
    with pytest.raises(ValueError, match=r"\.analysis\.h5"):
        labels.save(tmp_path / "a.xyz")
    tl.Labels.save_file(labels, tmp_path / "b", default_suffix="json")
    assert tl.load_file(tmp_path / "b.json").equals(tl.load_file(tmp_path / "b.json"))
