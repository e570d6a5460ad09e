"""What is printed fits, hides nothing silently, and cannot steer a terminal."""

from __future__ import annotations

import polars as pl
import pytest

from tabular_labels.cli.output import plain, print_json, print_table, size_text, time_text


def test_numbers_are_told_in_units() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 999_600, 2.5e9, 4e12)] == [
        "0 B", "999 B", "1 kB", "1 MB", "2.5 GB", "4e+03 GB",
    ]  # fmt: skip
    assert [time_text(s) for s in (0, 0.25, 0.9999, 75)] == ["0 ms", "250 ms", "1.0 s", "75.0 s"]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\x07", "\u202e", "\udc80"])
def test_what_steers_a_terminal_is_spelled_out(text: str) -> None:
    assert plain(text).isprintable()
    assert "\\" in plain(text)
    assert plain("naïve 蝿") == "naïve 蝿"


def test_a_table_shows_nulls_and_digits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table(
        pl.DataFrame(
            {"x": [1.23456, None, float("nan")], "small": [1e-4] * 3, "t": ["a", None, "b"]}
        )
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["x", "small", "t"]
    assert lines[2:] == [
        ["1.235", "0.000100", "a"],
        ["-", "0.000100", "-"],
        ["nan", "0.000100", "b"],
    ]


def test_a_table_names_the_columns_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(pl.DataFrame({f"column_{k}": [k] for k in range(6)}))
    out = capsys.readouterr().out
    assert "column_0" in out.splitlines()[1]
    assert "more columns" in out
    assert "column_5" in out
    assert max(map(len, out.splitlines())) <= 40


def test_an_empty_table_shows_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(pl.DataFrame(schema={"x": pl.Float64, "name": pl.String}))
    assert "name" in capsys.readouterr().out


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "蝿\x1b"})
    assert capsys.readouterr().out == '{\n  "name": "\\u877f\\u001b"\n}\n'
