"""Prepares a gateway for the command line: reads settings, opens listeners, composes the services."""

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from chat2response.api.http.client_address import address_of
from chat2response.compose import Services, compose, ensure_admin_token, ensure_seal_keys
from chat2response.compose.upstreams import proxies
from chat2response.server.listeners import open_listeners, port_of, url_host
from chat2response.server.settings_reader import read
from chat2response.server.start_options import CannotStart, StartOptions
from chat2response.settings import Settings, SettingsError, listen_address
from chat2response.state.sealing import parse_keys
from chat2response.state.secret_file import SecretFile
from chat2response.stores import MemoryStore, Store, shown_address

ADDRESS_OPTIONS = "--bind or BIND_ADDR"


@dataclass(frozen=True, slots=True)
class PreparedGateway:
    """A gateway that is ready to serve, before an event loop runs."""

    services: Services
    listeners: list[socket.socket]
    admin_listeners: list[socket.socket]
    """Empty if the admin plane shares the address of the other endpoints."""
    admin_token: SecretFile | None
    """The token that the gateway generated, if it needed one."""
    seal_keys: SecretFile | None
    """The keys that the gateway generated, if it needed some."""
    store: str
    """The key store's address, without its password."""

    @property
    def url(self) -> str:
        """The address as bound, with the real port even if 0 was requested."""
        return f"http://{url_host(self.services.settings.listen[0])}:{self.port}"

    @property
    def own_url(self) -> str:
        """The address at which this machine reaches the gateway."""
        return f"http://{url_host(_local_host(self.services.settings.listen[0]))}:{self.port}"

    @property
    def admin_url(self) -> str:
        """The address at which this machine reaches the admin plane."""
        return f"http://{url_host(self.admin_host)}:{port_of(self.admin_listeners or self.listeners)}"

    @property
    def admin_host(self) -> str:
        """The host of `admin_url`."""
        return _local_host(self.services.settings.admin_listen[0])

    @property
    def port(self) -> int:
        """The port that the gateway listens on."""
        return port_of(self.listeners)


def read_settings(options: StartOptions, *, bind: str | None = None, **fixed: Any) -> Settings:
    """The settings, overridden by the command line's options. Raises SettingsError.

    `bind`: the address if neither names one. `fixed`: settings that the command itself decides.
    """
    settings = read(options.env_file)
    if bind is not None and "bind_addr" not in settings.model_fields_set:
        fixed["bind_addr"] = bind
    if (address := _address_from(options, fixed.get("bind_addr", settings.bind_addr))) is not None:
        fixed["bind_addr"] = address
    if options.workers is not None:
        fixed["chat2response_workers"] = options.workers
    settings = settings.model_copy(update=fixed)
    listen_address(settings.bind_addr)
    proxies(settings)  # raises before anything is opened
    return settings


def _address_from(options: StartOptions, default: str) -> str | None:
    """The address that the command line names, None if it names none. Raises SettingsError.

    `default` supplies the host or the port that is missing.
    """
    host, port = options.host, options.port
    if options.bind is not None:
        if host is not None or port is not None:
            raise SettingsError("--bind sets host and port. Use either --bind, or --host and --port.")
        listen_address(options.bind, "--bind")
        return options.bind
    if host is None and port is None:
        return None
    if host is not None and not _is_host(host):
        raise SettingsError(
            f"--host takes a host without a port, such as 127.0.0.1, not {host!r}. Set the port with --port."
        )
    default_host, default_port = listen_address(default)
    host = default_host if host is None else host.strip("[]")
    return f"{url_host(host)}:{default_port if port is None else port}"


def _is_host(text: str) -> bool:
    """Whether `text` is a host name or an address, without a port."""
    return bool(text) and "/" not in text and (":" not in text or address_of(text.strip("[]")) is not None)


def check_workers(store: Store, count: int) -> None:
    """Raises CannotStart if `count` processes cannot serve together on this system, or with this store."""
    if count == 1:
        return
    if not hasattr(os, "fork"):
        raise CannotStart("--workers needs fork(), which this system lacks. Start several gateways instead.")
    if isinstance(store, MemoryStore):
        raise CannotStart(
            f"{count} workers cannot share keys in memory. "
            "Use SQLite (--keys-backend=sqlite:<path>), Redis, or one worker."
        )


@contextmanager
def prepare(
    settings: Settings, options: StartOptions, address_option: str = ADDRESS_OPTIONS
) -> Iterator[PreparedGateway]:
    """Opens the listeners, then composes the services; closes the listeners at the end.

    `address_option`: the option or setting that names the address, for error messages.

    Raises CannotStart, AdminTokenError, SealKeyError, SettingsError.
    """
    with (
        open_listeners(*settings.listen, address_option) as listeners,
        _admin_listening(settings) as admin_listeners,
    ):
        admin_token = ensure_admin_token(settings)
        seal_keys = ensure_seal_keys(settings)
        store_url = options.keys_backend or settings.store_url
        try:
            services = compose(
                settings,
                store_url=store_url,
                admin_token=admin_token.value if admin_token else None,
                seal_keys=parse_keys(seal_keys.value) if seal_keys else (),
            )
        except ValueError as error:
            source = "--keys-backend" if options.keys_backend else settings.store_setting
            raise SettingsError(f"{source}: {error}.") from None
        yield PreparedGateway(
            services, listeners, admin_listeners, admin_token, seal_keys, shown_address(store_url)
        )


def _admin_listening(settings: Settings) -> AbstractContextManager[list[socket.socket]]:
    if settings.chat2response_admin_bind_addr is None:
        return nullcontext([])
    return open_listeners(*settings.admin_listen, "CHAT2RESPONSE_ADMIN_BIND_ADDR")


def local_url(settings: Settings) -> str | None:
    """Where this machine reaches the admin plane of a gateway with these settings; None if the port is 0."""
    host, port = settings.admin_listen
    return f"http://{url_host(_local_host(host))}:{port}" if port else None


def _local_host(host: str) -> str:
    """The host at which this machine reaches a listener on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
