"""The arrows of docs/architecture.md, read from the source.

    errors, _types -> model -> store, queries, io, video -> training, plot, scale
        -> labels, views and the other top-level modules -> cli

`hdf5` stands on the base; `io` and `video` open HDF5 files through it. `testing` stands on
`model`, and only `cli` may use it (for the demo).
"""

import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import PACKAGE, ROOT, Import, find_modules, read_imports, runtime_packages

NAME = "tabular_labels"
BASE = frozenset({"errors", "_types"})
MIDDLE = frozenset({"store", "queries", "io", "video"})
BRIDGES = frozenset({"training", "plot", "scale"})
PERMITTED: dict[str, frozenset[str]] = {
    "_types": frozenset(),
    "errors": frozenset({"_types"}),
    "model": BASE,
    "hdf5": BASE,
    **dict.fromkeys(MIDDLE - {"io", "video"}, BASE | {"model"}),
    **dict.fromkeys(("io", "video"), BASE | {"model", "hdf5"}),
    **dict.fromkeys(BRIDGES, BASE | MIDDLE | {"model"}),
    "testing": BASE | {"model"},
    "facade": BASE | MIDDLE | BRIDGES | {"model"},
    "cli": BASE | MIDDLE | BRIDGES | {"model", "testing", "facade"},
}

# Where a package may be imported when a module is loaded.
HOMES: dict[str, frozenset[str]] = {
    "h5py": frozenset({"hdf5", "io", "video"}),
    "av": frozenset({"video"}),
    "matplotlib": frozenset({"plot"}),
    "tensorflow": frozenset({"training"}),
    "torch": frozenset({"training"}),
    "dask": frozenset({"scale"}),
    "distributed": frozenset({"scale"}),
    "rich": frozenset({"cli"}),
    "typer": frozenset({"cli"}),
    "hypothesis": frozenset({"testing"}),
    **dict.fromkeys(("duckdb", "pandas", "xarray", "sleap_io"), frozenset[str]()),
}
# The bridges exist so that nobody else needs these, not even inside a function.
BRIDGED = ("matplotlib", "tensorflow", "torch", "dask", "distributed")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    found = read_imports(PACKAGE)
    assert found, f"no imports found under {PACKAGE}"
    return found


def layer_of(module: str) -> str:
    """Name the layer of one of our modules; top-level modules are facade unless listed."""
    _, _, inside = module.partition(".")
    first = inside.partition(".")[0]
    if first == "__main__":
        return "cli"
    return first if first in PERMITTED else "facade"


def is_ours(module: str) -> bool:
    return module == NAME or module.startswith(f"{NAME}.")


def against_the_arrows(imports: list[Import]) -> list[str]:
    """List imports that go up or sideways; type checkers' imports count too."""
    return [
        f"{found} (layer {layer_of(found.module)} may not know {layer_of(found.target)})"
        for found in imports
        if is_ours(found.target)
        and layer_of(found.module) != layer_of(found.target)
        and layer_of(found.target) not in PERMITTED[layer_of(found.module)]
    ]


def hidden_in_functions(imports: list[Import]) -> list[str]:
    """List imports inside functions below the facade, but for optional packages."""
    # pyarrow loads slowly, and importing the package or opening a file must not wait for it.
    required = (core_packages() | set(sys.stdlib_module_names)) - {"pyarrow"}
    return [
        str(found)
        for found in imports
        if found.is_inner
        and layer_of(found.module) not in {"facade", "cli"}
        and (is_ours(found.target) or found.target.partition(".")[0] in required)
    ]


def away_from_home(imports: list[Import]) -> list[str]:
    """List imports of heavy packages outside the layer they belong to."""
    return [
        str(found)
        for found in imports
        if (package := found.target.partition(".")[0]) in HOMES
        and not found.is_typing
        and (found.is_top or package in BRIDGED)
        and layer_of(found.module) not in HOMES[package]
    ]


