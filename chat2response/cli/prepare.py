"""From the command line to a gateway that only has to be served: settings, listening sockets, services."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chat2response.api.admin_token import AdminToken
from chat2response.cli.choices import CannotStart, Choices
from chat2response.compose import Services, compose, ensure_admin_token
from chat2response.settings import Settings, SettingsError, listen_address, load
from chat2response.stores import shown_address

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything but the event loop."""

    services: Services
    listeners: list[socket.socket]
    admin_token: AdminToken | None
    """The one that the gateway made for itself, where it needs one."""
    store: str
    """The key store's address, without its password."""

    @property
    def url(self) -> str:
        """The address as it was bound; its port is the real one where 0 was asked for."""
        host, _ = self.services.settings.listen
        return f"http://{_in_url(host)}:{self.port}"

    @property
    def own_host(self) -> str:
        """The host under which this machine reaches it."""
        host, _ = self.services.settings.listen
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    @property
    def own_url(self) -> str:
        """The address at which this machine reaches it."""
        return f"http://{_in_url(self.own_host)}:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listeners[0].getsockname()[1])


def read_settings(choices: Choices, *, bind: str | None = None, **fixed: Any) -> Settings:
    """The settings under the command line's choices. Raises SettingsError.

    `bind`: the address where neither names one; `fixed`: what the command itself decides.
    """
    settings = load(env_file=choices.env_file)
    if bind is not None and "bind_addr" not in settings.model_fields_set:
        fixed["bind_addr"] = bind
    if choices.bind is not None:
        try:
            listen_address(choices.bind)
        except SettingsError as error:
            raise SettingsError(str(error).replace("BIND_ADDR", "--bind")) from None
        fixed["bind_addr"] = choices.bind
    settings = settings.model_copy(update=fixed)
    listen_address(settings.bind_addr)
    return settings


@contextmanager
def prepared(settings: Settings, choices: Choices) -> Iterator[Prepared]:
    """Takes the port, then makes the parts; gives the port back at the end.

    Raises CannotStart, AdminTokenError, SettingsError.
    """
    host, port = settings.listen
    listeners = _listen(host, port)
    try:
        token = ensure_admin_token(settings, host)
        store_url = choices.keys_backend or settings.store_url
        try:
            services = compose(settings, store_url=store_url, admin_token=token.value if token else None)
        except ValueError as error:
            said_by = "--keys-backend" if choices.keys_backend else settings.store_setting
            raise SettingsError(f"{said_by}: {error}.") from None
        yield Prepared(services, listeners, token, shown_address(store_url))
    finally:
        for listener in listeners:
            listener.close()


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address of `host`. Raises CannotStart."""
    listeners: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((each[0], each[4][:2]) for each in found):
            listeners.append(_listener(family, address))
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise CannotStart(f"cannot listen on {_in_url(host)}:{port}: {_reason(error)}") from None
    return listeners


def _listener(family: int, address: Any) -> socket.socket:
    return socket.create_server(address, family=family, backlog=_BACKLOG)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there. Stop it, or choose another address with --bind or BIND_ADDR."
    if error.errno == errno.EACCES:
        return "this user may not. Choose a port above 1023 with --bind or BIND_ADDR."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address. Choose one with --bind or BIND_ADDR."
    return f"{error.strerror or error}. Choose another address with --bind or BIND_ADDR."


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
