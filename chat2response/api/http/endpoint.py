"""`Endpoint`: what every plain ASGI endpoint shares: errors become bodies, requests are counted."""

import logging
from time import perf_counter
from typing import Protocol

from chat2response.api.http.access_log import AccessLog
from chat2response.api.http.cors import Cors
from chat2response.api.http.request import ClientGone, Receive, Request, Scope, Send
from chat2response.errors import BridgeError, InvalidRequest, UriTooLong, release_frames
from chat2response.observe.metrics import Metrics

log = logging.getLogger("chat2response.api")

MAX_QUERY = 8 * 1024  # bytes of a query: parsing takes the event loop's time, and comes before any key
MAX_PARAMETERS = 100


class Handler(Protocol):
    """The endpoint's own work: answers `request`, or raises a BridgeError before anything was sent."""

    async def __call__(self, request: Request) -> None: ...


class Endpoint:
    """An ASGI callable around a handler. `route` is its label in metrics; `cors` None: no web page calls;
    `access` None: its requests are not in the access log."""

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
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = Request(scope, receive, send)
        if self._cors is not None:
            request.added = self._cors.headers(request.headers.get(b"origin"))
        try:
            if scope["query_string"]:
                check_query(scope["query_string"])
            await self._handler(request)
        except BridgeError as error:
            if error.internal or error.status >= 500:
                log.warning(
                    "%s %s: %s (%s)", request.id, self._route, error.message, error.internal or error.label
                )
            if request.status:  # the head is out: all that can be said yet is the connection's end
                raise
            release_frames(error)
            await request.refuse(error)
        except ClientGone as error:
            release_frames(error)
            request.status = 499
        except Exception as error:
            log.exception("%s %s", request.id, self._route)
            release_frames(error)
            failed = "The gateway failed; the request id leads to its log."
            if request.status:
                raise BridgeError(failed) from None
            await request.refuse(BridgeError(failed))
        finally:
            if request.hold is not None:
                request.hold.release()
            if self._access is not None:
                self._access(request, started)
        self._metrics.request(self._route, request.status, perf_counter() - started)


def check_query(query: bytes) -> None:
    """Before anybody parses it. Raises UriTooLong, InvalidRequest."""
    if len(query) > MAX_QUERY:
        raise UriTooLong(
            f"The query has {len(query)} bytes; at most {MAX_QUERY} are taken: send what is long in the body."
        )
    if query.count(b"&") >= MAX_PARAMETERS:
        raise InvalidRequest(
            f"The query has more than {MAX_PARAMETERS} parameters: leave out those that this endpoint does "
            "not know.",
            code="too_many_parameters",
        )
