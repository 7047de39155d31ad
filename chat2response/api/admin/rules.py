"""Who may use the admin plane: who has the admin token, and the addresses that need none (this machine).

Whoever gets in here can make keys, so what only looks like such an address does not count: a request that a
proxy passed on which nobody vouches for (its headers show it, or that it speaks HTTP/1.0), a page in the
operator's browser that calls another origin, or one whose name was rebound to 127.0.0.1 (its `Host` gives it
away). No framework: a decision over facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

from chat2response.api.bridge.authentication import bearer
from chat2response.api.http.client_address import (
    LOOPBACK,
    ClientAddress,
    Network,
    address_of,
    client_address,
    is_loopback,
    within,
)
from chat2response.api.http.proxy_headers import is_proxy_header
from chat2response.errors import BridgeError, Forbidden, Unauthorized, UnsupportedMedia

PATHS = ("/keys", "/metrics", "/usage", "/audit", "/reload")
"""The admin plane: these paths and whatever lies below them."""

_CLIENTS_SPEAK = ("1.1", "2", "2.0", "3", "3.0")
_PORTS = {"http": 80, "https": 443}
_HOW = "as 'Authorization: Bearer <token>' or 'x-admin-token: <token>'"


@dataclass(frozen=True, slots=True)
class AdminRules:
    """Options. With neither a token nor an allowed address nobody gets in."""

    token: str | None = field(default=None, repr=False)
    everywhere: bool = False
    """Whether the allowed addresses need the token too: so when the operator set one."""
    host: str = "127.0.0.1"
    """The host we listen on: a name under which a request without a token may address us."""
    allow: tuple[Network, ...] = LOOPBACK
    """From where no token is needed."""
    hosts: tuple[str, ...] = ()
    """Further names under which a request without a token may address us, in lower case."""
    trusted: tuple[Network, ...] = ()
    """Where the proxies are whose word for a client's address counts."""

    def needs_token(self, host: str) -> bool:
        """Whether requests from this host do; a name other than `localhost` counts as one that does."""
        address = address_of("127.0.0.1" if host.lower() == "localhost" else host)
        return self.everywhere or not within(address, self.allow)


