"""The log: plain lines on stderr, and no key in any of them."""

import logging
import sys
import time
from collections.abc import Iterable

from chat2response.compose.shown_settings import secrets
from chat2response.observe.redact import redact
from chat2response.observe.secrets import MIN_LENGTH, Secret
from chat2response.server.nonblocking_output import Outlet
from chat2response.settings import Settings

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# These tell of every start, stop and request; what matters of that is said elsewhere.
_QUIET = ("uvicorn", "httpx", "httpcore", "asyncio")


class Masks:
    """Takes `secrets`, and all key-shaped strings, out of a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        given = [each for each in secrets if each]
        self._short = tuple(each for each in given if len(each) < MIN_LENGTH)
        self._long = tuple(Secret(each, b"[secret]") for each in given if len(each) >= MIN_LENGTH)

    def __call__(self, text: str) -> str:
        """The text without them; half characters, which no file takes, as `\\ud800`. Never raises."""
        text = text.encode("utf-8", "backslashreplace").decode()
        for secret in self._long:
            text = secret.remove_text(text)
        for word in self._short:
            text = text.replace(word, "[secret]")
        return redact(text)


class Lines(logging.Formatter):
    """Formats a record, its traceback included. Nothing is masked yet: the outlet does that for many."""

    def __init__(self) -> None:
        super().__init__(_LINE)
        self._second, self._begins = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """As the formatter's own; a plain text is put together at once."""
        if record.args or record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        return f"{self.formatTime(record)} {record.levelname} {record.name}: {record.msg}"

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """As the formatter's own, which makes the same text anew for each line of a second."""
        second = int(record.created)
        if second != self._second:
            self._second, self._begins = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._begins},{int(record.msecs):03}"


class NeverBlocking(logging.Handler):
    """Writes to an outlet: a log that nobody reads stops nobody."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def handle(self, record: logging.LogRecord) -> bool:
        """Writes it at once: the outlet has a lock of its own, and nothing is filtered here."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._outlet.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


def set_up(settings: Settings, *made: str) -> None:
    """Once per process. What is secret in `settings` is never logged, nor what was `made` beside it."""
    least = logging.getLevelNamesMapping()[settings.log_level.upper()]
    handler = NeverBlocking(Outlet(lambda: sys.stderr, shown=Masks((*secrets(settings), *made))))
    handler.setFormatter(Lines())
    # No line of ours names a thread, a process or a task: looking them up is half of what a record costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["logAsyncioTasks"] = False  # of Python 3.12 and later
    logging.basicConfig(level=least, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
