"""CORS: which web pages may call the data plane from a browser. The admin plane never allows any.

The headers of each origin are built once, at the start; a call costs one look-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chat2response.api.http.request import Request
from chat2response.wire.headers import HeaderList

ANY = "*"
# Response headers that a page may read beyond the standard ones. With credentials, * is no wildcard.
_EXPOSED = (
    b"x-request-id, x-upstream-request-id, x-chat2response-losses, retry-after, retry-after-ms, "
    b"x-should-retry, openai-processing-ms, www-authenticate"
)
_VARY = (b"vary", b"origin")


@dataclass(frozen=True, slots=True)
class CorsOptions:
    """The CORS policy. `*` in a list stands for everything."""

    origins: tuple[str, ...] = (ANY,)
    """`scheme://host[:port]`, in lower case."""
    methods: tuple[str, ...] = (ANY,)
    headers: tuple[str, ...] = (ANY,)
    credentials: bool = False
    """Whether a browser may send credentials (cookies, logins); never together with all origins."""
    max_age: int = 3600
    """Seconds for which a browser may cache the response to a preflight."""


class Cors:
    """Applies a CORS policy: the headers of responses, and the responses to preflights."""

    def __init__(self, options: CorsOptions) -> None:
        self._options = options
        exposed = _EXPOSED if options.credentials else b"*"
        allowed: HeaderList = [(b"access-control-expose-headers", exposed)]
        if options.credentials:
            allowed.append((b"access-control-allow-credentials", b"true"))
        self._any = [(b"access-control-allow-origin", b"*"), *allowed] if ANY in options.origins else None
        self._named: Mapping[bytes, HeaderList] = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), *allowed, _VARY]
            for origin in options.origins
        }
        # A cache must not reuse a response without CORS headers for another origin.
        self._others: HeaderList = [_VARY]

    def headers(self, origin: bytes | None) -> HeaderList:
        """The headers of a response to a request from `origin`; None: the request names no origin."""
        if self._any is not None:
            return [] if origin is None else self._any
        return self._others if origin is None else self._named.get(origin, self._others)

    def allows(self, origin: bytes) -> bool:
        """Whether pages of this origin may read responses."""
        return self._any is not None or origin in self._named

    async def preflight(self, request: Request, allowed: Sequence[str]) -> bool:
        """Answers a preflight; returns False if `request` is not one.

        `allowed`: the methods of the path. An origin that is not allowed gets no permission headers.
        """
        origin = request.headers.get(b"origin")
        if request.scope["method"] != "OPTIONS" or origin is None:
            return False
        if b"access-control-request-method" not in request.headers:
            return False
        headers = [*self.headers(origin)]
        if self.allows(origin):
            headers += self._permission(request, allowed)
        await request.send_no_content(headers)
        return True

    def _permission(self, request: Request, allowed: Sequence[str]) -> HeaderList:
        options = self._options
        methods = allowed if ANY in options.methods else [each for each in allowed if each in options.methods]
        # A literal * does not cover Authorization (Fetch standard), so the requested headers are repeated.
        requested = request.headers.get(b"access-control-request-headers", b"")
        headers = requested if ANY in options.headers else ", ".join(options.headers).encode("ascii")
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode("ascii")),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", b"%d" % options.max_age),
        ]
