"""Rows of JSON are read together as they are read alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import FileFormatError
from tabular_labels.hdf5.guard import parse_json, parse_json_rows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)
TEXTS = st.one_of(
    st.builds(json.dumps, VALUES),
    st.builds(lambda value: f" {json.dumps(value, ensure_ascii=False)}\n", VALUES),
    st.sampled_from(
        ("", " ", "[1", "2]", "1,2", '{"a":1}x', '"\\ud800"', '"\\u00e9"', "NaN", "nul")
    ),
    st.integers(190, 210).map(lambda depth: "[" * depth + "]" * depth),
    st.just("[" * 100_000),
)


@given(st.lists(TEXTS, max_size=4))
def test_rows_are_parsed_or_refused_as_each_is(texts: list[str]) -> None:
    expected, error = [], ""
    for i, text in enumerate(texts):
        try:
            expected.append(parse_json(text, "a.slp", f"rows, row {i}"))
        except FileFormatError as refused:
            error = str(refused)
            break
    if error:
        with pytest.raises(FileFormatError) as caught:
            parse_json_rows(texts, "a.slp", "rows")
        assert str(caught.value) == error
    else:
        # By their text, for NaN is not equal to itself.
        assert repr(parse_json_rows(texts, "a.slp", "rows")) == repr(expected)
