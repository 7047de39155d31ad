"""`keys bulk` and `keys import`: many keys out of a file."""

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import click

from chat2response.cli.keys.context import Desk
from chat2response.cli.keys.files import Row, new_sheet, read_rows, wrong_row
from chat2response.errors import BridgeError, InvalidRequest
from chat2response.keys import UNSET, ApiKey
from chat2response.keys.grants import scope_warnings
from chat2response.keys.key_fields import NAMES, differing
from chat2response.keys.views import issued_document

_TAKEN = (*NAMES, "ttl_seconds", "expires_at")


async def bulk(desk: Desk, *, file: TextIO, output: str) -> None:
    """A key for each row; the tokens go into a file of their own, as they are made."""
    rows = await _checked(desk, file, ())
    with new_sheet(Path(output)) as put:

        async def make(row: dict[str, Any]) -> None:
            put(issued_document(await desk.book.generate(**_asked(row), by=desk.actor)))

        await _each(rows, make)
    desk.tell(
        {"generated": len(rows), "output": output}, lambda: f"made {len(rows)}, their tokens are in {output}"
    )


async def import_digests(desk: Desk, *, file: TextIO) -> None:
    """A record for each row that is not there yet; of the others, what the row says otherwise is told."""
    rows = await _checked(desk, file, ("id", "digest"))
    new = 0
    kept: dict[str, list[str]] = {}

    async def make(row: dict[str, Any]) -> None:
        nonlocal new
        key, made = await desk.book.import_digest(**_asked(row), by=desk.actor)
        new += made
        if not made and (names := _otherwise(row, key)):
            kept[key.id] = names

    await _each(rows, make)
    told = {"imported": new, "unchanged": len(rows) - new}
    differing = [{"id": id, "fields": names} for id, names in kept.items()]
    desk.tell({**told, "differing": differing}, lambda: "\n".join(_imported(told, kept)))


def _imported(told: Mapping[str, int], kept: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"imported {told['imported']}, there already {told['unchanged']}"
    for id, names in kept.items():
        yield f"{id} is kept as it was: the file says otherwise of {', '.join(names)} (see keys update)"


def _otherwise(row: Mapping[str, Any], key: ApiKey) -> list[str]:
    """A span of life counts from the import: of a key that is there, it says nothing."""
    names = differing({name: row[name] for name in NAMES if name in row}, key.document())
    return [*names, "expires_at"] if row.get("expires_at", key.expires_at) != key.expires_at else names


async def _checked(desk: Desk, file: TextIO, needed: tuple[str, ...]) -> list[Row]:
    """All rows, before the first is acted on. Raises InvalidRequest, which names the line."""
    rows = read_rows(file)
    for line, row in rows:
        try:
            for name in needed:
                if not isinstance(row.get(name), str):
                    raise InvalidRequest(f"'{name}' is missing")
            for name in row:
                if name not in (*_TAKEN, *needed):
                    raise InvalidRequest(f"'{name}' is no field: there are {', '.join((*needed, *_TAKEN))}")
            await desk.book.check(**_asked(row), by=desk.actor)
        except BridgeError as error:
            raise wrong_row(line, error) from None
    for line, row in rows:
        for doubt in scope_warnings(row.get("scopes") or ()):
            click.echo(f"chat2response: WARNING: line {line}: {doubt}", err=True)
    return rows


def _asked(row: dict[str, Any]) -> dict[str, Any]:
    return {"expires_at": UNSET, **row}


async def _each(rows: list[Row], make: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Acts on each row, and shows how far it is. Raises BridgeError, whose text names the line."""
    with click.progressbar(length=len(rows), label="Keys", file=sys.stderr) as bar:
        for line, row in rows:
            try:
                await make(row)
            except BridgeError as error:
                error.message = f"line {line}: {error.message} ({line - 1} lines before it are done)"
                raise
            bar.update(1)
