"""Every public name says what it is."""

import dataclasses
import inspect
from functools import cached_property
from typing import Any

import pytest

import tabular_labels

NAME = "tabular_labels"


def public_objects() -> list[tuple[str, Any]]:
    """List what the package exports and the public methods of its classes."""
    found: list[tuple[str, Any]] = []
    for name in tabular_labels.__all__:
        value = getattr(tabular_labels, name)
        if inspect.isclass(value):
            found += [(name, value), *public_methods(name, value)]
        elif inspect.isroutine(value) or inspect.ismodule(value):
            found.append((name, value))
    return found


def public_methods(name: str, value: type) -> list[tuple[str, Any]]:
    """List a class's methods and properties, also those inherited from classes of ours."""
    members = {
        key: member
        for base in reversed(value.__mro__)
        if base.__module__.partition(".")[0] == NAME
        for key, member in vars(base).items()
        if not key.startswith("_") and is_method(member)
    }
    return [(f"{name}.{key}", getattr(value, key)) for key in members]


def is_method(member: object) -> bool:
    kinds = (property, cached_property, classmethod, staticmethod)
    return inspect.isfunction(member) or isinstance(member, kinds)


def has_docstring(value: Any) -> bool:
    """Tell whether somebody wrote a docstring (dataclasses make one up)."""
    if not inspect.isclass(value):
        return bool(inspect.getdoc(value))
    text = value.__doc__ or ""
    is_made_up = dataclasses.is_dataclass(value) and text.startswith(f"{value.__name__}(")
    return bool(text.strip()) and not is_made_up


def test_all_is_sorted_and_names_what_exists() -> None:
    names = tabular_labels.__all__
    assert list(names) == sorted(set(names))
    assert [name for name in names if not hasattr(tabular_labels, name)] == []
    assert names


def test_every_public_name_has_a_docstring() -> None:
    assert [name for name, value in public_objects() if not has_docstring(value)] == []


class Silent:
    def spoken(self) -> None:
        """Say something."""

    def mute(self) -> None: ...

    @property
    def quiet(self) -> int:
        return 0


@dataclasses.dataclass
class MadeUp:
    x: int


@pytest.mark.parametrize("value", [Silent, Silent.mute, Silent.quiet, MadeUp])
def test_a_missing_docstring_is_found(value: Any) -> None:
    assert not has_docstring(value)
    assert has_docstring(Silent.spoken)
