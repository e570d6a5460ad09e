"""A track: one animal through time."""

from __future__ import annotations

from tabular_labels.model.freezing import Freezable

__all__ = ["Track"]


class Track(Freezable):
    """One animal through time.

    Tracks compare and hash by identity, since two animals may share a name;
    `matches` compares their values.

    Args:
        spawned_on: Frame index where the track began.
        name: Its name. A name may also be given as the only positional argument.

    Examples:
        >>> Track(0, "female")
        Track(spawned_on=0, name='female')
        >>> Track("female").name
        'female'

    Source:
        ``sleap.instance.Track``.
    """

    __slots__ = ("name", "spawned_on")
    _advice = (
        "Use `labels.rename_tracks`, or change a copy (`.copy()`) and build new labels from it."
    )

    def __init__(self, spawned_on: int | str = 0, name: str = "") -> None:
        if isinstance(spawned_on, str) and name:
            message = f"found two names, {spawned_on!r} and {name!r}; expected one. Drop one."
            raise TypeError(message)
        only_name = isinstance(spawned_on, str)
        self.spawned_on = 0 if only_name else int(spawned_on)
        self.name = str(spawned_on if only_name else name)

    def matches(self, other: Track) -> bool:
        """Tell whether ``spawned_on`` and ``name`` are equal.

        Examples:
            >>> Track(0, "a").matches(Track(0, "a")), Track(0, "a") == Track(0, "a")
            (True, False)
        """
        return self.spawned_on == other.spawned_on and self.name == other.name

    def copy(self) -> Track:
        """Return a free copy."""
        return Track(self.spawned_on, self.name)

    def __repr__(self) -> str:
        """Show the constructor call."""
        return f"Track(spawned_on={self.spawned_on}, name={self.name!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the values and whether labels own it."""
        return _restore, (self.spawned_on, self.name, self.is_frozen)


def _restore(spawned_on: int, name: str, frozen: bool) -> Track:
    track = Track(spawned_on, name)
    if frozen:
        track.freeze()
    return track
