"""Keys of examples get the names of a model's inputs and outputs."""

from __future__ import annotations

from typing import Any

import pytest

from tabular_labels import KeyMapper

EXAMPLE = {"image": 1, "instances": 2, "scale": 3}


def test_keys_are_renamed_in_order_and_others_dropped() -> None:
    mapper = KeyMapper([{"scale": "s", "image": "x"}, {"instances": "y"}])
    made = mapper.map_example(EXAMPLE)
    assert made == ({"s": 3, "x": 1}, {"y": 2})
    assert [list(each) for each in made] == [["s", "x"], ["y"]]
    assert mapper.input_keys == ["scale", "image", "instances"]
    assert mapper.output_keys == ["s", "x", "y"]


def test_keys_may_be_used_repeatedly() -> None:
    mapper = KeyMapper([{"image": "x"}, {"image": "x"}, {}])
    assert mapper.map_example(EXAMPLE) == ({"x": 1}, {"x": 1}, {})
    assert mapper.input_keys == ["image", "image"]
    assert mapper.output_keys == ["x", "x"]


def test_a_single_dictionary_is_wrapped_and_copied() -> None:
    given = {"image": "x"}
    mapper = KeyMapper(given)
    given["instances"] = "y"
    assert mapper.key_maps == [{"image": "x"}]
    assert mapper.map_example(EXAMPLE) == ({"x": 1},)
    assert repr(mapper) == "KeyMapper(key_maps=[{'image': 'x'}])"


def test_missing_keys_are_named_with_those_that_are_there() -> None:
    mapper = KeyMapper([{"image": "x"}, {"images": "y", "points": "z"}])
    with pytest.raises(KeyError) as caught:
        mapper.map_example(EXAMPLE)
    for part in ("'images', 'points'", "'image', 'instances', 'scale'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("key_maps", [{"image": 1}, [{0: "x"}], [{"image": None}]])
def test_names_that_are_no_text_are_refused(key_maps: Any) -> None:
    with pytest.raises(TypeError, match=r"key_maps: found .* expected names"):
        KeyMapper(key_maps)
