"""Renaming the keys of examples to what a model's layers are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["KeyMapper"]


class KeyMapper:
    """Maps keys of examples to names of outputs, as tuples for training.

    Args:
        key_maps: One dictionary ``{input_key: output_key}``, or several: examples become
            tuples with a dictionary for each, in the same order.

    Attributes:
        key_maps: A list of dictionaries.

    Raises:
        TypeError: A key is not text.

    Examples:
        >>> mapper = KeyMapper([{"image": "input"}, {"instances": "points", "image": "same"}])
        >>> mapper.input_keys, mapper.output_keys
        (['image', 'instances', 'image'], ['input', 'points', 'same'])
        >>> mapper.map_example({"image": 1, "instances": 2, "scale": 3})
        ({'input': 1}, {'points': 2, 'same': 1})

    Source:
        ``sleap.nn.data.training.KeyMapper``.
    """

    def __init__(self, key_maps: Mapping[str, str] | Sequence[Mapping[str, str]]) -> None:
        given = [key_maps] if isinstance(key_maps, Mapping) else list(key_maps)
        self.key_maps: list[dict[str, str]] = [dict(each) for each in given]
        for each in self.key_maps:
            for pair in each.items():
                if not all(isinstance(key, str) for key in pair):
                    message = (
                        f"key_maps: found {pair}, expected names. Pass {{input_key: output_key}}."
                    )
                    raise TypeError(message)

    @property
    def input_keys(self) -> list[str]:
        """Keys that examples must have, in order, with repeats."""
        return [key for each in self.key_maps for key in each]

    @property
    def output_keys(self) -> list[str]:
        """Keys that examples will have, in order, with repeats."""
        return [key for each in self.key_maps for key in each.values()]

    def map_example(self, example: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Rename the keys of one example or batch; others are dropped.

        Raises:
            KeyError: A key is missing; it names the keys that are there.
        """
        self._require(example)
        return tuple({new: example[old] for old, new in each.items()} for each in self.key_maps)

    def transform_dataset(self, ds_input: Any) -> Any:
        """Rename the keys of all examples of a dataset.

        Args:
            ds_input: A ``tf.data.Dataset`` of dictionaries, single examples or batches.

        Returns:
            A ``tf.data.Dataset`` of tuples of dictionaries, in the order of ``key_maps``.

        Raises:
            KeyError: A key is missing; it names the keys that are there.
        """
        self._require(ds_input.element_spec)
        return ds_input.map(self.map_example)

    def _require(self, keys: Any) -> None:
        there = list(keys) if isinstance(keys, Mapping) else []
        missing = [key for key in self.input_keys if key not in there]
        if missing:
            message = f"found no {', '.join(map(repr, missing))} among the keys {there}"
            raise KeyError(message)

    def __repr__(self) -> str:
        return f"KeyMapper(key_maps={self.key_maps!r})"
