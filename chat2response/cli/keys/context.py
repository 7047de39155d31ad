"""Where the commands work: the store that a gateway would use, else one that runs; and a place to print."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from chat2response.cli.keys.key_admin import KeyAdmin, StoredKeys
from chat2response.compose.keys import key_policy, peppers
from chat2response.errors import NotFound
from chat2response.keys import Actor, Audit, KeyService
from chat2response.observe.redact import redact
from chat2response.server import logs
from chat2response.server.bootstrap import local_url
from chat2response.server.settings_reader import read
from chat2response.server.start_options import CannotStart, Choices
from chat2response.settings import Settings, SettingsError
from chat2response.stores import open_store, shown_address
from chat2response.wire.json import encode

Uses = Literal["keys", "store", "nothing"]
"""What a command works on: keys, wherever they are; the store itself; or neither."""


@dataclass(frozen=True, slots=True)
class Desk:
    """`as_json`: what it prints is for programs."""

    keys: KeyAdmin
    as_json: bool = False

    @property
    def book(self) -> KeyService:
        """The keys in the store, for a command that opens the store itself."""
        return self._stored.book

    @property
    def actor(self) -> Actor:
        """Who changes keys there."""
        return self._stored.actor

    def tell(self, document: Any, lines: Callable[[], str]) -> None:
        """Prints the document, or lines for people."""
        click.echo(encode(document).decode() if self.as_json else lines())

    @property
    def _stored(self) -> StoredKeys:
        assert isinstance(self.keys, StoredKeys)
        return self.keys


Work = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where keys are kept. `url`: as a store is opened; `setting`: what names it; `chosen`: by an option."""

    url: str
    setting: str
    chosen: bool

    @classmethod
    def of(cls, settings: Settings, choices: Choices) -> "Place":
        """The store that a gateway with these settings and choices would use."""
        if choices.keys_backend is not None:
            return cls(choices.keys_backend, "--keys-backend", True)
        return cls(settings.store_url, settings.store_setting, False)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite store."""
        scheme, _, path = self.url.partition(":")
        return Path(path).absolute() if scheme == "sqlite" else None

    @property
    def is_there(self) -> bool:
        """Whether it can be opened from here without making it."""
        return self.url != "memory" and (self.file is None or self.file.exists())


def run(
    work: Work,
    choices: Choices,
    asked: Mapping[str, Any],
    *,
    as_json: bool = False,
    quiet: bool = False,
    makes: bool = False,
    uses: Uses = "keys",
) -> None:
    """Does one command's work; `makes`: a store that is not there yet is made, and where keys are is told.

    `quiet`: that is told of a new store only. Raises SettingsError, CannotStart, BridgeError.
    """
    settings = read(choices.env_file)
    logs.set_up(settings)
    place = Place.of(settings, choices)
    was_there = place.is_there

    async def once() -> KeyAdmin:
        async with _keys(settings, place, makes=makes, uses=uses) as keys:
            await work(Desk(keys, as_json), **asked)
            return keys

    keys = asyncio.run(once())
    for warning in keys.warnings:
        _say(f"WARNING: {warning}")
    if makes and isinstance(keys, StoredKeys):
        if not (quiet and was_there):
            _say(f"kept in {shown_address(place.url)}{'' if was_there else ', a new store'}")
        if settings.unmanaged_reason is not None:
            _say(
                f"WARNING: with this shell's settings ({settings.unmanaged_reason}) a gateway asks nobody "
                "for a key: what is issued here opens nothing there"
            )


@asynccontextmanager
async def _keys(settings: Settings, place: Place, *, makes: bool, uses: Uses) -> AsyncIterator[KeyAdmin]:
    """The keys to work on: those in the store, or those of a running gateway where no store is there."""
    try:
        store = open_store(place.url, redis_pool_max=settings.chat2response_redis_pool_max)
    except ValueError as error:
        raise SettingsError(f"{place.setting}: {error}.") from None
    try:
        if not place.is_there and uses != "nothing" and not (makes and _is_named(settings, place)):
            async with _gateway(settings, place) as gateway:
                if gateway is not None:
                    _check_uses(uses, gateway.url, gateway.store)
                    _say(f"asked the gateway at {gateway.url}{_kept_in(gateway.store)}")
                    yield gateway
                    return
            if not makes or place.url == "memory":
                raise _no_store(settings, place)
        audit = Audit(store, keep_days=settings.chat2response_audit_days)
        policy = key_policy(settings)
        book = KeyService(store, policy, peppers=peppers(settings), audit=audit)
        yield StoredKeys(book, Actor("shell", origin=_user()), policy)
    finally:
        await store.close()


@asynccontextmanager
async def _gateway(settings: Settings, place: Place) -> AsyncIterator[Any]:
    """A running one; not where an option names a file: then that file is meant."""
    if place.chosen and place.url != "memory":
        yield None
        return
    from chat2response.cli.keys.remote import running_gateway  # only now: it takes an HTTP client

    async with running_gateway(settings) as gateway:
        yield gateway


def _is_named(settings: Settings, place: Place) -> bool:
    """Whether somebody has said that this store, and no other, is meant."""
    return place.url != "memory" and (
        place.chosen or "chat2response_sqlite_path" in settings.model_fields_set
    )


def _check_uses(uses: Uses, url: str, store: str | None) -> None:
    """Raises CannotStart where a gateway cannot do what is asked for."""
    if uses != "store":
        return
    where = store if store not in (None, "memory") else "sqlite:<its file>"
    raise CannotStart(
        f"this command works on the store itself, and the store of the gateway at {url} is another"
        f"{_kept_in(store)}: name it with --keys-backend={where}"
    )


def _kept_in(store: str | None) -> str:
    return "" if store is None else f", which keeps its keys in {store}"


def _no_store(settings: Settings, place: Place) -> Exception:
    url = local_url(settings)
    nobody = f", and no gateway answers at {url}" if url is not None else ""
    if place.url == "memory":
        return SettingsError(
            f"{place.setting}: keys in memory are inside a running gateway{nobody}. Name another store."
        )
    if place.chosen:
        return CannotStart(
            f"there is no key store at {shown_address(place.url)}, as {place.setting} has it: "
            "`keys generate` makes one."
        )
    assert place.file is not None
    return CannotStart(
        f"there is no key store in the folder {place.file.parent} ({place.setting} is "
        f"{place.url.partition(':')[2]}){nobody}. Go to the gateway's folder, or name its store with "
        "--keys-backend; `keys generate` makes a new one."
    )


def _say(text: str) -> None:
    click.echo(f"chat2response: {text}", err=True)


def unknown(id: str) -> NotFound:
    """There is no such key."""
    return NotFound(f"There is no key {redact(id)[:100]}.", code="unknown_key", param="id")


def _user() -> str:
    """Who runs the command, as the machine knows them."""
    try:
        return Path("~").expanduser().owner()
    except (KeyError, OSError, RuntimeError, NotImplementedError):
        return "unknown"
