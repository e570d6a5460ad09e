"""`tabular-labels split`: parts of a project as files, and what leaks between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.output import output_console, plain, print_rows, print_table
from tabular_labels.cli.summary import open_labels
from tabular_labels.io.detect import detect_format
from tabular_labels.partition import SplitBy, Stratify

__all__ = [
    "SplitReport",
    "choose_files",
    "print_report",
    "read_numbers",
    "save_parts",
    "split_file",
]

_NAMES = {2: ("train", "val"), 3: ("train", "val", "test")}
_BY: dict[str, SplitBy] = {"video": "video", "track": "track"}
_KINDS: dict[str, Stratify] = {"kind": "kind", "n_instances": "n_instances", "video": "video"}


@dataclass(frozen=True)
class SplitReport:
    """Parts of a project, how they were made, and how near they are to the first.

    Attributes:
        source: What was split.
        seed: With which the same parts are made again.
        names: Of the parts.
        parts: Labels.
        n_frames: Frames that were to be split.
        within: Distances of the leakage.
        leakage: For each part after the first, `leakage_report` of both.
    """

    source: Path
    seed: int
    names: tuple[str, ...]
    parts: tuple[tl.Labels, ...]
    n_frames: int
    within: tuple[int, ...]
    leakage: dict[str, pl.DataFrame]

    @property
    def n_left_out(self) -> int:
        """Frames in no part."""
        return self.n_frames - sum(map(len, self.parts))

    def json(self, files: Sequence[Path]) -> dict[str, Any]:
        """Return what `--json` prints."""
        paths = [str(path) for path in files] if files else [None] * len(self.names)
        return {
            "source": str(self.source),
            "seed": self.seed,
            "frames": self.n_frames,
            "left_out": self.n_left_out,
            "parts": [
                {"name": name, "frames": len(part), "file": path}
                for name, part, path in zip(self.names, self.parts, paths, strict=True)
            ],
            "leakage": {name: table.to_dicts() for name, table in self.leakage.items()},
        }


def read_numbers(text: str, kind: type[int] | type[float], option: str) -> list[Any]:
    """Read numbers with commas between them."""
    try:
        return [kind(word) for word in text.split(",") if word.strip()]
    except ValueError:
        message = f"{option}: found {text!r}, expected numbers with commas between, as in 0.8,0.2."
        raise UserError(message) from None


def split_file(
    source: Path,
    fractions: Sequence[float],
    names: Sequence[str],
    *,
    seed: int,
    by: str | None,
    blocks: int | None,
    gap: int | None,
    stratify: str | None,
    is_user_only: bool,
    within: Sequence[int],
) -> SplitReport:
    """Split a project and look at what leaks from the first part into the others.

    Raises:
        UserError: Names do not fit, or an expression is none.
        QueryError: The frames cannot be split so.
    """
    wanted = [*fractions, -1.0] if len(fractions) == 1 else list(fractions)
    called = _names(names, len(wanted))
    labels = open_labels(source)
    if is_user_only:
        labels = labels.filter(instances=pl.col("kind") == "user", drop_empty=True)
    groups = None if by is None else _BY.get(by) or _expression(by, "--by")
    kinds = None
    if stratify is not None:
        kinds = _KINDS.get(stratify) or _expression(stratify, "--stratify")
    parts = tl.split_labels(
        labels, wanted, seed=seed, by=groups, blocks=blocks, gap=gap, stratify=kinds
    )
    leakage = {
        name: tl.leakage_report(parts[0], part, within)
        for name, part in zip(called[1:], parts[1:], strict=True)
    }
    return SplitReport(source, seed, called, parts, len(labels), tuple(within), leakage)


def _names(names: Sequence[str], n: int) -> tuple[str, ...]:
    if not names:
        return _NAMES.get(n, tuple(f"part{k + 1}" for k in range(n)))
    if len(names) != n or len({name.casefold() for name in names}) != n:
        message = f"--names: found {list(names)}, expected {n} different ones, one for each part."
        raise UserError(message)
    for name in names:
        if name != Path(name).name or "\\" in name or not name.isprintable() or name == "..":
            message = f"--names: found {name!r}, expected a plain name. Choose folders with --out."
            raise UserError(message)
    return tuple(names)


def _expression(text: str, option: str) -> pl.Expr:
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        message = (
            f'{option}: found {text!r}, expected a known word or SQL such as "frame_idx // 100" '
            f"over the columns of frames ({reason})."
        )
        raise UserError(message) from error


def choose_files(
    report_names: Sequence[str], source: Path, out: Path, form: str | None, *, overwrite: bool
) -> list[Path]:
    """Name the files of the parts, and check that they may be written.

    Raises:
        UserError: Something is there already, or the folder is no folder.
    """
    suffix = ".parquet" if (form or detect_format(source)) == "parquet" else ".slp"
    files = [out / f"{name}{suffix}" for name in report_names]
    if out.exists() and not out.is_dir():
        message = f"{out}: found a file, expected a folder. Choose another --out."
        raise UserError(message)
    if not out.absolute().parent.is_dir():
        message = f"{out}: its folder does not exist. Make the folder first."
        raise UserError(message)
    for file in files:
        if file.resolve() == source.resolve():
            message = f"{file}: is what is split. Choose another --out or other --names."
            raise UserError(message)
        if file.exists() and not overwrite:
            message = f"{file}: found something there. Choose another --out, or add --overwrite."
            raise UserError(message)
    return files


def save_parts(report: SplitReport, files: Sequence[Path], *, overwrite: bool) -> None:
    """Write the parts, each whole or not at all."""
    files[0].parent.mkdir(exist_ok=True)
    for part, file in zip(report.parts, files, strict=True):
        if file.suffix == ".slp":
            tl.write_slp(part, file)
        else:
            tl.write_parquet(part, file, overwrite=overwrite)


def print_report(report: SplitReport, files: Sequence[Path]) -> None:
    """Print the parts, what is in none, and how near each is to the first."""
    rows = [
        [name, f"{len(part):,}", _percent(len(part), report.n_frames), *_path(files, k)]
        for k, (name, part) in enumerate(zip(report.names, report.parts, strict=True))
    ]
    if report.n_left_out:
        left = report.n_left_out
        rows.append(["in none", f"{left:,}", _percent(left, report.n_frames), *_path(files, None)])
    header = ["part", "frames", "share", *(["file"] if files else [])]
    title = plain(f"{report.source}: {report.n_frames:,} frames, seed {report.seed}")
    console = output_console()
    console.print(title, style="bold", soft_wrap=True)
    print_rows(header, rows, right=("frames", "share"))
    first = report.names[0]
    for name, table in report.leakage.items():
        shown = table.rename({"n_training": f"{first} frames", "n_validation": f"{name} frames"})
        print_table(shown, title=f"frames of {name} near frames of {first}")
        total = int(table["n_validation"].sum())
        for n in sorted(set(report.within)):
            near = int(table[f"within_{n}"].sum())
            where = "at" if n == 0 else f"within {n:,} of"
            console.print(
                f"{near:,} of {total:,} frames of {plain(name)} ({_percent(near, total)}) are "
                f"{where} a frame of {plain(first)}",
                soft_wrap=True,
            )


def _path(files: Sequence[Path], number: int | None) -> list[str]:
    if not files:
        return []
    return ["" if number is None else str(files[number])]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
