"""Listening sockets, and what an operator is told where there can be none."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from chat2response.server.start_options import CannotStart

_BACKLOG = 2048


@contextmanager
def listening(host: str, port: int, chosen_with: str) -> Iterator[list[socket.socket]]:
    """Sockets that listen at every address of `host`, closed at the end.

    `chosen_with`: what the operator chooses the address with. Raises CannotStart.
    """
    listeners: list[socket.socket] = []
    try:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in dict.fromkeys((each[0], each[4][:2]) for each in found):
                # Linux gives `::` both families, unless told otherwise; Python does tell it.
                both = address[0] == "::" and socket.has_dualstack_ipv6()
                listeners.append(
                    socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
                )
        except OSError as error:
            why = _reason(error, chosen_with)
            raise CannotStart(f"cannot listen on {in_url(host)}:{port}: {why}") from None
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def port_of(listeners: list[socket.socket]) -> int:
    """The real port, where 0 was asked for."""
    return int(listeners[0].getsockname()[1])


def in_url(host: str) -> str:
    """The host as URLs write it."""
    return f"[{host}]" if ":" in host else host


def _reason(error: OSError, chosen_with: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program listens there. Stop it, or choose another address with {chosen_with}."
    if error.errno == errno.EACCES:
        return f"this user may not. Choose a port above 1023 with {chosen_with}."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no such address. Choose one with {chosen_with}."
    return f"{error.strerror or error}. Choose another address with {chosen_with}."