def without_reason(imports: list[Import]) -> list[str]:
    """List what the facade imports of ours inside functions, and could import at the top.

    The reasons are a bridge, and a lower layer that loads more packages of others than
    importing the package may.
    """
    loaded = runtime_packages(NAME, imports)
    return [
        str(found)
        for found in imports
        if found.is_inner
        and is_ours(found.target)
        and (layer := layer_of(found.target)) not in BRIDGES
        and layer_of(found.module) == "facade"
        and (layer == "facade" or runtime_packages(found.target, imports) <= loaded)
    ]


def find_cycle(imports: list[Import]) -> list[str]:
    """Name the modules of one import cycle, or none, wherever the imports stand."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if is_ours(found.target):
            graph.setdefault(found.module, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def core_packages() -> set[str]:
    """Name the required dependencies as pyproject.toml declares them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {requirement.partition(">")[0] for requirement in project["dependencies"]}


def test_imports_follow_the_arrows(imports: list[Import]) -> None:
    assert against_the_arrows(imports) == []


def test_only_the_facade_and_the_command_line_import_inside_functions(
    imports: list[Import],
) -> None:
    assert hidden_in_functions(imports) == []


def test_the_facade_has_a_reason_for_each_import_inside_a_function(imports: list[Import]) -> None:
    assert without_reason(imports) == []


def test_heavy_packages_are_imported_in_their_layer_only(imports: list[Import]) -> None:
    assert away_from_home(imports) == []


def test_modules_do_not_import_in_circles(imports: list[Import]) -> None:
    assert find_cycle(imports) == []


def test_every_subpackage_has_a_layer() -> None:
    packages = {name.split(".")[1] for name in find_modules(PACKAGE) if name.count(".") > 1}
    assert packages <= set(PERMITTED) - {"facade"}


def test_nothing_is_called_utils() -> None:
    assert [name for name in find_modules(PACKAGE) if "utils" in name or "helpers" in name] == []


def written(folder: Path, sources: dict[str, str]) -> list[Import]:
    """Read the imports of a small package, given as paths without suffix and their text."""
    package = folder / NAME
    for module, source in sources.items():
        path = package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return read_imports(package)


WRONG_WAYS = [
    ("model/tables", "from tabular_labels.labels import Labels"),
    ("model/tables", "from tabular_labels import Labels"),
    ("model/tables", "from ..labels import Labels"),
    ("queries/find", "from typing import TYPE_CHECKING\nif TYPE_CHECKING: from .. import x"),
    ("queries/find", "import tabular_labels.io.slp"),
    ("queries/find", "from tabular_labels.hdf5.guard import member"),
    ("hdf5/guard", "from tabular_labels.model import schema"),
    ("io/slp", "from tabular_labels.store import snapshot"),
    ("store/fold", "from tabular_labels.queries.find import find_frames"),
    ("video/reader", "from tabular_labels.io.detect import detect"),
    ("plot/frame", "from tabular_labels.views import Instance"),
    ("labels", "from tabular_labels.cli import main"),
    ("labels", "from tabular_labels.testing.builders import build"),
    ("testing/builders", "from tabular_labels.queries import find"),
    ("errors", "from tabular_labels.model import schema"),
]


@pytest.mark.parametrize(("module", "source"), WRONG_WAYS)
def test_an_import_against_the_arrows_is_found(tmp_path: Path, module: str, source: str) -> None:
    assert len(against_the_arrows(written(tmp_path, {"labels": "", module: source}))) == 1


def test_imports_along_the_arrows_pass(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        {
            "model/tables": "from ..errors import SchemaMismatchError\nfrom . import schema",
            "io/slp": "from tabular_labels.model.tables import LabelTables",
            "video/hdf5": "from tabular_labels.hdf5.guard import member",
            "scale/run": "from ..io.slp import read\nfrom tabular_labels import queries",
            "labels": "from tabular_labels.store.snapshot import Snapshot\nfrom .scale import run",
            "cli/commands": "import tabular_labels\nfrom tabular_labels.testing import build",
            "queries/__init__": "",
        },
    )
    assert len(found) == 10
    assert against_the_arrows(found) == []


