"""Objects that may be built up freely until a project owns them."""

from __future__ import annotations

from tabular_labels.errors import ReadOnlyError

__all__ = ["Freezable"]


class Freezable:
    """Base of small objects that become read-only once a project owns them.

    A silent change to such an object would never reach the tables; an error says so.
    """

    __slots__ = ("_is_frozen",)

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
                "expected a free one. Change a copy (`.copy()`) and build new labels from it."
            )
            raise ReadOnlyError(message)

    def __setattr__(self, name: str, value: object) -> None:
        """Assign unless frozen."""
        self._require_free()
        object.__setattr__(self, name, value)
