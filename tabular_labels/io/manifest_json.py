"""Strict JSON for manifests: exact values out, checked values in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import polars as pl

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import FileFormatError, InvariantError, Violation
from tabular_labels.model import schema
from tabular_labels.model.checks import require
from tabular_labels.model.tables import Attachments, Catalog

__all__ = [
    "catalog_from_json",
    "catalog_to_json",
    "dump",
    "entry",
    "parse",
    "refuse",
    "require_rules",
]

T = TypeVar("T")

REMEDY = (
    "Open an earlier version with version=, restore the project from a copy, "
    "or delete this file if its writing was interrupted."
)
_FLOAT, _OBJECT = "$float", "$object"


def refuse(path: PathLike, place: str, found: str, expected: str) -> NoReturn:
    """Raise the error for a file of a project that does not hold what it should."""
    raise FileFormatError(str(path), place=place, found=found, expected=expected, remedy=REMEDY)


def require_rules(violations: Sequence[Violation], path: PathLike) -> None:
    """Raise `InvariantError` with the path when there are violations."""
    try:
        require(violations)
    except InvariantError as error:
        error.add_note(f"in {path}")
        raise


def dump(document: Json, path: PathLike) -> bytes:
    """Render JSON with one line per top-level key; non-finite floats survive as tagged objects.

    Args:
        document: What to render.
        path: Where it will stand, for messages.

    Raises:
        FileFormatError: A value is none JSON knows.

    Examples:
        >>> parse(dump({"a": [1.5, float("inf")], "b": 2**70}, "x.json"), "x.json")
        {'a': [1.5, inf], 'b': 1180591620717411303424}
    """
    try:
        lines = [f"{json.dumps(key)}: {_line(value)}" for key, value in document.items()]
    except (TypeError, ValueError, RecursionError) as error:
        raise FileFormatError(
            str(path),
            place="provenance or attachments",
            found=f"a value that JSON cannot hold ({error})",
            expected="texts, numbers, booleans, null, lists and objects of them",
            remedy="Convert the value in the provenance, then write again.",
        ) from error
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def _line(value: object) -> str:
    return json.dumps(_strict(value), allow_nan=False, separators=(",", ":"))


def _strict(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(float(value))}
    if isinstance(value, Mapping):
        if len(value) == 1 and not value.keys().isdisjoint((_FLOAT, _OBJECT)):
            return {_OBJECT: [[key, _strict(item)] for key, item in value.items()]}
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return value


def parse(data: bytes, path: PathLike) -> Json:
    """Parse what `dump` rendered.

    Raises:
        FileFormatError: It is no strict JSON object.
    """
    try:
        document = json.loads(data, object_hook=_untag, parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError) as error:
        refuse(path, "the file", f"no valid JSON ({error})", "one JSON object")
    if not isinstance(document, dict):
        refuse(path, "the file", type(document).__name__, "one JSON object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def _untag(item: Json) -> object:
    if len(item) != 1:
        return item
    if _FLOAT in item and item[_FLOAT] in ("nan", "inf", "-inf"):
        return float(item[_FLOAT])
    if _OBJECT in item:
        return dict(item[_OBJECT])
    return item


def entry(data: Json, key: str, kind: type[T], path: PathLike, place: str = "") -> T:
    """Return one member of a JSON object, checked.

    Args:
        data: The object.
        key: The member's name.
        kind: Its type; whole numbers must not be negative.
        path: The file, for messages.
        place: Where in the file the object stands, for messages.

    Raises:
        FileFormatError: The member is missing, of another type, or negative.

    Examples:
        >>> entry({"rows": 3}, "rows", int, "00000001.json")
        3
    """
    where = f"{place}.{key}" if place else key
    if not isinstance(data, dict) or key not in data:
        refuse(path, where, "nothing", kind.__name__)
    value = data[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        refuse(path, where, f"{type(value).__name__} {str(value)[:60]!r}", kind.__name__)
    if isinstance(value, int) and not 0 <= value < 2**63:
        refuse(path, where, str(value)[:60], "a number from 0 to 2**63 - 1")
    return value


def catalog_to_json(catalog: Catalog) -> Json:
    """Render the small tables as columns, and the facts beside them."""
    tables = {name: table.to_dict(as_series=False) for name, table in catalog.tables().items()}
    attachments = catalog.attachments
    return {
        "project_id": catalog.project_id,
        "provenance": catalog.provenance,
        **tables,
        "attachments": {
            "counts": dict(attachments.counts),
            "metadata": attachments.metadata,
            "numbering": attachments.numbering,
        },
    }


def catalog_from_json(data: Json, path: PathLike, image: Path | None) -> Catalog:
    """Rebuild the catalog.

    Args:
        data: From `catalog_to_json`.
        path: The manifest, for messages.
        image: The project's file of attachments, if it has one.

    Raises:
        FileFormatError: A table does not fit its schema.
    """
    tables = {each.name: _table(data, each, path) for each in schema.CATALOG}
    carried = entry(data, "attachments", dict, path, "catalog")
    return Catalog(
        **tables,
        provenance=entry(data, "provenance", dict, path, "catalog"),
        project_id=entry(data, "project_id", str, path, "catalog"),
        attachments=Attachments(
            counts=_counts(carried, path),
            path=None if image is None else str(image),
            metadata=entry(carried, "metadata", dict, path, "catalog.attachments"),
            numbering=entry(carried, "numbering", str, path, "catalog.attachments"),
        ),
    )


def _table(data: Json, table: schema.TableSchema, path: PathLike) -> pl.DataFrame:
    columns = entry(data, table.name, dict, path, "catalog")
    if columns.keys() != table.columns.keys():
        refuse(path, f"catalog.{table.name}", f"columns {list(columns)}", f"{list(table.columns)}")
    try:
        return pl.DataFrame(
            [
                _column(name, columns[name], dtype, nullable=name in table.nullable)
                for name, dtype in table.columns.items()
            ]
        )
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        found = f"values that do not fit ({str(error).splitlines()[0][:200]})"
        refuse(path, f"catalog.{table.name}", found, str(dict(table.columns)))


def _column(
    name: str,
    values: object,
    dtype: pl.DataType | type[pl.DataType],
    *,
    nullable: bool,
) -> pl.Series:
    if not isinstance(values, list):
        message = f"{name} is no list"
        raise TypeError(message)
    kind: type | tuple[type, ...] = (
        (int, float) if dtype.is_float() else int if dtype.is_integer() else str
    )
    _require_kind(name, values, kind, nullable=nullable)
    if dtype.is_float():
        values = [None if value is None else float(value) for value in values]
    return pl.Series(name, values, dtype=dtype)


def _require_kind(
    name: str, values: Iterable[object], kind: type | tuple[type, ...], *, nullable: bool
) -> None:
    for value in values:
        if value is None and nullable:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            message = f"{name} holds {str(value)[:40]!r}"
            raise TypeError(message)


def _counts(carried: Json, path: PathLike) -> dict[str, int]:
    counts = entry(carried, "counts", dict, path, "catalog.attachments")
    return {name: entry(counts, name, int, path, "catalog.attachments.counts") for name in counts}
