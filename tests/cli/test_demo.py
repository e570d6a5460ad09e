"""The tour runs from end to end, on made-up labels and on somebody's own."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.cli.demo_project import label_scene
from tabular_labels.cli.demo_scene import MICE, N_FRAMES, NODES, make_scene
from tabular_labels.cli.drawing import choose_frame
from tabular_labels.video.index import index_video
from tabular_labels.video.reader import read_frame
from tests.cli.conftest import Run, Start, make_labels

CAN_DRAW = find_spec("matplotlib") is not None


@pytest.fixture(scope="module")
def scene_labels() -> tl.Labels:
    return label_scene(make_scene(), Path("mice.mp4"))


def test_the_tour_makes_what_it_says(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tour"
    result = run("demo", "--out", out)
    assert result.exit_code == 0, result.stderr
    for title in ("Make a recording", "Load", "Ask", "occupancy", "Split", "Parquet", "Try next"):
        assert title in result.stdout
    assert "every value came back equal" in result.stdout
    assert index_video(out / "mice.mp4").n_frames == N_FRAMES
    labels = tl.load_file(out / "mice.slp")
    assert len(labels) == N_FRAMES
    assert labels.equals(tl.read_parquet(out / "mice.parquet"))
    assert labels.videos[0].exists()
    if CAN_DRAW:
        for name in ("occupancy.png", "frame.png"):
            assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_tour_repeats_in_its_own_folder(run: Run, tmp_path: Path) -> None:
    for n_versions in (1, 2):
        result = run("demo", "--out", tmp_path / "tour", "--json")
        assert result.exit_code == 0, result.stderr
        told = json.loads(result.stdout)
        assert told["frames"] == N_FRAMES
        assert len(told["steps"]) == 7
        assert all(step["seconds"] >= 0 for step in told["steps"])
        assert all(file["bytes"] > 0 for file in told["files"])
        assert all(Path(file["path"]).exists() for file in told["files"])
        shown = json.loads(run("show", tmp_path / "tour" / "mice.parquet", "--json").stdout)
        assert len(shown["versions"]) == n_versions


def test_the_tour_leaves_other_content_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mice.slp").write_text("mine")
    result = run("demo", "--out", tmp_path)
    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["mice.slp"]
    assert run("demo", "--out", tmp_path / "mice.slp").exit_code == 1


@pytest.mark.parametrize("fixture", ["slp", "project"])
def test_the_tour_of_a_file_leaves_it_as_it_is(
    run: Run, request: pytest.FixtureRequest, tmp_path: Path, fixture: str
) -> None:
    path: Path = request.getfixturevalue(fixture)
    files = sorted(f for f in (path, *path.rglob("*")) if f.is_file())
    before = [f.read_bytes() for f in files]
    result = run("demo", path, "--out", tmp_path / "tour")
    assert result.exit_code == 0, result.stderr
    assert [f.read_bytes() for f in files] == before
    assert sorted(f for f in (path, *path.rglob("*")) if f.is_file()) == files
    assert tl.read_parquet(tmp_path / "tour" / "flies.parquet").equals(make_labels())
    if CAN_DRAW:
        said = " ".join(result.stdout.split())
        assert re.search(r"is drawn without its picture: [ab]\.mp4", said)


def test_the_tour_of_its_own_project_makes_another(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "tour"
    out.mkdir()
    (out / ".tabular-labels-demo").touch()
    tl.write_parquet(make_labels(), out / "flies.parquet")
    result = run("demo", out / "flies.parquet", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert tl.read_parquet(out / "flies-again.parquet").equals(make_labels())
    assert json.loads(run("show", out / "flies.parquet", "--json").stdout)["versions"] == [1]


def test_the_tour_of_empty_labels(run: Run, tmp_path: Path) -> None:
    tl.write_slp(tl.Labels(), tmp_path / "none.slp")
    result = run("demo", tmp_path / "none.slp", "--out", tmp_path / "tour")
    assert result.exit_code == 0, result.stderr
    frame = tl.LabeledFrame(tl.Video("a.mp4"), 3)
    tl.write_slp(tl.Labels([frame]), tmp_path / "bare.slp")
    result = run("demo", tmp_path / "bare.slp", "--out", tmp_path / "tour")
    assert result.exit_code == 0, result.stderr


def test_a_video_that_cannot_be_read_is_said(run: Run, tmp_path: Path) -> None:
    if not CAN_DRAW:
        pytest.skip("drawing is an optional extra")
    tl.write_slp(make_labels(), tmp_path / "flies.slp")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no video")
    result = run("demo", tmp_path / "flies.slp", "--out", tmp_path / "tour", "--json")
    assert result.exit_code == 0, result.stderr
    assert "expected a video" in json.loads(result.stdout)["notes"][0]


def test_without_matplotlib_the_rest_still_runs(start: Start, tmp_path: Path) -> None:
    process = start("demo", "--out", "tour", before="sys.modules['matplotlib'] = None")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert 'python -m pip install "tabular-labels[plot]"' in stdout
    assert (tmp_path / "tour" / "mice.parquet").is_dir()
    assert not list((tmp_path / "tour").glob("*.png"))


def test_the_made_up_labels_are_like_real_ones(scene_labels: tl.Labels) -> None:
    runs = scene_labels.occupancy()
    assert runs["track"].to_list().count("pale") == 2  # it hides once
    points = scene_labels.to_polars("points")
    assert 0 < points["x"].null_count() < points.height / 5
    assert scene_labels.equals(label_scene(make_scene(), Path("mice.mp4")))
    users = [i for frame in scene_labels for i in frame.user_instances]
    assert users
    assert all(user.from_predicted is not None for user in users)


def test_the_labels_lie_on_the_mice(run: Run, tmp_path: Path) -> None:
    run("demo", "--out", tmp_path / "tour", "--json")
    scene, centre = make_scene(), NODES.index("centre")
    for frame_idx in (0, 60, 150, 199):
        image = read_frame(tmp_path / "tour" / "mice.mp4", frame_idx).astype(float)
        for mouse, name in enumerate(MICE):
            if scene.is_hidden[frame_idx, mouse, centre]:
                continue
            x, y = scene.xy[frame_idx, mouse, centre].round().astype(int)
            level = image[y - 2 : y + 3, x - 2 : x + 3].mean()
            floor = float(np.median(image.mean(axis=2)))
            assert level < floor - 30 if name == "dark" else level > floor + 30


def test_the_chosen_frame_shows_most(scene_labels: tl.Labels) -> None:
    frame = choose_frame(scene_labels)
    assert frame is not None
    assert len(frame.user_instances) == 2
    assert sum(len(instance) for instance in frame.instances) == 4 * len(NODES)
    assert choose_frame(tl.Labels()) is None
