"""Request targets in absolute form (`POST http://host/path`): of clients that take us for a proxy."""

import re

_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_PORTS = {b"http": b":80", b"https": b":443"}


def origin_form(target: bytes, host: bytes | None) -> bytes | None:
    """Path and query of `target`; None where it names another host than the Host header, or is no HTTP URL.

    Two names for one request would be a choice for whoever reads the other one.
    """
    found = _ABSOLUTE(target)
    if found is None or host is None:
        return None
    scheme, authority, rest = found.groups()
    port = _PORTS[scheme.lower()]
    if authority.lower().removesuffix(port) != host.lower().removesuffix(port):
        return None
    return bytes(rest if rest.startswith(b"/") else b"/" + rest)
