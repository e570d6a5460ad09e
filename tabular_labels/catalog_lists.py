"""Lists and mappings of labels' small things, which show how things stand."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, NoReturn, TypeVar, overload

from tabular_labels.errors import ReadOnlyError
from tabular_labels.model.freezing import FreezableDict, FrozenList
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.video import Video

__all__ = ["AnchorList", "Anchors", "CatalogList", "Provenance", "SuggestionList", "as_provenance"]

T = TypeVar("T")


class _LiveList(Sequence[T], Generic[T]):
    """A list that is looked up each time: compares, adds and pickles like a list."""

    def __init__(self, look: Callable[[], Sequence[T]]) -> None:
        self._look = look

    def __len__(self) -> int:
        """Count the items."""
        return len(self._look())

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> list[T]: ...

    def __getitem__(self, place: Any) -> Any:
        """Return one item, or a list of some."""
        return list(self._look())[place] if isinstance(place, slice) else self._look()[place]

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items of now."""
        return iter(list(self._look()))

    def __contains__(self, item: object) -> bool:
        """Tell whether an item is there."""
        return item in self._look()

    def __eq__(self, other: object) -> bool:
        """Compare item by item with any sequence."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return list(self._look()) == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __add__(self, other: Iterable[T]) -> list[T]:
        """Concatenate to a list."""
        return [*self._look(), *other]

    def __radd__(self, other: Iterable[T]) -> list[T]:
        """Concatenate to a list."""
        return [*other, *self._look()]

    def copy(self) -> list[T]:
        """Return a list of the items of now."""
        return list(self._look())

    def __repr__(self) -> str:
        """Show it like a list."""
        return repr(list(self._look()))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain list."""
        return list, (list(self._look()),)


class CatalogList(_LiveList[T]):
    """Videos, skeletons or tracks of labels; what is appended is added to the labels.

    Args:
        look: Gives the items of now.
        add: Adds an item to the labels.
        step: Opens a step of the labels, which several items are added in.
        advice: What to use for other changes.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[T]],
        add: Callable[[T], object],
        step: Callable[[], AbstractContextManager[None]],
        advice: str,
    ) -> None:
        super().__init__(look)
        self._add = add
        self._step = step
        self._advice = advice

    def append(self, item: T) -> None:
        """Add an item to the labels; nothing happens when it is there."""
        self._add(item)

    def extend(self, items: Iterable[T]) -> None:
        """Add items to the labels; all of them or none."""
        with self._step():
            for item in list(items):
                self._add(item)

    def __iadd__(self, items: Iterable[T]) -> CatalogList[T]:  # type: ignore[override]  # like list's
        """Add items to the labels."""
        self.extend(items)
        return self

    def become(self, wanted: Iterable[T]) -> None:
        """Add what follows the items of now; so ``labels.tracks += more`` may be assigned.

        Raises:
            ReadOnlyError: Items of now are left out or moved.
        """
        new, mine = list(wanted), list(self._look())
        if len(new) < len(mine) or any(a is not b for a, b in zip(mine, new, strict=False)):
            self._refuse()
        self.extend(new[len(mine) :])

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        message = (
            "this list of labels was to be changed in place, expected `append` at most: rows refer "
            f"to its items. {self._advice}"
        )
        raise ReadOnlyError(message)

    insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __imul__ = _refuse


class SuggestionList(_LiveList[SuggestionFrame]):
    """The suggestions of labels; each change of the list is one of the labels.

    Args:
        look: Gives the suggestions of now.
        put: Makes these the suggestions.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[SuggestionFrame]],
        put: Callable[[Iterable[SuggestionFrame]], None],
    ) -> None:
        super().__init__(look)
        self._put = put

    def _change(self, change: Callable[[list[SuggestionFrame]], T]) -> T:
        wanted = list(self._look())
        result = change(wanted)
        self._put(wanted)
        return result

    def append(self, suggestion: SuggestionFrame) -> None:
        """Add a suggestion at the end."""
        self._change(lambda wanted: wanted.append(suggestion))

    def extend(self, suggestions: Iterable[SuggestionFrame]) -> None:
        """Add suggestions at the end."""
        self._change(lambda wanted: wanted.extend(suggestions))

    def insert(self, place: int, suggestion: SuggestionFrame) -> None:
        """Add a suggestion before a place."""
        self._change(lambda wanted: wanted.insert(place, suggestion))

    def remove(self, suggestion: SuggestionFrame) -> None:
        """Remove the first suggestion that is equal."""
        self._change(lambda wanted: wanted.remove(suggestion))

    def pop(self, place: int = -1) -> SuggestionFrame:
        """Remove the suggestion at a place, and return it."""
        return self._change(lambda wanted: wanted.pop(place))

    def clear(self) -> None:
        """Remove all."""
        self._put(())

    def reverse(self) -> None:
        """Turn the order around."""
        self._change(lambda wanted: wanted.reverse())

    def sort(self, *, key: Callable[[SuggestionFrame], Any], reverse: bool = False) -> None:
        """Put them in order."""
        self._change(lambda wanted: wanted.sort(key=key, reverse=reverse))

    def __setitem__(self, place: Any, value: Any) -> None:
        """Replace one suggestion, or a slice."""
        self._change(lambda wanted: wanted.__setitem__(place, value))

    def __delitem__(self, place: Any) -> None:
        """Remove one suggestion, or a slice."""
        self._change(lambda wanted: wanted.__delitem__(place))

    def __iadd__(  # type: ignore[override]  # like list's
        self, suggestions: Iterable[SuggestionFrame]
    ) -> SuggestionList:
        """Add suggestions at the end."""
        self.extend(suggestions)
        return self


