"""The context of a `keys` command: its keys, in the store or behind a running gateway, and its output."""

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
from chat2response.keys import Actor, Audit, KeyRepository, KeyService
from chat2response.observe.redact import redact
from chat2response.server import logs
from chat2response.server.bootstrap import local_url
from chat2response.server.settings_reader import read
from chat2response.server.start_options import CannotStart, StartOptions
from chat2response.settings import Settings, SettingsError
from chat2response.stores import open_store, shown_address
from chat2response.wire.json import encode

Needs = Literal["keys", "store", "nothing"]
"""What a command needs: keys, in a store or a gateway; the store itself; or nothing."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Passed to each command. `as_json`: print JSON instead of text."""

    keys: KeyAdmin
    as_json: bool = False

    @property
    def service(self) -> KeyService:
        """The key service, for commands that need the store itself."""
        return self._stored.service

    @property
    def actor(self) -> Actor:
        """Who the audit log names for the changes."""
        return self._stored.actor

    def print(self, document: Any, lines: Callable[[], str]) -> None:
        """Prints the document as JSON, or as text for people."""
        click.echo(encode(document).decode() if self.as_json else lines())

    @property
    def _stored(self) -> StoredKeys:
        assert isinstance(self.keys, StoredKeys)
        return self.keys


Action = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """The address of the key store.

    `url`: as `open_store` takes it. `setting`: the setting or option that names it. `explicit`: an option
    does.
    """

    url: str
    setting: str
    explicit: bool

    @classmethod
    def of(cls, settings: Settings, options: StartOptions) -> "StoreLocation":
        """The store of a gateway with these settings and options."""
        if options.keys_backend is not None:
            return cls(options.keys_backend, "--keys-backend", True)
        return cls(settings.store_url, settings.store_setting, False)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite store, else None."""
        scheme, _, path = self.url.partition(":")
        return Path(path).absolute() if scheme == "sqlite" else None

    @property
    def exists(self) -> bool:
        """Whether this process can open the store without creating it."""
        return self.url != "memory" and (self.file is None or self.file.exists())


def run(
    action: Action,
    options: StartOptions,
    params: Mapping[str, Any],
    *,
    as_json: bool = False,
    quiet: bool = False,
    creates: bool = False,
    needs: Needs = "keys",
) -> None:
    """Runs one command. `creates`: it may create the store, and prints where the keys are.

    `quiet`: prints that only for a new store. Raises SettingsError, CannotStart, BridgeError.
    """
    settings = read(options.env_file)
    logs.set_up(settings)
    location = StoreLocation.of(settings, options)
    existed = location.exists

    async def execute() -> KeyAdmin:
        async with _open_keys(settings, location, creates=creates, needs=needs) as keys:
            await action(CommandContext(keys, as_json), **params)
            return keys

    keys = asyncio.run(execute())
    for warning in keys.warnings:
        _print_note(f"WARNING: {warning}")
    if creates and isinstance(keys, StoredKeys):
        if not (quiet and existed):
            _print_note(
                f"Keys are stored in {shown_address(location.url)}{'' if existed else ', a new store'}."
            )
        if settings.unmanaged_reason is not None:
            _print_note(
                f"WARNING: a gateway with this shell's settings ({settings.unmanaged_reason}) does not check "
                "keys, so the issued keys have no effect there."
            )


@asynccontextmanager
async def _open_keys(
    settings: Settings, location: StoreLocation, *, creates: bool, needs: Needs
) -> AsyncIterator[KeyAdmin]:
    """The keys in the store, or those of a running gateway if the store does not exist."""
    try:
        store = open_store(location.url, redis_pool_max=settings.chat2response_redis_pool_max)
    except ValueError as error:
        raise SettingsError(f"{location.setting}: {error}.") from None
    try:
        if not location.exists and needs != "nothing" and not (creates and _is_named(settings, location)):
            async with _gateway(settings, location) as gateway:
                if gateway is not None:
                    _check_needs(needs, gateway.url, gateway.store)
                    _print_note(f"Using the gateway at {gateway.url}{_store_note(gateway.store)}.")
                    yield gateway
                    return
            if not creates or location.url == "memory":
                raise _no_store(settings, location)
        audit = Audit(store, keep_days=settings.chat2response_audit_days)
        policy = key_policy(settings)
        service = KeyService(KeyRepository(store, audit=audit), policy, peppers=peppers(settings))
        yield StoredKeys(service, Actor("shell", origin=_user()), policy)
    finally:
        await store.close()


@asynccontextmanager
async def _gateway(settings: Settings, location: StoreLocation) -> AsyncIterator[Any]:
    """The running gateway, or None. An option that names a store file rules it out."""
    if location.explicit and location.url != "memory":
        yield None
        return
    from chat2response.cli.keys.remote import running_gateway  # imported late: it loads an HTTP client

    async with running_gateway(settings) as gateway:
        yield gateway


def _is_named(settings: Settings, location: StoreLocation) -> bool:
    """Whether an option or a setting names this store explicitly."""
    return location.url != "memory" and (
        location.explicit or "chat2response_sqlite_path" in settings.model_fields_set
    )


def _check_needs(needs: Needs, url: str, store: str | None) -> None:
    """Raises CannotStart if the command needs the store itself."""
    if needs != "store":
        return
    where = store if store not in (None, "memory") else "sqlite:<its file>"
    raise CannotStart(
        f"This command needs the store itself, but the gateway at {url} uses another one"
        f"{_store_note(store)}. Name that store with --keys-backend={where}."
    )


def _store_note(store: str | None) -> str:
    return "" if store is None else f", which stores its keys in {store}"


def _no_store(settings: Settings, location: StoreLocation) -> Exception:
    url = local_url(settings)
    no_gateway = f", and no gateway answers at {url}" if url is not None else ""
    if location.url == "memory":
        return SettingsError(
            f"{location.setting}: keys in memory exist only inside a gateway{no_gateway}. Name another store."
        )
    if location.explicit:
        return CannotStart(
            f"There is no key store at {shown_address(location.url)} ({location.setting}). "
            "`keys generate` creates one."
        )
    assert location.file is not None
    return CannotStart(
        f"There is no key store in the folder {location.file.parent} ({location.setting} is "
        f"{location.url.partition(':')[2]}){no_gateway}. Go to the gateway's folder, or name its store with "
        "--keys-backend. `keys generate` creates a new store."
    )


def _print_note(text: str) -> None:
    click.echo(f"chat2response: {text}", err=True)


def unknown_key(id: str) -> NotFound:
    """The error for a key that does not exist."""
    return NotFound(f"There is no key {redact(id)[:100]}.", code="unknown_key", param="id")


def _user() -> str:
    """The name of the user who runs the command, for the audit log."""
    try:
        return Path("~").expanduser().owner()
    except (KeyError, OSError, RuntimeError, NotImplementedError):
        return "unknown"
