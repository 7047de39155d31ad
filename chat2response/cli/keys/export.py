"""`chat2response audit export`: prints or writes the audit log."""

from pathlib import Path

import click

from chat2response.cli.keys.context import CommandContext
from chat2response.cli.keys.files import Sheet, new_sheet
from chat2response.keys.audit import MAX_PAGE_SIZE
from chat2response.wire.json import encode


async def export(context: CommandContext, *, cursor: str | None, output: Path | None) -> None:
    """Exports all audit lines after the cursor."""
    if output is None:
        count, cursor = await _copy(context, cursor, lambda line: click.echo(encode(line).decode()))
    else:
        with new_sheet(output) as write_row:
            count, cursor = await _copy(context, cursor, write_row)
    more = f"; continue with --cursor {cursor}" if cursor is not None else ""
    click.echo(f"{count} {'line' if count == 1 else 'lines'}{more}", err=True)


async def _copy(context: CommandContext, cursor: str | None, write_row: Sheet) -> tuple[int, str | None]:
    count = 0
    while True:
        page = await context.service.repository.audit.read(cursor=cursor, limit=MAX_PAGE_SIZE)
        for line in page.lines:
            write_row(line)
        count, cursor = count + len(page.lines), page.cursor
        if not page.has_more:
            return count, cursor
