"""Where the commands work: the store that the gateway would use, and a place to print."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from chat2response.cli import logs
from chat2response.cli.choices import CannotStart, Choices
from chat2response.cli.reading import read
from chat2response.errors import NotFound
from chat2response.keys import Actor, Audit, KeyBook
from chat2response.observe.redact import redact
from chat2response.settings import Settings, SettingsError
from chat2response.stores import Store, open_store
from chat2response.wire.json import encode


@dataclass(frozen=True, slots=True)
class Desk:
    """`as_json`: what it prints is for programs."""

    book: KeyBook
    actor: Actor
    as_json: bool

    def tell(self, document: Any, lines: Callable[[], str]) -> None:
        """Prints the document, or lines for people."""
        click.echo(encode(document).decode() if self.as_json else lines())


Work = Callable[..., Awaitable[None]]


def run(work: Work, choices: Choices, asked: Mapping[str, Any], *, as_json: bool, makes: bool) -> None:
    """Does one command's work; `makes`: a store that is not there yet is made.

    Raises SettingsError, CannotStart, BridgeError.
    """
    settings = read(choices.env_file)
    logs.set_up(settings)

    async def once() -> None:
        async with _store(settings, choices, makes=makes) as store:
            audit = Audit(store, keep_days=settings.chat2response_audit_days)
            book = KeyBook(store, settings.key_policy(), peppers=settings.peppers(), audit=audit)
            await work(Desk(book, Actor("shell", origin=_user()), as_json), **asked)

    asyncio.run(once())
    if makes and settings.unasked is not None:
        click.echo(
            f"chat2response: with these settings ({settings.unasked}) a gateway asks nobody for a key: "
            "what is issued here opens nothing there",
            err=True,
        )


@asynccontextmanager
async def _store(settings: Settings, choices: Choices, *, makes: bool) -> AsyncIterator[Store]:
    url = choices.keys_backend or settings.store_url
    said_by = "--keys-backend" if choices.keys_backend else settings.store_setting
    if url == "memory":
        raise SettingsError(
            f"{said_by}: keys in memory are inside a running gateway: use its /keys endpoints, "
            "or name another store."
        )
    try:
        store = open_store(url, redis_pool_max=settings.chat2response_redis_pool_max)
    except ValueError as error:
        raise SettingsError(f"{said_by}: {error}.") from None
    if not makes and _is_missing(url):
        raise CannotStart(f"there is no key store at {url}, as {said_by} has it: `keys generate` makes one.")
    try:
        yield store
    finally:
        await store.close()


def unknown(id: str) -> NotFound:
    """There is no such key."""
    return NotFound(f"There is no key {redact(id)[:100]}.", code="unknown_key", param="id")


def _is_missing(url: str) -> bool:
    scheme, _, path = url.partition(":")
    return scheme == "sqlite" and not Path(path).exists()


def _user() -> str:
    """Who runs the command, as the machine knows them."""
    try:
        return Path("~").expanduser().owner()
    except (KeyError, OSError, RuntimeError, NotImplementedError):
        return "unknown"
