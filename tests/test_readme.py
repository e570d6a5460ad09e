"""What the README promises, run."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.imports import ROOT

README = ROOT / "README.md"
TRY_IT = 'python -m pip install ".[plot]" && tabular-labels demo'
TEST_IT = 'python -m pip install ".[dev]" && python -m pytest'
BLOCK = re.compile(
    r"(?:^<!-- skip: (?P<skip>.+?) -->\n\s*)?^```(?P<language>\w*)[^\n]*\n(?P<source>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, first line, and why it is not run (if so)."""

    language: str
    source: str
    line: int
    skip: str | None


def read_blocks(text: str) -> list[Block]:
    """List the fenced blocks of a Markdown text in order."""
    return [
        Block(
            found["language"],
            found["source"],
            text.count("\n", 0, found.start("source")) + 1,
            found["skip"],
        )
        for found in BLOCK.finditer(text)
    ]


def run_blocks(blocks: list[Block], filename: str) -> dict[str, Any]:
    """Run Python blocks in one namespace; tracebacks show the lines of the Markdown file."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        if block.language == "python" and block.skip is None:
            source = "\n" * (block.line - 1) + block.source
            exec(compile(source, filename, "exec"), namespace)
    return namespace


def setup_commands(blocks: list[Block]) -> list[str]:
    """List the shell lines that install something."""
    lines = [
        line.strip()
        for block in blocks
        if block.language != "python"
        for line in block.source.splitlines()
    ]
    return [line for line in lines if "pip install" in line]


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return read_blocks(README.read_text(encoding="utf-8"))


def test_python_blocks_run_in_order(
    blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert any(block.language == "python" for block in blocks)
    run_blocks(blocks, str(README))


def test_there_are_exactly_two_set_up_commands(blocks: list[Block]) -> None:
    assert setup_commands(blocks) == [TRY_IT, TEST_IT]


def test_only_blocks_for_optional_extras_are_skipped(blocks: list[Block]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"dev", "all"}
    for block in blocks:
        if block.skip is not None:
            words = set(re.findall(r"\w+", block.skip))
            assert words & extras, f"line {block.line}: the reason names none of {sorted(extras)}"
    comments = re.findall(r"<!-- *skip", README.read_text(encoding="utf-8"))
    assert len(comments) == sum(block.skip is not None for block in blocks)


MARKDOWN = """\
```python
value = 1
```
<!-- skip: needs dask -->
```python
value = 0
```
```console
python -m pip install x
```
```python
value += 1
```
"""


def test_blocks_share_a_namespace_and_a_skipped_one_is_left_out() -> None:
    found = read_blocks(MARKDOWN)
    assert [block.line for block in found] == [2, 6, 9, 12]
    assert [block.skip for block in found] == [None, "needs dask", None, None]
    assert run_blocks(found, "text.md")["value"] == 2
    assert setup_commands(found) == ["python -m pip install x"]


def test_a_failing_block_names_its_line() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_blocks(read_blocks("# Title\n\n```python\n1 / 0\n```\n"), "text.md")
    assert caught.traceback[-1].lineno == 3  # counted from 0
    assert str(caught.traceback[-1].path).endswith("text.md")
