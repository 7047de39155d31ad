"""Who may use the admin plane (`/keys*`, `/metrics`): this machine, or who has the admin token.

Whoever gets in here can make keys, so what only looks like this machine does not count: a request that a
proxy passed on, a page in the operator's browser that calls another origin, or one whose name was rebound to
127.0.0.1 (its `Host` gives it away). No framework: a decision over facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from chat2response.api.credentials import bearer
from chat2response.errors import BridgeError, Forbidden, Unauthorized

_FORWARDED = {
    b"forwarded",
    b"via",
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-original-host",
    b"x-original-forwarded-for",
    b"x-envoy-external-address",
    b"true-client-ip",
    b"cf-connecting-ip",
    b"fly-client-ip",
}
_PORTS = {"http": 80, "https": 443}
_HOW = "as 'Authorization: Bearer <token>' or 'x-admin-token: <token>'"


@dataclass(frozen=True, slots=True)
class AdminRules:
    """Options. With neither a token nor a loopback peer nobody gets in."""

    token: str | None = field(default=None, repr=False)
    everywhere: bool = False
    """Whether this machine needs the token too: so when the operator set one."""
    host: str = "127.0.0.1"
    """The host we listen on: a name under which a request without a token may address us."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What of a request decides. Header values as they came, in their order."""

    peer: str | None
    """The address at the other end of the connection; None where there is none (a Unix socket)."""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)
    forwarded: str | None = None
    """The name of a header that only a proxy sets, if there is one."""

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Visit":
        """The facts of an ASGI scope."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])

        def values(name: bytes) -> tuple[str, ...]:
            return tuple(value.decode("latin-1") for key, value in headers if key == name)

        bearers = (bearer(value) for value in values(b"authorization"))
        client = scope.get("client")
        return cls(
            peer=client[0] if client else None,
            hosts=values(b"host"),
            origins=values(b"origin"),
            tokens=(*values(b"x-admin-token"), *(token for token in bearers if token is not None)),
            forwarded=next((name.decode("latin-1") for name, _ in headers if _by_proxy(name)), None),
        )


def check(rules: AdminRules, visit: Visit) -> None:
    """Lets the visit pass, or raises Unauthorized (a token would help) or Forbidden."""
    if any(not _same_origin(origin, visit.hosts) for origin in visit.origins):
        raise Forbidden("A web page of another origin may not use the admin plane.")
    if rules.token is not None and any(_same(given, rules.token) for given in visit.tokens):
        return
    if rules.everywhere or visit.forwarded is not None or not is_loopback(visit.peer):
        raise _refusal(rules, visit)
    if len(visit.hosts) != 1 or not _names_us(visit.hosts[0], rules.host):
        raise Forbidden(
            "Without the admin token, address the admin plane as localhost or 127.0.0.1: this request's Host "
            "is another name."
        )


def is_loopback(host: str | None) -> bool:
    """Whether this is an address of the machine itself, or `localhost`."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    address = _address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address is not None and address.is_loopback


def _refusal(rules: AdminRules, visit: Visit) -> BridgeError:
    if rules.token is not None:
        where = (
            "the value of CHAT2RESPONSE_ADMIN_TOKEN"
            if rules.everywhere
            else "printed at the first start, and kept in the file admin.token of the state folder"
        )
        return Unauthorized(
            f"{'Wrong' if visit.tokens else 'Missing'} admin token: send it {_HOW}. It is {where}.",
            code="invalid_admin_token" if visit.tokens else "missing_admin_token",
            headers={"www-authenticate": 'Bearer realm="chat2response admin"'},
        )
    why = f" (this one came through a proxy, says its header '{visit.forwarded}')" if visit.forwarded else ""
    return Forbidden(
        f"The admin plane answers only requests from the gateway's own machine{why}. To use it from "
        f"elsewhere, start the gateway with CHAT2RESPONSE_ADMIN_TOKEN set, and send that {_HOW}."
    )


def _by_proxy(name: bytes) -> bool:
    return name in _FORWARDED or name.startswith(b"x-forwarded")


def _same(given: str, token: str) -> bool:
    return compare_digest(given.encode("latin-1"), token.encode())


def _same_origin(origin: str, hosts: tuple[str, ...]) -> bool:
    """Whether a page of `origin` came from the very authority that it now calls."""
    scheme, separator, authority = origin.partition("://")
    port = _PORTS.get(scheme.lower())
    if not separator or port is None or len(hosts) != 1:
        return False
    page = _split(authority, port)
    return page is not None and page == _split(hosts[0], port)


def _names_us(host: str, bind: str) -> bool:
    """Whether a Host header names this machine, or the host that we listen on."""
    split = _split(host, 0)
    if split is None:
        return False
    name, address = split[0], _address(split[0])
    return is_loopback(name) or name == bind.lower() or (address is not None and address == _address(bind))


def _split(authority: str, port: int) -> tuple[str, int] | None:
    """Host in lower case without brackets, and its port or `port`; None for what is no authority."""
    try:
        parts = urlsplit(f"//{authority}")
        if not parts.hostname or parts.netloc != authority or "@" in authority:
            return None
        return parts.hostname, parts.port or port
    except ValueError:
        return None


def _address(host: str) -> Any:
    try:
        return ip_address(host)
    except ValueError:
        return None
