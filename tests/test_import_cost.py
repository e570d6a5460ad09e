"""Importing the package is cheap and has no effects; a fresh process tells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.imports import ROOT

LAZY = (
    "tensorflow", "torch", "av", "h5py", "dask", "distributed", "matplotlib", "pandas", "pyarrow",
    "rich", "typer", "duckdb", "xarray", "sleap_io", "hypothesis",
)  # fmt: skip

PROBE = """
import json, logging, os, signal, sys, warnings

import numpy, polars  # what these do on import is not our doing

before = {
    "modules": sorted(sys.modules),
    "environment": dict(os.environ),
    "filters": [str(each) for each in warnings.filters],
    "polars": polars.Config.state(),
    "interrupt": str(signal.getsignal(signal.SIGINT)),
}
written = []


def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(str(arguments[0]))
    if event in {"os.mkdir", "os.rename", "os.remove", "subprocess.Popen", "socket.connect"}:
        written.append(f"{event} {arguments[0]}")


sys.addaudithook(watch)
IMPORT
print(json.dumps({
    "before": before,
    "after": {
        "modules": sorted(sys.modules),
        "environment": dict(os.environ),
        "filters": [str(each) for each in warnings.filters],
        "polars": polars.Config.state(),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
    },
    "written": written,
    "handlers": {
        str(name): [str(handler) for handler in logging.getLogger(name).handlers]
        for name in [None, *logging.root.manager.loggerDict]
    },
    "levels": {str(name): logging.getLogger(name).level for name in [None, "tabular_labels"]},
}))
"""


def probe(statement: str, folder: Path) -> dict[str, Any]:
    """Run one import statement in a fresh process and report what it changed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.replace("IMPORT", statement)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return probe("import tabular_labels", tmp_path_factory.mktemp("import"))


def loaded(report: dict[str, Any]) -> set[str]:
    """Name the packages that the import added."""
    added = set(report["after"]["modules"]) - set(report["before"]["modules"])
    return {name.partition(".")[0] for name in added}


def test_importing_loads_the_local_package(report: dict[str, Any]) -> None:
    assert "tabular_labels" in loaded(report)


def test_importing_loads_no_heavy_package(report: dict[str, Any]) -> None:
    assert loaded(report) & set(LAZY) == set()


def test_importing_writes_no_file(report: dict[str, Any]) -> None:
    assert report["written"] == []


def test_importing_configures_no_logging(report: dict[str, Any]) -> None:
    assert not any(report["handlers"].values())
    assert report["levels"] == {"None": 30, "tabular_labels": 0}


def test_importing_changes_no_global_setting(report: dict[str, Any]) -> None:
    for setting in ("environment", "filters", "polars", "interrupt"):
        assert report["after"][setting] == report["before"][setting], setting


def test_a_costly_import_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("here")
    statement = "import rich, logging; logging.basicConfig(filename='log.txt')"
    costly = probe(statement, tmp_path)
    assert "rich" in loaded(costly)
    assert [Path(path).name for path in costly["written"]] == ["log.txt"]
    assert costly["handlers"]["None"]
