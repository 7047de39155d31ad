"""The rules of the admin plane: it admits requests with the admin token, or from allowed addresses.

Whoever uses the admin plane can create keys, so requests that only seem to come from an allowed address are
rejected: one that an untrusted proxy forwarded (recognized by its headers or HTTP/1.0), one from a web page
of another origin in the operator's browser, and one whose host name was rebound to 127.0.0.1 (recognized by
its `Host`). The rules are pure functions of the request's facts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Literal
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
from chat2response.wire.headers import HeaderList

PATHS = ("/keys", "/metrics", "/usage", "/audit", "/reload")
"""The paths of the admin plane, with all paths below them."""

_CLIENT_VERSIONS = ("1.1", "2", "2.0", "3", "3.0")
_PORTS = {"http": 80, "https": 443}
_HOW = "as 'Authorization: Bearer <token>' or 'x-admin-token: <token>'"


@dataclass(frozen=True, slots=True)
class AdminRules:
    """The options. Without a token and without allowed addresses every request is rejected."""

    token: str | None = field(default=None, repr=False)
    always_require_token: bool = False
    """Whether allowed addresses need the token too, as they do if the operator has set one."""
    host: str = "127.0.0.1"
    """The host that the gateway listens on; accepted as `Host` of a request without a token."""
    allow: tuple[Network, ...] = LOOPBACK
    """Networks that need no token."""
    hosts: tuple[str, ...] = ()
    """Further names that are accepted as `Host` of a request without a token, in lower case."""
    trusted: tuple[Network, ...] = ()
    """The networks of trusted proxies."""

    def needs_token(self, host: str) -> bool:
        """Whether requests from this host need the token. A name other than `localhost` needs it."""
        address = address_of("127.0.0.1" if host.lower() == "localhost" else host)
        return self.always_require_token or not within(address, self.allow)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The facts of a request that the rules check. Header values are unchanged, in their order."""

    client: ClientAddress
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)
    local: str | None = None
    """The gateway's address that the request reached."""
    sites: tuple[str, ...] = ()
    """The values of `Sec-Fetch-Site`, by which a browser describes the calling page, in lower case."""
    trace: str | None = None
    """The name of a header that a proxy adds, if there is one."""
    http_version: str = ""
    media_type: str | None = None
    """The media type of the body, in lower case and without parameters; None without a body."""

    @classmethod
    def of(cls, scope: Mapping[str, Any], trusted: tuple[Network, ...] = ()) -> "RequestFacts":
        """The facts of an ASGI scope. `trusted`: the networks of trusted proxies."""
        headers: HeaderList = list(scope["headers"])

        def values(name: bytes) -> tuple[str, ...]:
            return tuple(value.decode("latin-1") for key, value in headers if key == name)

        bearers = (bearer(value) for value in values(b"authorization"))
        server = scope.get("server")
        has_body = values(b"transfer-encoding") or any(each != "0" for each in values(b"content-length"))
        media_type = "".join(values(b"content-type")).partition(";")[0].strip().lower()
        return cls(
            client_address(scope, trusted),
            hosts=values(b"host"),
            origins=values(b"origin"),
            tokens=(*values(b"x-admin-token"), *(token for token in bearers if token is not None)),
            local=server[0] if server else None,
            sites=tuple(value.strip().lower() for value in values(b"sec-fetch-site")),
            trace=next((name.decode("latin-1") for name, _ in headers if is_proxy_header(name)), None),
            http_version=scope.get("http_version", ""),
            media_type=media_type if has_body else None,
        )


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request passes without a key."""

    by: Literal["token", "network"]
    """The admin token, or the client's address alone."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request does not pass without a key."""

    error: BridgeError
    """The answer to a request without a key: Unauthorized (the token would help), Forbidden or
    UnsupportedMedia."""
    error_with_key: BridgeError | None
    """The answer to a request with a key, whatever its grants. None: a key with the grant opens the route."""


Decision = Admitted | Refused


def guards(path: str) -> bool:
    """Whether `path` belongs to the admin plane."""
    return any(path == each or path.startswith(f"{each}/") for each in PATHS)


def grant_of(path: str) -> str:
    """The admin grant for a path of the admin plane: the path's first part."""
    return path.split("/")[1]


def decide(rules: AdminRules, facts: RequestFacts) -> Decision:
    """What the rules say of a request. Evaluates each rule at most once."""
    sender = _other_origin(facts) or _unknown_proxy(facts)
    if sender is not None:
        return Refused(sender, sender)
    media_type = _wrong_media_type(facts)
    has_token = rules.token is not None and any(_equal(token, rules.token) for token in facts.tokens)
    if not has_token and (no_token := _needs_credential(rules, facts)) is not None:
        return Refused(no_token, media_type)
    if media_type is not None:
        return Refused(media_type, media_type)
    return Admitted("token" if has_token else "network")


