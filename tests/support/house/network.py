"""The network is off in tests, loopback and Unix sockets excepted.

A refused connection is an `OSError`, so code under test meets what it would meet on a machine without a
network; because such code may well swallow it, every refusal is also kept, and fails the test that caused it
(`conftest.py`). A name that is not this machine's just fails to resolve: an unknown host is worth testing.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import uvloop

refused: list[str] = []
"""Addresses that were tried and refused since this list was last cleared."""


class NetworkIsOff(OSError):
    """A test reached for an address outside this machine."""


def check(host: Any, port: Any = "?") -> None:
    """Pass for this machine (loopback, unset, `localhost`); raise, as a socket would, for any other host."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
    if name in (None, "", "localhost", "localhost."):
        return
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        raise socket.gaierror(
            socket.EAI_NONAME, f"the network is off in tests: no look-up of {name}"
        ) from None
    if not address.is_loopback:
        refused.append(f"{name}:{port}")
        raise NetworkIsOff(f"the network is off in tests: refused to reach {name}:{port}")


def is_number(host: Any) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def switch_off() -> None:
    """Guard every way out of this process: Python's sockets, and the connections uvloop makes in C."""
    socket_type: Any = socket.socket
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket_type, name, _checking_address(getattr(socket_type, name)))
    socket.getaddrinfo = _checking_name(socket.getaddrinfo)
    loop: Any = uvloop.Loop
    loop.create_connection = _checking_peer(loop.create_connection)


def _checking_address(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(sock: socket.socket, *args: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            check(*args[-1][:2])  # the address comes last in all three
        return original(sock, *args)

    return guarded


def _checking_name(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_number(host):  # turning a number into an address asks nobody, and binding needs it
            check(host)
        return original(host, *args, **kwargs)

    return guarded


def _checking_peer(original: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(loop: Any, factory: Any, host: Any = None, port: Any = None, **kwargs: Any) -> Any:
        check(host, port)
        return await original(loop, factory, host, port, **kwargs)

    return guarded
