"""The access log: one line for each call, when its answer has ended.

    req_1 POST /v1/responses key=9f2c model=demo target=http://127.0.0.1:8000/v1/chat/completions status=200
    end=completed ms=1523 bytes=20411 losses=seed,tools[]

What a client wrote is in it twice: the model's name and the request id, as one printable word each. Bodies,
queries and credentials are in none, and losses are the names of known fields only.
"""

import logging
import re
from collections.abc import Iterable
from itertools import islice
from time import perf_counter, time

from chat2response.api.http.request import Request
from chat2response.convert.losses import Loss
from chat2response.observe.loss_fields import label_of

log = logging.getLogger("chat2response.access")

_WORD = re.compile(r"[!#-&(-\[\]-~]{1,100}")  # printable ASCII without blanks, quotes and the backslash
_SHOWN = 100  # characters of a word
_FIELDS = 10  # losses that are named; more are counted
_LEAST = 8  # characters of a credential that is looked for; a shorter word would be found everywhere
_CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"x-admin-token")


class AccessLog:
    """Writes the access lines of one endpoint. `target`: the upstream address that its calls go to."""

    def __init__(self, route: str, target: str = "-") -> None:
        self._route = route
        self._target = target

    def __call__(self, request: Request, started: float) -> None:
        """Logs a request that has ended. `started`: by `perf_counter`."""
        if log.isEnabledFor(logging.INFO):
            log.handle(_record(without_credentials(self._line(request, perf_counter() - started), request)))

    def _line(self, request: Request, seconds: float) -> str:
        record = request.record
        model, end, losses = "-", "", ""
        if record is not None:
            model = _word(record.model)
            end = f" end={record.outcome}"
            losses = _fields(record.lost)
        if request.error is not None:
            end = f"{end} error={_word(request.error)}"
        return (
            f"{request.id} {request.scope['method']} {self._route} key={request.tenant or '-'} model={model} "
            f"target={self._target} status={request.status or '-'}{end} ms={seconds * 1000:.0f} "
            f"bytes={request.size} losses={losses or '-'}"
        )


_BLANK = vars(logging.LogRecord(log.name, logging.INFO, __file__, 0, "", None, None))


def _record(line: str) -> logging.LogRecord:
    """As `log.info` makes it, without a look at who calls and at a file's name: most of its cost."""
    now = time()
    record = logging.LogRecord.__new__(logging.LogRecord)
    vars(record).update(_BLANK, msg=line, created=now, msecs=now % 1 * 1000)
    return record


def without_credentials(line: str, request: Request) -> str:
    """The line, should a client have sent its own key as a model's name or as a request id."""
    for name in _CREDENTIALS:
        value = request.headers.get(name)
        if value is not None:
            for word in value.decode("latin-1").split():
                if len(word) >= _LEAST and word in line:
                    line = line.replace(word, "[key]")
    return line


def _word(value: str | None) -> str:
    """As one word, whatever it is: no line of the log can be made up in it."""
    if value is None:
        return "-"
    return value if _WORD.fullmatch(value) else ascii(value[:_SHOWN])


def _fields(losses: Iterable[Loss]) -> str:
    labels = list(dict.fromkeys(label_of(loss.field) for loss in losses))
    more = f",+{len(labels) - _FIELDS}" if len(labels) > _FIELDS else ""
    return ",".join(islice(labels, _FIELDS)) + more
