"""`Endpoint`: wraps a handler as an ASGI endpoint; it turns errors into responses, and counts and logs."""

import logging
from time import perf_counter
from typing import Protocol

from chat2response.api.http.access_log import AccessLog
from chat2response.api.http.cors import Cors
from chat2response.api.http.request import ClientDisconnected, Receive, Request, Scope, Send
from chat2response.errors import BridgeError, InvalidRequest, UriTooLong, release_frames
from chat2response.observe.metrics import Metrics

log = logging.getLogger("chat2response.api")

MAX_QUERY = 8 * 1024  # bytes of a query: parsing runs in the event loop, before authentication
MAX_PARAMETERS = 100


class Handler(Protocol):
    """Answers `request`, or raises a BridgeError before anything is sent."""

    async def __call__(self, request: Request) -> None: ...


class Endpoint:
    """An ASGI callable around a handler. `route`: its label in metrics. `cors` None: web pages may not call
    it. `access` None: its requests are not logged."""

    def __init__(
        self,
        route: str,
        handler: Handler,
        metrics: Metrics,
        cors: Cors | None = None,
        access: AccessLog | None = None,
    ) -> None:
        self._route = route
        self._handler = handler
        self._metrics = metrics
        self._cors = cors
        self._plain_headers = [] if cors is None else cors.headers(None)
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = Request(scope, receive, send)
        if b"origin" not in request.headers:
            request.extra_headers = self._plain_headers
        elif self._cors is not None:
            request.extra_headers = self._cors.headers(request.headers[b"origin"])
        try:
            if scope["query_string"]:
                check_query(scope["query_string"])
            await self._handler(request)
        except BridgeError as error:
            if error.internal or error.status >= 500:
                log.warning(
                    "%s %s: %s (%s)", request.id, self._route, error.message, error.internal or error.label
                )
            if request.status:  # the head is sent: closing the connection is all that is left
                raise
            release_frames(error)
            await request.send_error(error)
        except ClientDisconnected as error:
            release_frames(error)
            request.status = 499
        except Exception as error:
            log.exception("%s %s", request.id, self._route)
            release_frames(error)
            message = "The gateway failed. Its log has the details under this request id."
            if request.status:
                raise BridgeError(message) from None
            await request.send_error(BridgeError(message))
        finally:
            seconds = perf_counter() - started
            if request.allocation is not None and request.allocation.size:
                request.allocation.release()
            if self._access is not None:
                self._access(request, seconds)
        self._metrics.request(self._route, request.status, seconds)


def check_query(query: bytes) -> None:
    """Checks the size of a query before it is parsed. Raises UriTooLong, InvalidRequest."""
    if len(query) > MAX_QUERY:
        raise UriTooLong(
            f"The query has {len(query)} bytes, the limit is {MAX_QUERY}. Send long values in the body."
        )
    if query.count(b"&") >= MAX_PARAMETERS:
        raise InvalidRequest(
            f"The query has more than {MAX_PARAMETERS} parameters. Remove those that this endpoint does "
            "not know.",
            code="too_many_parameters",
        )
