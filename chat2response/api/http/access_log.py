"""The access log: one line for each call, written when its response has ended.

    req_1 POST /v1/responses key=9f2c model=demo target=http://127.0.0.1:8000/v1/chat/completions status=200
    end=completed ms=1523 bytes=20411 losses=seed,tools[]

Two values in a line come from the client, each as one printable word: the model's name and the request id. No
line contains bodies, queries or credentials. Losses are names of known fields only.
"""

import logging
import re
from collections.abc import Iterable
from itertools import islice
from time import perf_counter, time

from chat2response.api.http.request import Request
from chat2response.observe.loss_fields import label_of

log = logging.getLogger("chat2response.access")

_PRINTABLE = re.compile(r"[!#-&(-\[\]-~]{1,100}")  # printable ASCII without spaces, quotes and the backslash
_MAX_SHOWN = 100  # characters of a value
_MAX_FIELDS = 10  # losses that are named; further ones are counted
_MIN_CREDENTIAL = 8  # characters of a credential to mask; a shorter one would match ordinary text
_CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"x-admin-token")


class AccessLog:
    """Writes the log lines of one endpoint. `target`: the upstream address that its calls go to."""

    def __init__(self, route: str, target: str = "-") -> None:
        self._route = route
        self._target = target

    def __call__(self, request: Request, started: float) -> None:
        """Logs a request that has ended. `started`: by `perf_counter`."""
        if log.isEnabledFor(logging.INFO):
            line = without_credentials(self._line(request, perf_counter() - started), request)
            now = time()
            handlers = logging.root.handlers
            if len(handlers) == 1 and not log.handlers and not _PARENT.handlers:
                write_line = getattr(handlers[0], "write_line", None)
                if write_line is not None:  # the server's own handler, and nobody else listens
                    write_line(now, "INFO", log.name, line)
                    return
            # As `log.info` makes it, but without a look-up of the caller and its file, which costs the most.
            record = logging.LogRecord.__new__(logging.LogRecord)
            vars(record).update(_BLANK, msg=line, created=now, msecs=now % 1 * 1000)
            log.callHandlers(record)

    def _line(self, request: Request, seconds: float) -> str:
        record = request.record
        model, end, losses = "-", "", "-"
        if record is not None:
            if (name := record.model) is not None:
                model = name if _PRINTABLE.fullmatch(name) else _printable(name)
            end = f" end={record.outcome}"
            if all_losses := tuple(record.losses):
                losses = _fields(all_losses)
        if request.error is not None:
            end = f"{end} error={_printable(request.error)}"
        return (
            f"{request.id} {request.scope['method']} {self._route} key={request.tenant or '-'} model={model} "
            f"target={self._target} status={request.status or '-'}{end} ms={seconds * 1000:.0f} "
            f"bytes={request.size} losses={losses}"
        )


_PARENT = logging.getLogger("chat2response")
_BLANK = vars(logging.LogRecord(log.name, logging.INFO, __file__, 0, "", None, None))


def without_credentials(line: str, request: Request) -> str:
    """Masks the request's own credentials, in case the client sent its key as model name or request id."""
    for name in _CREDENTIALS:
        value = request.headers.get(name)
        if value is not None:
            for credential in value.decode("latin-1").split():
                if len(credential) >= _MIN_CREDENTIAL and credential in line:
                    line = line.replace(credential, "[key]")
    return line


def _printable(value: str) -> str:
    """The value as one printable word, so that no client can forge a log line."""
    return value if _PRINTABLE.fullmatch(value) else ascii(value[:_MAX_SHOWN])


def _fields(losses: Iterable[str]) -> str:
    labels = list(dict.fromkeys(map(label_of, losses)))
    more = f",+{len(labels) - _MAX_FIELDS}" if len(labels) > _MAX_FIELDS else ""
    return ",".join(islice(labels, _MAX_FIELDS)) + more
