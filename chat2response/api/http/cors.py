"""CORS: which web pages may call the data plane from a browser. The admin plane has no part in it.

An answer's headers are made once, at start, or once per origin; a call pays one look-up for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chat2response.api.http.request import HeaderPairs, Request

ANY = "*"
# What of our answers a page may read beyond what it always may. With credentials * is no wildcard.
_EXPOSED = (
    b"x-request-id, x-upstream-request-id, x-chat2response-losses, retry-after, retry-after-ms, "
    b"x-should-retry, openai-processing-ms, www-authenticate"
)
_VARY = (b"vary", b"origin")


@dataclass(frozen=True, slots=True)
class CorsOptions:
    """`*` in a list stands for all there are."""

    origins: tuple[str, ...] = (ANY,)
    """`scheme://host[:port]`, in lower case."""
    methods: tuple[str, ...] = (ANY,)
    headers: tuple[str, ...] = (ANY,)
    credentials: bool = False
    """Whether a browser may send what it keeps for us (cookies, logins); never with all origins."""
    max_age: int = 3600
    """Seconds that a browser may remember the answer to a preflight."""


class Cors:
    """The headers that a policy gives to answers, and its answers to preflights."""

    def __init__(self, options: CorsOptions) -> None:
        self._options = options
        exposed = _EXPOSED if options.credentials else b"*"
        allowed: HeaderPairs = [(b"access-control-expose-headers", exposed)]
        if options.credentials:
            allowed.append((b"access-control-allow-credentials", b"true"))
        self._any = [(b"access-control-allow-origin", b"*"), *allowed] if ANY in options.origins else None
        self._named: Mapping[bytes, HeaderPairs] = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), *allowed, _VARY]
            for origin in options.origins
        }
        # An answer that has no header for one origin must not be kept for another.
        self._others: HeaderPairs = [_VARY]

    def headers(self, origin: bytes | None) -> HeaderPairs:
        """Those of an answer to a request from `origin`; None: it names none."""
        if self._any is not None:
            return [] if origin is None else self._any
        return self._others if origin is None else self._named.get(origin, self._others)

    def allows(self, origin: bytes) -> bool:
        """Whether pages of this origin may read answers."""
        return self._any is not None or origin in self._named

    async def preflight(self, request: Request, allowed: Sequence[str]) -> bool:
        """Answers a browser's question whether it may send a request; False where `request` is none.

        `allowed`: the methods of the path. An origin that may not is told nothing; a browser takes it as no.
        """
        origin = request.headers.get(b"origin")
        if request.scope["method"] != "OPTIONS" or origin is None:
            return False
        if b"access-control-request-method" not in request.headers:
            return False
        headers = [*self.headers(origin)]
        if self.allows(origin):
            headers += self._permission(request, allowed)
        await request.empty(headers)
        return True

    def _permission(self, request: Request, allowed: Sequence[str]) -> HeaderPairs:
        options = self._options
        methods = allowed if ANY in options.methods else [each for each in allowed if each in options.methods]
        # A literal * would not cover Authorization (Fetch standard): what is asked for is repeated instead.
        asked = request.headers.get(b"access-control-request-headers", b"")
        headers = asked if ANY in options.headers else ", ".join(options.headers).encode("ascii")
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode("ascii")),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", b"%d" % options.max_age),
        ]
