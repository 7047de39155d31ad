"""The access log: one line for each call, written when its response has ended.

    req_1 POST /v1/responses key=9f2c model=demo target=http://127.0.0.1:8000/v1/chat/completions status=200
    end=completed ms=1523 bytes=20411 losses=seed,tools[]

Two values in a line come from the client, each as one printable word: the model's name and the request id. No
line contains bodies, queries or credentials. Losses are names of known fields only.
"""

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from time import time

from chat2response.api.http.request import Request
from chat2response.observe.loss_fields import label_of

log = logging.getLogger("chat2response.access")

_PRINTABLE = re.compile(r"[!#-&(-\[\]-~]{1,100}")  # printable ASCII without spaces, quotes and the backslash
_MAX_SHOWN = 100  # characters of a value
_MAX_FIELDS = 10  # losses that are named; further ones are counted
_REQUEST_ID = b"x-request-id"
_MIN_CREDENTIAL = 8  # characters of a credential to mask; a shorter one would match ordinary text
_CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"x-admin-token")

_PARENT = logging.getLogger("chat2response")
_BLANK = vars(logging.LogRecord(log.name, logging.INFO, __file__, 0, "", None, None))


class AccessLog:
    """Writes the log lines of one endpoint. `target`: the upstream address that its calls go to."""

    def __init__(self, route: str, target: str = "-") -> None:
        self._route = route
        self._target = target

    def __call__(self, request: Request, seconds: float) -> None:
        """Logs a request that has ended, `seconds` after it began."""
        if not log.isEnabledFor(logging.INFO):
            return
        line = self._line(request, seconds)
        handlers = logging.root.handlers
        if len(handlers) == 1 and not log.handlers and not _PARENT.handlers:
            write_line = getattr(handlers[0], "write_line", None)
            if write_line is not None:  # the server's own handler, and nobody else listens
                write_line(time(), "INFO", "chat2response.access", line)
                return
        # As `log.info` makes it, but without a look-up of the caller and its file, which costs the most.
        record, now = logging.LogRecord.__new__(logging.LogRecord), time()
        vars(record).update(_BLANK, msg=line, created=now, msecs=now % 1 * 1000)
        log.callHandlers(record)

    def _line(self, request: Request, seconds: float) -> str:
        record, model, end, losses = request.record, "-", "", "-"
        if record is not None:
            if record.model is not None:
                model = _shown(record.model, request)
            end = f" end={record.outcome}"
            if record.losses:
                losses = _fields(record.losses)
        if request.error is not None:
            end = f"{end} error={_shown(request.error, request)}"
        id = request.id
        if _REQUEST_ID in request.headers:
            id = _without_credentials(id, request)
        return (
            f"{id} {request.scope['method']} {self._route} key={request.tenant or '-'} model={model} "
            f"target={self._target} status={request.status or '-'}{end} ms={round(seconds * 1000)} "
            f"bytes={request.size} losses={losses}"
        )


def _shown(value: str, request: Request) -> str:
    """A value of the client's as one printable word, without the key that it may have sent there."""
    return _printable(value if len(value) < _MIN_CREDENTIAL else _without_credentials(value, request))


def _without_credentials(value: str, request: Request) -> str:
    for name in _CREDENTIALS:
        header = request.headers.get(name)
        if header is not None:
            for credential in header.decode("latin-1").split():
                if len(credential) >= _MIN_CREDENTIAL:
                    value = value.replace(credential, "[key]")
    return value


@lru_cache(maxsize=256)
def _printable(value: str) -> str:
    """The value as one printable word, so that no client can forge a log line."""
    return value if _PRINTABLE.fullmatch(value) else ascii(value[:_MAX_SHOWN])


def _fields(losses: Iterable[str]) -> str:
    labels = list(dict.fromkeys(map(label_of, losses)))
    more = f",+{len(labels) - _MAX_FIELDS}" if len(labels) > _MAX_FIELDS else ""
    return ",".join(islice(labels, _MAX_FIELDS)) + more
