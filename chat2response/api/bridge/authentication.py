"""Who may pass: the client's credentials out of its headers, and the three gates that judge them.

A client's key comes as `Authorization: Bearer`, as `x-api-key` (Anthropic's clients) or `api-key` (Azure's).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chat2response.api.http.client_address import Network, sender
from chat2response.api.http.request import Request
from chat2response.errors import InvalidRequest, Unauthorized, Unavailable
from chat2response.keys.grants import grants_of
from chat2response.keys.record import ApiKey
from chat2response.keys.tokens.token import parse
from chat2response.keys.verifier import KeyVerifier
from chat2response.observe.metrics import Metrics

OPEN_TENANT = "open"
_PLAIN = (b"x-api-key", b"api-key")  # these carry the key and nothing else


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class Caller:
    """`tenant`: the key's id, or `open`; None in passthrough, where nothing is kept for anybody."""

    tenant: str | None = None
    key: ApiKey | None = field(default=None, repr=False)
    """The key, where it is one of ours."""
    authorization: str | None = field(default=None, repr=False)
    """What goes up as the client's own `Authorization`."""

    @property
    def payer(self) -> str | None:
        """Who answers for the room that bodies take: the key, or the bearer that stands for one; None where
        nobody is told apart."""
        return self.authorization if self.key is None else self.key.id


class Gate(Protocol):
    """Stands before every endpoint that reaches an upstream."""

    async def admit(self, request: Request, endpoint: str) -> Caller:
        """Lets the caller in to an API (`chat`, `responses`, `models`).

        Raises Unauthorized (401), Forbidden (403), InvalidRequest (400), or Unavailable (503).
        """
        ...

    async def knows(self, request: Request) -> str | None:
        """The tenant of a good key where none is needed; None without one. Never raises."""
        ...


class ManagedGate:
    """Only keys of ours open it, and they never go up."""

    def __init__(self, keys: KeyVerifier, metrics: Metrics, trusted: Sequence[Network] = ()) -> None:
        """`trusted`: where the operator's own proxies are."""
        self._keys = keys
        self._trusted = trusted
        self._metrics = metrics

    async def admit(self, request: Request, endpoint: str) -> Caller:
        """Raises Unavailable where no key can be checked (law 8)."""
        try:
            key = await self._keys.verify(token_of(request))
        except Unauthorized:
            self._metrics.key_check("refused")
            raise
        except Unavailable:
            self._metrics.key_check("unavailable")
            raise
        if key.scopes:
            grants = grants_of(key.scopes)
            grants.check_address(self._address(request))
            grants.check_endpoint(endpoint)
        self._metrics.key_check("ok")
        self._keys.last_used.note(key.id, requests=1)
        return Caller(key.id, key)

    async def knows(self, request: Request) -> str | None:
        """The key's id."""
        try:
            token = token_of(request)
            return None if token is None else (await self._keys.verify(token)).id
        except (InvalidRequest, Unauthorized, Unavailable):
            return None

    def _address(self, request: Request) -> str | None:
        client = sender(request.scope, self._trusted)
        return str(client.address) if client.vouched and client.address is not None else None


class PassthroughGate:
    """Checks nothing: the upstream does. A bearer goes up letter by letter, another header's key as a bearer;
    a key of ours, which opens nothing there, stays here.

    `Authorization` of another scheme stays here: it was meant for a proxy on the way, not for the upstream.
    """

    async def admit(self, request: Request, endpoint: str) -> Caller:
        """Raises InvalidRequest where two credentials differ, Unauthorized for a key of ours."""
        token = token_of(request)
        given = request.header(b"authorization")
        if token is None:
            return Caller()
        if parse(token) is not None:
            raise Unauthorized(
                "This key was issued here, but the gateway passes keys through to the upstream; "
                "CHAT2RESPONSE_AUTH_MODE=managed makes it ask for keys of its own."
            )
        return Caller(authorization=given if bearer(given) == token else f"Bearer {token}")

    async def knows(self, request: Request) -> str | None:
        """Nobody: only the upstream knows which keys are good."""
        return None


class OpenGate:
    """Lets everybody in, as one tenant, and drops what credentials they bring."""

    _caller = Caller(tenant=OPEN_TENANT)

    async def admit(self, request: Request, endpoint: str) -> Caller:
        """Never raises."""
        return self._caller

    async def knows(self, request: Request) -> str | None:
        """Everybody."""
        return OPEN_TENANT


def token_of(request: Request) -> str | None:
    """The one key that the request's headers carry; None where there is none.

    Raises InvalidRequest where they carry two that differ: which one counts would be a guess.
    """
    headers = request.headers
    # A header that came twice is once in `headers`; then, and for the rarer headers, all of them are read.
    if (
        len(headers) == len(request.scope["headers"])
        and b"x-api-key" not in headers
        and b"api-key" not in headers
    ):
        return bearer(request.header(b"authorization"))
    found = [
        (name, token)
        for name, value in request.scope["headers"]
        if (token := _carried(name, value.decode("latin-1"))) is not None
    ]
    tokens = {token for _, token in found if token}
    if len(tokens) > 1:
        names = ", ".join(dict.fromkeys(name.decode("ascii") for name, token in found if token))
        raise InvalidRequest(
            f"The request carries different keys ({names}); send one key, in one header.",
            code="conflicting_credentials",
        )
    return tokens.pop() if tokens else ("" if found else None)


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None where there is no such header.

    The scheme's case does not matter (RFC 9110, 11.1).
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _carried(name: bytes, value: str) -> str | None:
    """The key in one header; an empty `x-api-key` or `api-key` is none."""
    if name == b"authorization":
        return bearer(value)
    return value.strip() or None if name in _PLAIN else None
