"""Who calls: the bearer is a key of ours (managed), or the upstream's own, which goes up unchanged."""

from dataclasses import dataclass, field

from chat2response.api.asgi import Request
from chat2response.errors import Unauthorized, Unavailable
from chat2response.keys.ring import KeyRing
from chat2response.observe.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Caller:
    """`tenant`: the key's id; None in passthrough, where nothing is kept for anybody."""

    tenant: str | None = None
    authorization: str | None = field(default=None, repr=False)


class Gate:
    """Stands before every endpoint that reaches an upstream. `keys` None: passthrough."""

    def __init__(self, keys: KeyRing | None, metrics: Metrics) -> None:
        self._keys = keys
        self._metrics = metrics

    async def admit(self, request: Request) -> Caller:
        """Lets the caller in. Raises Unauthorized (401), or Unavailable (503) where no key can be checked."""
        given = request.header(b"authorization")
        if self._keys is None:
            return Caller(authorization=given)
        try:
            key = await self._keys.verify(bearer(given))
        except Unauthorized:
            self._metrics.key_check("refused")
            raise
        except Unavailable:
            self._metrics.key_check("unavailable")
            raise
        self._metrics.key_check("ok")
        return Caller(tenant=key.id)


def bearer(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer` header; None where there is no such header.

    The scheme's case does not matter (RFC 9110, 11.1).
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