_OF_ANCHORS = (
    "of negative anchors was to be changed in place, expected a change of the labels. Use "
    "`labels.add_negative_anchor` or `labels.remove_negative_anchors`, or assign to "
    "`labels.negative_anchors`."
)


class AnchorList(FrozenList[tuple[int, float, float]]):
    """The negative anchors of one video, read-only."""

    __slots__ = ()
    _advice = _OF_ANCHORS


class Anchors(dict[Video, list[tuple[int, float, float]]]):
    """Negative anchors by video, read-only; otherwise a dict of lists."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        message = f"this dict {_OF_ANCHORS}"
        raise ReadOnlyError(message)

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain dict."""
        return dict, ({video: list(anchors) for video, anchors in self.items()},)


class Provenance(MutableMapping[str, Any]):
    """Facts about where labels come from; setting one changes the labels.

    Values are JSON-able and read-only: replace a value instead of changing inside it.

    Args:
        look: Gives the facts of now.
        put: Makes these the facts.
    """

    def __init__(
        self, look: Callable[[], Mapping[str, Any]], put: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._look = look
        self._put = put

    def __getitem__(self, key: str) -> Any:
        """Return one fact."""
        return _read_only(self._look()[key])

    def __setitem__(self, key: str, value: Any) -> None:
        """Set one fact."""
        self._put({**self._look(), key: value})

    def __delitem__(self, key: str) -> None:
        """Remove one fact."""
        facts = dict(self._look())
        del facts[key]
        self._put(facts)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several facts, as one step."""
        self._put({**self._look(), **dict(*args, **kwargs)})

    def clear(self) -> None:
        """Remove all."""
        self._put({})

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(list(self._look()))

    def __len__(self) -> int:
        """Count the facts."""
        return len(self._look())

    def __eq__(self, other: object) -> bool:
        """Compare with any mapping."""
        return dict(self._look()) == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # like a dict

    def __repr__(self) -> str:
        """Show it like a dict."""
        return repr(dict(self._look()))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain dict."""
        return dict, (dict(self._look()),)


def as_provenance(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts that nobody else can change.

    Raises:
        TypeError: They are no mapping with names, or hold what JSON cannot.
    """
    try:
        json.dumps(facts if isinstance(facts, dict) else dict(facts))
        names = [key for key in facts if not isinstance(key, str)]
    except (TypeError, ValueError) as error:
        message = f"provenance: {error}. Expected a mapping of names to what JSON can hold."
        raise TypeError(message) from error
    if names:
        message = f"provenance: found the key {names[0]!r}, expected strings. Name each fact."
        raise TypeError(message)
    return copy.deepcopy({key: _plain(value) for key, value in facts.items()})


def _read_only(value: Any) -> Any:
    if isinstance(value, Mapping):
        made = FreezableDict({key: _read_only(item) for key, item in value.items()})
        made.freeze()
        return made
    return FrozenList(map(_read_only, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
