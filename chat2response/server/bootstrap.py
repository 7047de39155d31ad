"""From the command line to a gateway that only has to be served: settings, listening sockets, services."""

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from chat2response.api.http.client_address import address_of
from chat2response.compose import Services, compose, ensure_admin_token, ensure_seal_keys
from chat2response.server.listeners import in_url, listening, port_of
from chat2response.server.settings_reader import read
from chat2response.server.start_options import CannotStart, Choices
from chat2response.settings import Settings, SettingsError, listen_address
from chat2response.state.sealing import parse_keys
from chat2response.state.secret_file import SecretFile
from chat2response.stores import MemoryStore, Store, shown_address

BINDERS = "--bind or BIND_ADDR"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything but the event loop."""

    services: Services
    listeners: list[socket.socket]
    admin_listeners: list[socket.socket]
    """Empty where the admin plane answers at the same address as everything else."""
    admin_token: SecretFile | None
    """The one that the gateway made for itself, where it needs one."""
    seal_keys: SecretFile | None
    """Those that it made for itself, where it needs some."""
    store: str
    """The key store's address, without its password."""

    @property
    def url(self) -> str:
        """The address as it was bound; its port is the real one where 0 was asked for."""
        return f"http://{in_url(self.services.settings.listen[0])}:{self.port}"

    @property
    def own_url(self) -> str:
        """The address at which this machine reaches it."""
        return f"http://{in_url(_own(self.services.settings.listen[0]))}:{self.port}"

    @property
    def admin_url(self) -> str:
        """The address at which this machine reaches its admin plane."""
        return f"http://{in_url(self.admin_host)}:{port_of(self.admin_listeners or self.listeners)}"

    @property
    def admin_host(self) -> str:
        """The host of `admin_url`."""
        return _own(self.services.settings.admin_listen[0])

    @property
    def port(self) -> int:
        """Where it listens."""
        return port_of(self.listeners)


def read_settings(choices: Choices, *, bind: str | None = None, **fixed: Any) -> Settings:
    """The settings under the command line's choices. Raises SettingsError.

    `bind`: the address where neither names one; `fixed`: what the command itself decides.
    """
    settings = read(choices.env_file)
    if bind is not None and "bind_addr" not in settings.model_fields_set:
        fixed["bind_addr"] = bind
    if (address := _chosen_address(choices, fixed.get("bind_addr", settings.bind_addr))) is not None:
        fixed["bind_addr"] = address
    if choices.workers is not None:
        fixed["chat2response_workers"] = choices.workers
    settings = settings.model_copy(update=fixed)
    listen_address(settings.bind_addr)
    settings.proxies()  # said before anything is opened
    return settings


def _chosen_address(choices: Choices, otherwise: str) -> str | None:
    """Where to listen, as the command line has it; None: it does not say. Raises SettingsError."""
    host, port = choices.host, choices.port
    if choices.bind is not None:
        if host is not None or port is not None:
            raise SettingsError("--bind names host and port: give it, or --host and --port, not both.")
        listen_address(choices.bind, "--bind")
        return choices.bind
    if host is None and port is None:
        return None
    if host is not None and not _is_host(host):
        raise SettingsError(f"--host is a host alone, as 127.0.0.1, not {host!r}; --port names the port.")
    usual_host, usual_port = listen_address(otherwise)
    host = usual_host if host is None else host.strip("[]")
    return f"{in_url(host)}:{usual_port if port is None else port}"


def _is_host(text: str) -> bool:
    """A name or an address without a port."""
    return bool(text) and "/" not in text and (":" not in text or address_of(text.strip("[]")) is not None)


def check_workers(store: Store, count: int) -> None:
    """Raises CannotStart where so many processes cannot share what they must."""
    if count == 1:
        return
    if not hasattr(os, "fork"):
        raise CannotStart("--workers needs fork, which this system does not have; start several gateways")
    if isinstance(store, MemoryStore):
        raise CannotStart(
            f"keys in memory are one process's own, and {count} workers cannot share them: "
            "use SQLite (--keys-backend=sqlite:<path>) or Redis, or one worker"
        )


@contextmanager
def prepared(settings: Settings, choices: Choices, chosen_with: str = BINDERS) -> Iterator[Prepared]:
    """Takes the ports, then makes the parts; gives the ports back at the end.

    `chosen_with`: what the operator chooses the address with.

    Raises CannotStart, AdminTokenError, SealKeyError, SettingsError.
    """
    with (
        listening(*settings.listen, chosen_with) as listeners,
        _admin_listening(settings) as admin_listeners,
    ):
        token = ensure_admin_token(settings)
        seals = ensure_seal_keys(settings)
        store_url = choices.keys_backend or settings.store_url
        try:
            services = compose(
                settings,
                store_url=store_url,
                admin_token=token.value if token else None,
                seal_keys=parse_keys(seals.value) if seals else (),
            )
        except ValueError as error:
            said_by = "--keys-backend" if choices.keys_backend else settings.store_setting
            raise SettingsError(f"{said_by}: {error}.") from None
        yield Prepared(services, listeners, admin_listeners, token, seals, shown_address(store_url))


def _admin_listening(settings: Settings) -> AbstractContextManager[list[socket.socket]]:
    if settings.chat2response_admin_bind_addr is None:
        return nullcontext([])
    return listening(*settings.admin_listen, "CHAT2RESPONSE_ADMIN_BIND_ADDR")


def local_url(settings: Settings) -> str | None:
    """Where this machine reaches the admin plane of a gateway with these settings; None: at any port."""
    host, port = settings.admin_listen
    return f"http://{in_url(_own(host))}:{port}" if port else None


def _own(host: str) -> str:
    """The host under which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
