"""Ports for servers that must know theirs before they listen."""

import random
import socket

_PORTS = range(10_240, 22_000)
_CHANCE = random.SystemRandom()  # processes of one run must not draw the same


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens.

    It is below those that the kernel hands out, so nobody gets it by accident before its server listens, or
    while that is restarted; and so is the one 10,000 above it, which a cluster of Redis uses.
    """
    while True:
        port = _CHANCE.choice(_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
