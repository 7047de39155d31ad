"""`chat2response audit export`."""

from pathlib import Path

import click

from chat2response.cli.keys.context import Desk
from chat2response.cli.keys.files import Sheet, new_sheet
from chat2response.keys.audit import MAX_PAGE_SIZE
from chat2response.wire.json import encode


async def export(desk: Desk, *, cursor: str | None, output: Path | None) -> None:
    """Every line after the cursor."""
    if output is None:
        count, cursor = await _copy(desk, cursor, lambda line: click.echo(encode(line).decode()))
    else:
        with new_sheet(output) as put:
            count, cursor = await _copy(desk, cursor, put)
    more = f"; go on with --cursor {cursor}" if cursor is not None else ""
    click.echo(f"{count} {'line' if count == 1 else 'lines'}{more}", err=True)


async def _copy(desk: Desk, cursor: str | None, put: Sheet) -> tuple[int, str | None]:
    count = 0
    while True:
        page = await desk.book.audit.read(cursor=cursor, limit=MAX_PAGE_SIZE)
        for line in page.lines:
            put(line)
        count, cursor = count + len(page.lines), page.cursor
        if not page.has_more:
            return count, cursor