@dataclass(frozen=True, slots=True)
class Visit:
    """What of a request decides. Header values as they came, in their order."""

    client: ClientAddress
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)
    local: str | None = None
    """The address of ours that it came to."""
    sites: tuple[str, ...] = ()
    """What a browser says of the page that calls (`Sec-Fetch-Site`), in lower case."""
    trace: str | None = None
    """The name of a header that something between sets, if there is one."""
    http_version: str = ""
    media_type: str | None = None
    """That of its body, in lower case and without parameters; None where it has no body."""

    @classmethod
    def of(cls, scope: Mapping[str, Any], trusted: tuple[Network, ...] = ()) -> "Visit":
        """The facts of an ASGI scope; `trusted`: where the operator's own proxies are."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])

        def values(name: bytes) -> tuple[str, ...]:
            return tuple(value.decode("latin-1") for key, value in headers if key == name)

        bearers = (bearer(value) for value in values(b"authorization"))
        server = scope.get("server")
        has_body = values(b"transfer-encoding") or any(each != "0" for each in values(b"content-length"))
        named = "".join(values(b"content-type")).partition(";")[0].strip().lower()
        return cls(
            client_address(scope, trusted),
            hosts=values(b"host"),
            origins=values(b"origin"),
            tokens=(*values(b"x-admin-token"), *(token for token in bearers if token is not None)),
            local=server[0] if server else None,
            sites=tuple(value.strip().lower() for value in values(b"sec-fetch-site")),
            trace=next((name.decode("latin-1") for name, _ in headers if is_proxy_header(name)), None),
            http_version=scope.get("http_version", ""),
            media_type=named if has_body else None,
        )


def guards(path: str) -> bool:
    """Whether `path` belongs to the admin plane."""
    return any(path == each or path.startswith(f"{each}/") for each in PATHS)


def first_word(path: str) -> str:
    """Of a path of the admin plane the part that names the grant."""
    return path.split("/")[1]


def check(rules: AdminRules, visit: Visit) -> None:
    """Lets the visit pass, or raises Unauthorized (a token would help), Forbidden or UnsupportedMedia."""
    if not all(_same_origin(origin, visit.hosts) for origin in visit.origins):
        raise _other_origin()
    # Without a preflight a browser names no origin; and a page of another port is of the same site.
    if not set(visit.sites) <= {"same-origin", "none"}:
        raise _other_origin()
    if not visit.client.trusted:
        raise _untrusted_proxy(visit.client.header)
    if not (rules.token is not None and any(_same(given, rules.token) for given in visit.tokens)):
        _check_without_token(rules, visit)
    # A web page of any origin can send other types without asking us first (CORS).
    if visit.media_type not in (None, "application/json"):
        raise UnsupportedMedia("Send a JSON body with the header 'Content-Type: application/json'.")


def _check_without_token(rules: AdminRules, visit: Visit) -> None:
    if rules.everywhere or not within(visit.client.address, rules.allow):
        raise _refusal(rules, visit)
    if visit.client.header is None:  # else a trusted proxy says whose request it is
        _check_direct(visit)
    if len(visit.hosts) != 1 or not _names_us(visit.hosts[0], rules, visit.local):
        raise Forbidden(
            "Without the admin token, address the admin plane as localhost or 127.0.0.1, or by a name of "
            "CHAT2RESPONSE_ADMIN_HOSTS: this request's Host is another name."
        )


def _check_direct(visit: Visit) -> None:
    """Raises Forbidden where something between passes on what it does not say whose it is."""
    if visit.trace is not None:
        raise _untrusted_proxy(visit.trace)
    if visit.http_version not in _CLIENTS_SPEAK:
        raise Forbidden(
            "Without the admin token, speak HTTP/1.1 to the admin plane: HTTP/1.0 is what a proxy speaks "
            "that does not say whose request it passes on. Send the token, or let the proxy add "
            "X-Forwarded-For, and name its address in CHAT2RESPONSE_TRUSTED_PROXIES.",
            code="untrusted_proxy",
        )


def _other_origin() -> Forbidden:
    return Forbidden("A web page of another origin may not use the admin plane.")


def _untrusted_proxy(header: str | None) -> Forbidden:
    return Forbidden(
        f"This request came through a proxy, says its header '{header}', and nobody here trusts that proxy: "
        "name its address in CHAT2RESPONSE_TRUSTED_PROXIES and let it add X-Forwarded-For, or go around it.",
        code="untrusted_proxy",
    )


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
    return Forbidden(
        "The admin plane answers only the addresses of CHAT2RESPONSE_ADMIN_ALLOW (by default the gateway's "
        "own machine), and this request is from none of them. To use it from elsewhere, start the gateway "
        f"with CHAT2RESPONSE_ADMIN_TOKEN set, and send that {_HOW}."
    )


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


def _names_us(host: str, rules: AdminRules, local: str | None) -> bool:
    """Whether a Host header names this machine, the address that was called, or a name the operator told."""
    split = _split(host, 0)
    if split is None:
        return False
    name, address = split[0], address_of(split[0])
    if is_loopback(name) or name in (rules.host.lower(), *rules.hosts):
        return True
    return address is not None and address in (address_of(rules.host), address_of(local or ""))


def _split(authority: str, port: int) -> tuple[str, int] | None:
    """Host in lower case without brackets, and its port or `port`; None for what is no authority."""
    try:
        parts = urlsplit(f"//{authority}")
        if not parts.hostname or parts.netloc != authority or "@" in authority:
            return None
        return parts.hostname, parts.port or port
    except ValueError:
        return None