def _other_origin(facts: RequestFacts) -> Forbidden | None:
    # A browser does not send Origin with every request, and `same-site` includes pages of other ports.
    same_site = set(facts.sites) <= {"same-origin", "none"}
    if same_site and all(_same_origin(origin, facts.hosts) for origin in facts.origins):
        return None
    return Forbidden("A web page of another origin may not use the admin plane.")


def _unknown_proxy(facts: RequestFacts) -> Forbidden | None:
    return None if facts.client.trusted else _untrusted_proxy(facts.client.header)


def _wrong_media_type(facts: RequestFacts) -> UnsupportedMedia | None:
    # A web page of any origin can send other types without a preflight (CORS).
    if facts.media_type in (None, "application/json"):
        return None
    return UnsupportedMedia("Send a JSON body with the header 'Content-Type: application/json'.")


def _needs_credential(rules: AdminRules, facts: RequestFacts) -> BridgeError | None:
    """Why a request needs the admin token or a key; None if its address is enough."""
    if rules.always_require_token or not within(facts.client.address, rules.allow):
        return _refusal(rules, facts)
    # A trusted proxy names the client in a header.
    if facts.client.header is None and (forwarded := _forwarded(facts)) is not None:
        return forwarded
    if len(facts.hosts) != 1 or not _names_gateway(facts.hosts[0], rules, facts.local):
        return Forbidden(
            "The Host of this request is not accepted without the admin token. Use localhost, 127.0.0.1 or a "
            "name of CHAT2RESPONSE_ADMIN_HOSTS, or send the token."
        )
    return None


def _forwarded(facts: RequestFacts) -> Forbidden | None:
    """The error for a request that seems to come through a proxy that does not name its client."""
    if facts.trace is not None:
        return _untrusted_proxy(facts.trace)
    if facts.http_version not in _CLIENT_VERSIONS:
        return Forbidden(
            "Without the admin token, use HTTP/1.1: an HTTP/1.0 request may come from a proxy that does not "
            "name its client. Send the token, or let the proxy add X-Forwarded-For, and add the proxy's "
            "address to CHAT2RESPONSE_TRUSTED_PROXIES.",
            code="untrusted_proxy",
        )
    return None


def _untrusted_proxy(header: str | None) -> Forbidden:
    return Forbidden(
        f"The header '{header}' shows that this request came through a proxy that is not trusted. Add the "
        "proxy's address to CHAT2RESPONSE_TRUSTED_PROXIES and let it add X-Forwarded-For, or bypass it.",
        code="untrusted_proxy",
    )


def _refusal(rules: AdminRules, facts: RequestFacts) -> BridgeError:
    if rules.token is not None:
        where = (
            "the value of CHAT2RESPONSE_ADMIN_TOKEN"
            if rules.always_require_token
            else "printed at the first start, and stored in the file admin.token of the state folder"
        )
        return Unauthorized(
            f"{'Wrong' if facts.tokens else 'Missing'} admin token. Send it {_HOW}. The token is {where}.",
            code="invalid_admin_token" if facts.tokens else "missing_admin_token",
            headers={"www-authenticate": 'Bearer realm="chat2response admin"'},
        )
    return Forbidden(
        "The admin plane does not accept requests from this address, only from CHAT2RESPONSE_ADMIN_ALLOW (by "
        "default the gateway's own machine). To use it from elsewhere, set CHAT2RESPONSE_ADMIN_TOKEN, "
        f"restart the gateway, and send the token {_HOW}."
    )


def _equal(sent: str, token: str) -> bool:
    return compare_digest(sent.encode("latin-1"), token.encode())


def _same_origin(origin: str, hosts: tuple[str, ...]) -> bool:
    """Whether the authority of `origin` is the one that the request was sent to."""
    scheme, separator, authority = origin.partition("://")
    port = _PORTS.get(scheme.lower())
    if not separator or port is None or len(hosts) != 1:
        return False
    page = _split(authority, port)
    return page is not None and page == _split(hosts[0], port)


def _names_gateway(host: str, rules: AdminRules, local: str | None) -> bool:
    """Whether a Host header names this machine, the address that was called, or a configured name."""
    split = _split(host, 0)
    if split is None:
        return False
    name, address = split[0], address_of(split[0])
    if is_loopback(name) or name in (rules.host.lower(), *rules.hosts):
        return True
    return address is not None and address in (address_of(rules.host), address_of(local or ""))


def _split(authority: str, port: int) -> tuple[str, int] | None:
    """The host in lower case without brackets, and its port or `port`; None if this is not an authority."""
    try:
        parts = urlsplit(f"//{authority}")
        if not parts.hostname or parts.netloc != authority or "@" in authority:
            return None
        return parts.hostname, parts.port or port
    except ValueError:
        return None
