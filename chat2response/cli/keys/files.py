"""Reads rows of keys from JSON lines or CSV with a header, and writes new files for tokens."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from chat2response.cli.keys.arguments import limits_of, number
from chat2response.errors import InvalidRequest
from chat2response.server.start_options import CannotStart
from chat2response.wire.json import JSONError, decode, encode

_COLUMNS = ("id", "token", "label", "owner", "created_at", "expires_at")  # of a CSV of tokens
_NUMBERS = ("ttl_seconds", "expires_at")

Row = tuple[int, dict[str, Any]]


class Sheet(Protocol):
    """Writes a document as a row, and flushes it to the operating system before it returns."""

    def __call__(self, document: dict[str, Any]) -> None: ...


def read_rows(file: TextIO) -> list[Row]:
    """All rows with their line numbers. Raises InvalidRequest with the line's number."""
    text = file.read().removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return list(_json_lines(text))
    return list(_csv(text))


def wrong_row(line: int, error: Exception) -> InvalidRequest:
    """The error for a row, with the line's number."""
    return InvalidRequest(f"line {line}: {error}")


def _json_lines(text: str) -> Iterator[Row]:
    for line, part in enumerate(text.splitlines(), 1):
        if not part.strip():
            continue
        try:
            row = decode(part)
        except JSONError as error:
            raise wrong_row(line, error) from None
        if not isinstance(row, dict):
            raise InvalidRequest(f"line {line}: each line must be a JSON object")
        yield line, row


def _csv(text: str) -> Iterator[Row]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        for cells in reader:
            if None in cells or None in cells.values():
                raise InvalidRequest(f"line {reader.line_num}: the row must have one value for each column")
            # An empty cell leaves the field unset.
            yield (
                reader.line_num,
                {
                    name.strip(): _value(name.strip(), cell.strip())
                    for name, cell in cells.items()
                    if cell.strip()
                },
            )
    except csv.Error as error:
        raise wrong_row(reader.line_num, error) from None


def _value(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        return number(cell)
    if name == "scopes":
        return cell.split()
    if name in ("limits", "metadata"):
        pairs = [(left, right) for left, _, right in (pair.partition("=") for pair in cell.split())]
        return limits_of(pairs) if name == "limits" else dict(pairs)
    return cell


@contextmanager
def new_sheet(path: Path) -> Iterator[Sheet]:
    """Creates a file that only its owner can read. Raises CannotStart, also if the file exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CannotStart(f"Cannot create {path}: {error.strerror}.") from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        as_csv = path.suffix.lower() == ".csv"
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        if as_csv:
            writer.writeheader()

        def write_row(document: dict[str, Any]) -> None:
            if as_csv:
                writer.writerow(document)
            else:
                file.write(encode(document).decode() + "\n")
            file.flush()

        yield write_row
        os.fsync(handle)
