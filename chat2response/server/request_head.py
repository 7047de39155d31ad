"""Checks the head of a request: what httptools lets pass, and a server behind a proxy must not.

A request that two servers may read in two ways is rejected.
"""

import re

from chat2response.server import error_answers
from chat2response.server.error_answers import RequestRejected
from chat2response.wire.headers import HeaderList

# A request target in absolute form (`POST http://host/path`), as clients send it to a proxy.
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_PORTS = {b"http": b":80", b"https": b":443"}


def check_head(version: str, target: bytes, headers: HeaderList) -> tuple[bytes, bool]:
    """Returns the target in origin form, and whether the client waits for a `100 Continue`.

    Raises RequestRejected.
    """
    seen = dict(headers)
    if version not in ("1.1", "1.0"):
        raise RequestRejected(error_answers.UNSUPPORTED_VERSION)
    if b"host" not in seen:
        if version == "1.1":
            raise RequestRejected(error_answers.INVALID_HOST)
    elif len(seen) != len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise RequestRejected(error_answers.INVALID_HOST)
    if b"transfer-encoding" in seen:
        codings = {value.strip().lower() for name, value in headers if name == b"transfer-encoding"}
        if version == "1.0" or codings != {b"chunked"}:
            raise RequestRejected(error_answers.UNSUPPORTED_TRANSFER_ENCODING)
    if target[:1] != b"/" and target != b"*":
        origin = _origin_form(target, seen.get(b"host"))
        if origin is None:
            raise RequestRejected(error_answers.INVALID_TARGET)
        target = origin
    return target, seen.get(b"expect", b"").lower() == b"100-continue"


def _origin_form(target: bytes, host: bytes | None) -> bytes | None:
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


def head_size(target: bytes, headers: HeaderList) -> int:
    """Bytes of a head in its shortest form."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: HeaderList) -> bytes:
    """The bytes of a head, without its upgrade headers."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join((*lines, b"", b""))