@pytest.mark.parametrize(
    ("module", "source", "is_wrong"),
    [
        ("queries/find", "def find():\n    import tabular_labels.model", True),
        ("io/slp", "def read():\n    import h5py", True),
        ("io/slp", "class A:\n    def read(self):\n        if 1:\n            import json", True),
        ("io/slp", "from importlib import import_module\nimport_module('h5py')", True),
        ("io/slp", "def read():\n    import sleap_io", False),
        ("labels", "def plot():\n    from tabular_labels.plot import draw", False),
        ("cli/commands", "def main():\n    import tabular_labels", False),
    ],
)
def test_an_import_inside_a_function_needs_a_reason(
    tmp_path: Path, module: str, source: str, is_wrong: bool
) -> None:
    assert len(hidden_in_functions(written(tmp_path, {module: source}))) == is_wrong


@pytest.mark.parametrize(
    ("module", "source", "is_wrong"),
    [
        ("labels", "import h5py", True),
        ("io/video", "import av", True),
        ("labels", "def plot():\n    import matplotlib.pyplot as plt", True),
        ("labels", "try:\n    import pandas\nexcept ImportError: pass", True),
        ("labels", "def to_pandas():\n    import pandas", False),
        ("video/reader", "import av.container", False),
        ("labels", "import typing\nif typing.TYPE_CHECKING:\n    import pandas", False),
    ],
)
def test_a_heavy_package_away_from_home_is_found(
    tmp_path: Path, module: str, source: str, is_wrong: bool
) -> None:
    assert len(away_from_home(written(tmp_path, {module: source}))) == is_wrong


def test_a_circle_of_imports_is_found(tmp_path: Path) -> None:
    circle = written(
        tmp_path,
        {
            "labels": "from tabular_labels import views",
            "views": "from tabular_labels import data_cache",
            "data_cache": "from .labels import Labels",
        },
    )
    assert set(find_cycle(circle)) == {f"{NAME}.{m}" for m in ("labels", "views", "data_cache")}


@pytest.mark.parametrize(
    "source",
    [
        "def labels():\n    from .labels import Labels",
        "class View:\n    async def labels(self):\n        import tabular_labels.labels",
        "from importlib import import_module\nimport_module('tabular_labels.labels')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING: from .labels import Labels",
    ],
)
def test_a_circle_closed_out_of_sight_is_found(tmp_path: Path, source: str) -> None:
    hidden = written(tmp_path, {"labels": "from tabular_labels import views", "views": source})
    assert set(find_cycle(hidden)) == {f"{NAME}.labels", f"{NAME}.views"}


@pytest.mark.parametrize(
    ("module", "source", "is_wrong"),
    [
        ("labels", "def plot():\n    from tabular_labels.plot import draw", False),
        ("labels", "def read():\n    from tabular_labels.io import slp", False),
        ("labels", "def read():\n    from tabular_labels.io import names", True),
        ("labels", "def read():\n    from tabular_labels import files", True),
        ("labels", "def read():\n    from tabular_labels.queries import find", True),
        ("cli/commands", "def read():\n    from tabular_labels.io import names", False),
    ],
)
def test_what_could_be_imported_at_the_top_is_found(
    tmp_path: Path, module: str, source: str, is_wrong: bool
) -> None:
    around = {
        "__init__": "import polars\nfrom tabular_labels import labels",
        "labels": "",
        "files": "import h5py",
        "io/slp": "from tabular_labels.io import layout",
        "io/layout": "import h5py",
        "io/names": "import polars",
        "queries/find": "",
        "plot/draw": "",
    }
    assert len(without_reason(written(tmp_path, {**around, module: source}))) == is_wrong
