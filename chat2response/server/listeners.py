"""Opens the listening sockets; explains to the operator why one cannot be opened."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from chat2response.server.start_options import CannotStart

_BACKLOG = 2048


@contextmanager
def open_listeners(host: str, port: int, address_option: str) -> Iterator[list[socket.socket]]:
    """Listens on every address of `host`; closes the sockets at the end.

    `address_option`: the option or setting that names the address, for error messages. Raises CannotStart.
    """
    listeners: list[socket.socket] = []
    try:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in dict.fromkeys((info[0], info[4][:2]) for info in infos):
                # On Linux a socket on `::` accepts both families by default, but Python turns that off.
                dualstack = address[0] == "::" and socket.has_dualstack_ipv6()
                listeners.append(
                    socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack)
                )
        except OSError as error:
            reason = _reason(error, address_option)
            raise CannotStart(f"Cannot listen on {url_host(host)}:{port}: {reason}") from None
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def port_of(listeners: list[socket.socket]) -> int:
    """The port that the first socket is bound to."""
    return int(listeners[0].getsockname()[1])


def url_host(host: str) -> str:
    """The host as written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _reason(error: OSError, address_option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program uses this address. Stop it, or choose another address with {address_option}."
    if error.errno == errno.EACCES:
        return f"this user may not use the port. Choose one above 1023 with {address_option}."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no such address. Choose one with {address_option}."
    return f"{error.strerror or error}. Choose another address with {address_option}."
