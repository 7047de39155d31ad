"""Request targets in absolute form (`POST http://host/path`), as clients send them to a proxy."""

import re

_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_PORTS = {b"http": b":80", b"https": b":443"}


def origin_form(target: bytes, host: bytes | None) -> bytes | None:
    """Path and query of `target`; None if it names another host than the Host header, or is no HTTP URL.

    A request with two hosts is ambiguous: a proxy in front could route it by the other one.
    """
    match = _ABSOLUTE(target)
    if match is None or host is None:
        return None
    scheme, authority, path = match.groups()
    port = _PORTS[scheme.lower()]
    if authority.lower().removesuffix(port) != host.lower().removesuffix(port):
        return None
    return bytes(path if path.startswith(b"/") else b"/" + path)
