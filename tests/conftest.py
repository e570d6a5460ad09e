"""What every test file may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.imports import ROOT

# Shared machines pause at will; a slow example is not a wrong one. In CI, Hypothesis's own
# profile (fixed examples, no database) is the parent.
settings.register_profile("tests", parent=settings(), deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real projects and videos, which are not part of the repository.

    It is looked for beside the checkout (``../shared/data``), or where the environment
    variable ``TABULAR_LABELS_DATA`` says.
    """
    folder = Path(os.environ.get("TABULAR_LABELS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real test data at {folder}; set TABULAR_LABELS_DATA to its folder")
    return folder
