"""Formats keys as lines for people. Times are in UTC."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_COLUMNS = {
    "id": "ID",
    "label": "LABEL",
    "owner": "OWNER",
    "state": "STATE",
    "created_at": "CREATED",
    "expires_at": "EXPIRES",
    "last_used_at": "LAST USED",
    "requests": "REQUESTS",
    "scopes": "SCOPES",
}
_NEVER = {"expires_at": "never", "last_used_at": "-"}


def table(keys: Sequence[Mapping[str, Any]]) -> str:
    """A header and a row for each key."""
    rows = [list(_COLUMNS.values()), *([_cell(name, key.get(name)) for name in _COLUMNS] for key in keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def card(document: Mapping[str, Any]) -> str:
    """A line for each field that has a value."""
    return "\n".join(_card(document))


def format_time(epoch: int) -> str:
    """`2027-01-31 12:00:00Z`."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, OSError, ValueError):  # a record of another program may have any number
        return str(epoch)


def _card(document: Mapping[str, Any]) -> Iterator[str]:
    width = max(map(len, document))
    for name, value in document.items():
        if value is not None or name in _NEVER:
            yield f"{name:{width}}  {_cell(name, value)}"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return _NEVER.get(name, "")
    if name.endswith("_at"):
        return format_time(value)
    if isinstance(value, Mapping):
        return " ".join(f"{key}={each}" for key, each in value.items())
    text = " ".join(value) if isinstance(value, list) else str(value)
    return "".join(
        c if c.isprintable() else "?" for c in text
    )  # a label must not send control codes to the terminal
