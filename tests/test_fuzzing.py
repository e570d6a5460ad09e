"""Readers answer damaged input with sound labels or an error of ours; findings stay inputs."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import tabular_labels as tl
from tabular_labels.errors import FileFormatError
from tests.fuzzing import TARGETS, answer, main

CASES = 120


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_read_soundly_or_refused(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    answers = {answer(target, target.mutate(random.Random(f"test-{k}"))) for k in range(CASES)}
    assert "tables" in answers
    assert "FileFormatError" in answers


def document(**values: Any) -> str:
    sound = json.loads(tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)]).to_json())
    return json.dumps(sound | values)


# What fuzzing found once: half a character, which JSON can spell and no text can hold.
FINDINGS = {
    "name of a track": {"tracks": [[0, "\ud800"]]},
    "name of a video": {"videos": [{"backend": {"filename": "a\udc00.mp4"}}]},
    "provenance": {"provenance": {"by\udfff": "\udfff"}},
}


@pytest.mark.parametrize("values", FINDINGS.values(), ids=FINDINGS)
def test_half_a_character_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="half a character"):
        tl.Labels.from_json(document(**values))


def test_whole_characters_may_be_spelled_in_two_halves() -> None:
    labels = tl.Labels.from_json(document(tracks=[[0, "\U0001f41d"]]))
    assert labels.tracks[0].name == "\U0001f41d"


def test_the_script_counts_what_it_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["json", "--seconds", "1", "--keep", str(tmp_path / "kept")]) == 0
    assert "0 findings" in capsys.readouterr().out
    assert list((tmp_path / "kept").iterdir()) == []
