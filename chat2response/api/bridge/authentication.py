"""Authentication: reads the client's key from its headers; one authenticator for each authentication mode.

The key is in `Authorization: Bearer`, in `x-api-key` (Anthropic's clients) or in `api-key` (Azure's).
"""

from collections.abc import Sequence
from typing import Protocol

from chat2response.api.http.client_address import Network, client_address
from chat2response.api.http.request import Request
from chat2response.errors import InvalidRequest, Unauthorized, Unavailable
from chat2response.keys.grants import grants_of
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.record import ApiKey
from chat2response.keys.tokens.token import parse
from chat2response.keys.verifier import KeyVerifier
from chat2response.observe.metrics import Metrics
from chat2response.wire.values import Struct

OPEN_TENANT = "open"
_KEY_HEADERS = (b"x-api-key", b"api-key")  # headers whose value is the key alone


class Caller(Struct):
    """An authenticated client. `tenant`: the key's id, or `open`; None in passthrough (nothing is stored)."""

    tenant: str | None = None
    key: ApiKey | None = None
    """The key, if this gateway issued it."""
    authorization: str | None = None
    """The `Authorization` to send upstream, if it is the client's."""

    def __repr__(self) -> str:
        return f"Caller({self.tenant!r})"  # without the client's credentials


class Authenticator(Protocol):
    """Authenticates the requests to every endpoint that reaches an upstream."""

    async def authenticate(self, request: Request, endpoint: str) -> Caller:
        """Returns the caller, if it may use the API `endpoint` (`chat`, `responses`, `models`).

        Raises Unauthorized (401), Forbidden (403), InvalidRequest (400), or Unavailable (503).
        """
        ...

    async def identify(self, request: Request) -> str | None:
        """The tenant of a valid key, for endpoints that need none; None without one. Never raises."""
        ...


class ManagedAuthenticator:
    """Accepts only keys that this gateway issued; they are never sent upstream."""

    def __init__(
        self,
        verifier: KeyVerifier,
        last_used: LastUsedTracker,
        metrics: Metrics,
        trusted: Sequence[Network] = (),
    ) -> None:
        """`trusted`: the networks of trusted proxies."""
        self._verifier = verifier
        self._last_used = last_used
        self._trusted = trusted
        self._metrics = metrics

    async def authenticate(self, request: Request, endpoint: str) -> Caller:
        """Raises Unavailable if the key cannot be checked (law 8, fail closed)."""
        try:
            key = await self._verifier.verify(token_of(request))
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
        self._metrics.key_checks["ok"] += 1
        self._last_used.note(key.id, requests=1)
        return Caller(key.id, key)

    async def identify(self, request: Request) -> str | None:
        """The key's id."""
        try:
            token = token_of(request)
            return None if token is None else (await self._verifier.verify(token)).id
        except (InvalidRequest, Unauthorized, Unavailable):
            return None

    def _address(self, request: Request) -> str | None:
        client = client_address(request.scope, self._trusted)
        return str(client.address) if client.trusted and client.address is not None else None


class PassthroughAuthenticator:
    """Checks nothing and leaves that to the upstream. A bearer is passed on unchanged, a key of another
    header as a bearer.

    A key that this gateway issued is rejected: it is invalid upstream. `Authorization` of another scheme is
    dropped: it is meant for a proxy in front of the gateway.
    """

    async def authenticate(self, request: Request, endpoint: str) -> Caller:
        """Raises InvalidRequest if two keys differ, Unauthorized for a key that this gateway issued."""
        token = token_of(request)
        header = request.header(b"authorization")
        if token is None:
            return Caller()
        if parse(token) is not None:
            raise Unauthorized(
                "This gateway issued the key, but it passes keys on to the upstream and does not check them. "
                "Send a key of the upstream, or set CHAT2RESPONSE_AUTH_MODE=managed to use gateway keys."
            )
        return Caller(authorization=header if bearer(header) == token else f"Bearer {token}")

    async def identify(self, request: Request) -> str | None:
        """None: only the upstream can tell which keys are valid."""
        return None


class OpenAuthenticator:
    """Accepts every request, as one tenant, and drops its credentials."""

    _caller = Caller(tenant=OPEN_TENANT)

    async def authenticate(self, request: Request, endpoint: str) -> Caller:
        """Returns the one caller. Never raises."""
        return self._caller

    async def identify(self, request: Request) -> str | None:
        """The one tenant."""
        return OPEN_TENANT


def token_of(request: Request) -> str | None:
    """The key in the request's headers; None without one.

    Raises InvalidRequest if the headers carry different keys.
    """
    headers = request.headers
    # `headers` has one value of a repeated header; then, and for the rarer headers, all of them are read.
    if (
        len(headers) == len(request.scope["headers"])
        and b"x-api-key" not in headers
        and b"api-key" not in headers
    ):
        authorization = headers.get(b"authorization", b"")
        if authorization.startswith(b"Bearer "):
            return authorization[len(b"Bearer ") :].decode("latin-1").strip()
        return bearer(request.header(b"authorization"))
    pairs = [
        (name, token)
        for name, value in request.scope["headers"]
        if (token := _token_in(name, value.decode("latin-1"))) is not None
    ]
    tokens = {token for _, token in pairs if token}
    if len(tokens) > 1:
        names = ", ".join(dict.fromkeys(name.decode("ascii") for name, token in pairs if token))
        raise InvalidRequest(
            f"The request has different keys in its headers ({names}). Send one key, in one header.",
            code="conflicting_credentials",
        )
    return tokens.pop() if tokens else ("" if pairs else None)


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None for another header or none.

    The case of the scheme does not matter (RFC 9110, 11.1).
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _token_in(name: bytes, value: str) -> str | None:
    """The key in a header; None for another header, and for an empty `x-api-key` or `api-key`."""
    if name == b"authorization":
        return bearer(value)
    return value.strip() or None if name in _KEY_HEADERS else None
