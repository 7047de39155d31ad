"""`keys bulk` and `keys import`: many keys from a file."""

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import click

from chat2response.cli.keys.context import CommandContext
from chat2response.cli.keys.files import Row, new_sheet, read_rows, wrong_row
from chat2response.errors import BridgeError, InvalidRequest
from chat2response.keys import UNSET, ApiKey
from chat2response.keys.grants import scope_warnings
from chat2response.keys.key_fields import NAMES, differing
from chat2response.keys.views import issued_document

_FIELDS = (*NAMES, "ttl_seconds", "expires_at")


async def bulk(context: CommandContext, *, file: TextIO, output: str) -> None:
    """Issues a key for each row, and writes each token to a new file at once."""
    rows = await _checked_rows(context, file, ())
    with new_sheet(Path(output)) as write_row:

        async def issue(row: dict[str, Any]) -> None:
            write_row(issued_document(await context.service.generate(**_arguments(row), by=context.actor)))

        await _for_each(rows, issue)
    context.print(
        {"generated": len(rows), "output": output}, lambda: f"issued {len(rows)} keys; tokens are in {output}"
    )


async def import_digests(context: CommandContext, *, file: TextIO) -> None:
    """Stores a record for each new row. For known keys, reports the fields in which the row differs."""
    rows = await _checked_rows(context, file, ("id", "digest"))
    new = 0
    conflicts: dict[str, list[str]] = {}

    async def import_row(row: dict[str, Any]) -> None:
        nonlocal new
        key, created = await context.service.import_digest(**_arguments(row), by=context.actor)
        new += created
        if not created and (names := _differing_fields(row, key)):
            conflicts[key.id] = names

    await _for_each(rows, import_row)
    counts = {"imported": new, "unchanged": len(rows) - new}
    differing = [{"id": id, "fields": names} for id, names in conflicts.items()]
    context.print({**counts, "differing": differing}, lambda: "\n".join(_import_lines(counts, conflicts)))


def _import_lines(counts: Mapping[str, int], conflicts: Mapping[str, list[str]]) -> Iterator[str]:
    yield f"imported {counts['imported']} keys; {counts['unchanged']} existed already"
    for id, names in conflicts.items():
        yield f"{id} is unchanged, but the file differs in {', '.join(names)} (use `keys update`)"


def _differing_fields(row: Mapping[str, Any], key: ApiKey) -> list[str]:
    """The fields in which a row differs from the stored key.

    A TTL counts from the import, so it is ignored.
    """
    names = differing({name: row[name] for name in NAMES if name in row}, key.document())
    return [*names, "expires_at"] if row.get("expires_at", key.expires_at) != key.expires_at else names


async def _checked_rows(context: CommandContext, file: TextIO, required: tuple[str, ...]) -> list[Row]:
    """Reads and validates all rows before any change. Raises InvalidRequest with the line's number."""
    rows = read_rows(file)
    for line, row in rows:
        try:
            for name in required:
                if not isinstance(row.get(name), str):
                    raise InvalidRequest(f"'{name}' is missing")
            for name in row:
                if name not in (*_FIELDS, *required):
                    raise InvalidRequest(
                        f"unknown field '{name}'; fields are {', '.join((*required, *_FIELDS))}"
                    )
            await context.service.check(**_arguments(row), by=context.actor)
        except BridgeError as error:
            raise wrong_row(line, error) from None
    for line, row in rows:
        for doubt in scope_warnings(row.get("scopes") or ()):
            click.echo(f"chat2response: WARNING: line {line}: {doubt}", err=True)
    return rows


def _arguments(row: dict[str, Any]) -> dict[str, Any]:
    return {"expires_at": UNSET, **row}


async def _for_each(rows: list[Row], act: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Calls `act` for each row and shows the progress. Raises BridgeError, whose message names the line."""
    with click.progressbar(length=len(rows), label="Keys", file=sys.stderr) as bar:
        for line, row in rows:
            try:
                await act(row)
            except BridgeError as error:
                error.message = f"line {line}: {error.message} (the {line - 1} lines before it are done)"
                raise
            bar.update(1)
