"""Objects that may be built up freely until a project owns them."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from tabular_labels.errors import ReadOnlyError

__all__ = ["Freezable", "FreezableDict", "FrozenList"]

T = TypeVar("T")

_ADVICE = (
    "belongs to labels and was to be changed in place, expected that of a free object. Use the "
    "labels' methods, such as `labels.add_edge` or `labels.update_video`, or change a copy of the "
    "object that has it (`.copy()`) and build new labels from that."
)


class Freezable:
    """Base of small objects that become read-only once a project owns them.

    A silent change to such an object would never reach the tables; an error says so.
    """

    __slots__ = ("_is_frozen",)
    _advice = "Change a copy (`.copy()`) and build new labels from it."

    def freeze(self) -> None:
        """Refuse every later assignment."""
        object.__setattr__(self, "_is_frozen", True)

    @property
    def is_frozen(self) -> bool:
        """Whether a project owns this object."""
        return getattr(self, "_is_frozen", False)

    def _require_free(self) -> None:
        if self.is_frozen:
            message = (
                f"this {type(self).__name__} belongs to labels and was to be changed in place, "
                f"expected a free one. {self._advice}"
            )
            raise ReadOnlyError(message)

    def __setattr__(self, name: str, value: object) -> None:
        """Assign unless frozen."""
        # Asked here as well, for objects are made by the hundred.
        if getattr(self, "_is_frozen", False):
            self._require_free()
        object.__setattr__(self, name, value)


class FrozenList(list[T]):
    """A list that refuses to be changed in place; otherwise like any list.

    Copies and pickles are plain lists.

    Examples:
        >>> FrozenList([1, 2]) == [1, 2]
        True
    """

    __slots__ = ()
    _advice = _ADVICE

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        message = f"this list {self._advice}"
        raise ReadOnlyError(message)

    append = extend = insert = remove = clear = sort = reverse = pop = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain list."""
        return list, (list(self),)


class FreezableDict(dict[str, Any]):
    """A dict that can be made to refuse changes; otherwise like any dict.

    Examples:
        >>> values = FreezableDict(a=1)
        >>> values.freeze()
        >>> values == {"a": 1}, values.is_frozen
        (True, True)
    """

    __slots__ = ("_is_frozen",)

    @property
    def is_frozen(self) -> bool:
        """Whether a project owns this."""
        return getattr(self, "_is_frozen", False)

    def freeze(self) -> None:
        """Refuse every later change."""
        self._is_frozen = True

    def _require_free(self) -> None:
        if self.is_frozen:
            message = f"this dict {_ADVICE}"
            raise ReadOnlyError(message)

    def __setitem__(self, key: str, value: Any) -> None:
        """Set unless frozen."""
        self._require_free()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        """Delete unless frozen."""
        self._require_free()
        super().__delitem__(key)

    def __ior__(self, other: Any) -> FreezableDict:  # type: ignore[override, misc]  # as dict's
        """Update unless frozen."""
        self.update(other)
        return self

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Update unless frozen."""
        self._require_free()
        super().update(*args, **kwargs)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Set what is missing unless frozen."""
        self._require_free()
        return super().setdefault(key, default)

    def pop(self, *args: Any) -> Any:
        """Take out unless frozen."""
        self._require_free()
        return super().pop(*args)

    def popitem(self) -> tuple[str, Any]:
        """Take out unless frozen."""
        self._require_free()
        return super().popitem()

    def clear(self) -> None:
        """Empty unless frozen."""
        self._require_free()
        super().clear()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a free one."""
        return type(self), (dict(self),)
