"""Keep modules of bridges out of doctest collection when their package is not installed."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.imports import PACKAGE, Import, module_name, read_imports, runtime_packages

OPTIONAL = frozenset({"dask", "distributed", "hypothesis", "matplotlib", "tensorflow", "torch"})


@cache
def package_imports() -> list[Import]:
    return read_imports(PACKAGE)


@cache
def missing_packages() -> frozenset[str]:
    return frozenset(name for name in OPTIONAL if find_spec(name) is None)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if collection_path.suffix != ".py" or PACKAGE not in collection_path.parents:
        return None
    loaded = runtime_packages(module_name(PACKAGE, collection_path), package_imports())
    return True if loaded & missing_packages() else None


def pytest_report_header(config: pytest.Config) -> str:
    missing = ", ".join(sorted(missing_packages()))
    return f"doctests left out for want of: {missing}" if missing else "doctests: all modules"
