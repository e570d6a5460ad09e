"""A guided tour on made-up labels or on somebody's own file, with everything kept in a folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.demo_project import make_project
from tabular_labels.cli.drawing import choose_frame, find_videos, save_drawing
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.output import (
    output_console,
    plain,
    print_rows,
    print_table,
    progress_bar,
    size_text,
    time_text,
    working,
)
from tabular_labels.cli.summary import measure
from tabular_labels.errors import MissingExtraError, MissingPictureWarning

__all__ = ["run_demo"]

_MARKER = ".tabular-labels-demo"
_QUERY = (
    "SELECT node, count(x) AS points, avg(score) AS mean_score, avg(x) AS mean_x, avg(y) AS mean_y "
    "FROM points GROUP BY node ORDER BY node"
)


def run_demo(file: Path | None, out: Path, *, is_quiet: bool) -> dict[str, Any]:
    """Go through the tour.

    Args:
        file: Somebody's own file or project; None makes a project up.
        out: A folder that is empty, not there, or an earlier demonstration's.
        is_quiet: Print nothing.

    Returns:
        What happened: ``files`` with sizes, ``steps`` with seconds, counts, ``notes``.

    Raises:
        UserError: The folder holds something else.
    """
    if file is not None and not file.exists():
        message = f"{file}: found nothing there, expected a file or a project. Check the path."
        raise UserError(message)
    _claim(out)
    return _Tour(file, out, is_quiet=is_quiet).run()


def _claim(out: Path) -> None:
    """Make the folder ours, unless it holds what an earlier demonstration did not make."""
    if out.exists() and not out.is_dir():
        message = f"{out}: found a file, expected a folder. Choose another one with --out."
        raise UserError(message)
    if out.is_dir() and any(out.iterdir()) and not (out / _MARKER).is_file():
        message = (
            f"{out}: found a folder with other content, expected an empty one. "
            "Choose another one with --out; nothing was changed."
        )
        raise UserError(message)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARKER).write_text("The demonstration replaces its own files here.\n")


class _Tour:
    """One demonstration: its steps print what they do and keep what it took."""

    def __init__(self, file: Path | None, out: Path, *, is_quiet: bool) -> None:
        self.source = file
        self.out = out
        self.is_quiet = is_quiet
        self.steps: list[dict[str, Any]] = []
        self.files: dict[Path, str] = {}
        self.notes: list[str] = []

    def run(self) -> dict[str, Any]:
        path = self._make() if self.source is None else self.source
        labels = self._load(path)
        self._query(labels)
        self._find_occupancy(labels)
        self._split(labels)
        again = self._keep(labels, path)
        self._draw(labels, path)
        self._sum_up(again)
        return {
            "directory": str(self.out),
            "files": [
                {"path": str(file), "about": about, "bytes": measure(file)}
                for file, about in self.files.items()
            ],
            "frames": len(labels),
            "steps": self.steps,
            "notes": self.notes,
        }

    @contextmanager
    def _step(self, title: str, *code: str) -> Iterator[None]:
        """Announce a step and the Python that does it."""
        self._say(f"\n{len(self.steps) + 1}. {title}", "bold")
        for line in code:
            self._say(f"   >>> {line}", "cyan")
        self.steps.append({"title": title, "seconds": 0.0})
        yield

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Add up what the library itself takes."""
        began = time.perf_counter()
        with working(what):
            yield
        self.steps[-1]["seconds"] += time.perf_counter() - began

    def _say(self, text: str, style: str = "") -> None:
        if not self.is_quiet:
            lines = "\n".join(plain(line) for line in text.split("\n"))
            output_console().print(lines, style=style or None, soft_wrap=True)

    def _tell(self, text: str) -> None:
        """Say what came out, and how long it took."""
        self._say(f"   {text} ({time_text(self.steps[-1]['seconds'])})")

    def _show(self, table: pl.DataFrame, most_rows: int = 10) -> None:
        if not self.is_quiet:
            print_table(table, most_rows=most_rows)

    def _make(self) -> Path:
        video, path = self.out / "mice.mp4", self.out / "mice.slp"
        with self._step("Make a recording of two mice, and its labels", "tl.write_slp(labels, …)"):
            began = time.perf_counter()
            with progress_bar("filming") as progress:
                # Absolute, so that the labels find it from any folder.
                labels = make_project(video.absolute(), progress)
            tl.write_slp(labels, path)
            self.steps[-1]["seconds"] = time.perf_counter() - began
            self.files |= {video: "the recording", path: "its labels, as SLEAP reads them"}
            self._tell(f"{video.name} and {path.name}: {labels!r}")
        return path

    def _load(self, path: Path) -> tl.Labels:
        with self._step(f"Load {path.name}", f"labels = tl.load_file({str(path)!r})"):
            with self._timed("reading"):
                labels = tl.load_file(path)
            self._tell(f"{len(labels):,} frames in memory")
            self._say("\n".join(f"   {line}" for line in labels.describe().splitlines()), "dim")
        return labels

    def _query(self, labels: tl.Labels) -> None:
        with self._step("Ask with SQL, or with polars", f'labels.sql("{_QUERY}")'):
            with self._timed("asking"):
                answer = labels.sql(_QUERY)
            self._tell(f"{answer.height:,} rows")
            self._show(answer)

    def _find_occupancy(self, labels: tl.Labels) -> None:
        with self._step("Find where each track is present", "labels.occupancy()"):
            with self._timed("looking"):
                runs = labels.occupancy()
            self._tell(f"{runs.height:,} runs of consecutive frames")
            if runs.height:
                self._show(runs.select("track", "start", "stop"))

    def _split(self, labels: tl.Labels) -> None:
        code = "train, rest = labels.split(0.8, seed=0)"
        with self._step("Split into training and validation frames", code):
            if not len(labels):
                self._say("   there are no frames to split")
                return
            with self._timed("splitting"):
                train, rest = labels.split(0.8, seed=0)
            self._tell(f"{len(train):,} and {len(rest):,} frames, the same on every machine")

    def _keep(self, labels: tl.Labels, path: Path) -> Path:
        project = self.out / f"{path.stem}.parquet"
        if project.resolve() == path.resolve():
            project = self.out / f"{path.stem}-again.parquet"
        code = (f"labels.save({str(project)!r})", f"labels.equals(tl.load_file({str(project)!r}))")
        with self._step("Keep the labels as Parquet, and read them back", *code):
            with self._timed("writing"):
                # An earlier demonstration's project gets a new version.
                tl.write_parquet(labels, project, overwrite=True, message="tabular-labels demo")
            with self._timed("reading"):
                again = tl.read_parquet(project)
            if not labels.equals(again):
                message = f"{project}: read back other labels than were written. Please report it."
                raise UserError(message)
            self.files[project] = "the same labels, as a versioned Parquet project"
            before, after = size_text(measure(path)), size_text(measure(project))
            self._tell(f"every value came back equal; {before} before, {after} now")
        return project

    def _draw(self, labels: tl.Labels, path: Path) -> None:
        find_videos(labels, [path.absolute().parent])
        frame = choose_frame(labels)
        occupancy, picture = self.out / "occupancy.png", self.out / "frame.png"
        with self._step("Draw occupancy and a labelled frame"):
            try:
                with self._timed("drawing"), warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", MissingPictureWarning)
                    save_drawing(labels, "occupancy", occupancy)
                    if frame is not None:
                        save_drawing(labels, "frame", picture)
            except MissingExtraError as error:
                self._note(f"no pictures: {error}")
                return
            self.files[occupancy] = "where each track is present"
            drawn = [occupancy.name]
            if frame is not None:
                self.files[picture] = f"frame {frame.frame_idx:,} with its instances"
                drawn.append(picture.name)
            self._tell(" and ".join(drawn))
            for warning in caught:
                self._note(str(warning.message))

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._say(f"   {text}", "yellow")

    def _sum_up(self, project: Path) -> None:
        if self.is_quiet:
            return
        rows = [
            (file.relative_to(self.out), about, size_text(measure(file)))
            for file, about in self.files.items()
        ]
        print_rows(("file", "what it is", "size"), rows, title=f"\nIn {self.out}", right=("size",))
        name = str(project) if " " not in str(project) else f'"{project}"'
        self._say("Try next:", "bold")
        self._say(f"  tabular-labels show {name}")
        self._say(f'  tabular-labels query {name} "SELECT track, count(*) AS n FROM instances '
                  'GROUP BY track"')  # fmt: skip
        self._say(f"  tabular-labels files {name} points")
        self._say("  tabular-labels demo YOUR_FILE.slp")
