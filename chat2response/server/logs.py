"""Logging: plain lines on stderr, with secrets masked."""

import logging
import sys
import time
from collections.abc import Iterable

from chat2response.compose.shown_settings import secrets
from chat2response.observe.redact import redact
from chat2response.observe.secrets import MIN_LENGTH, Secret
from chat2response.server.nonblocking_output import NonBlockingOutput
from chat2response.settings import Settings

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# These loggers report every start, stop and request, which the gateway's own lines already do.
_QUIET = ("uvicorn", "httpx", "httpcore", "asyncio")


class SecretMask:
    """Removes `secrets`, and all key-shaped strings, from a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = [secret for secret in secrets if secret]
        self._short = tuple(secret for secret in values if len(secret) < MIN_LENGTH)
        self._long = tuple(Secret(secret, b"[secret]") for secret in values if len(secret) >= MIN_LENGTH)

    def __call__(self, text: str) -> str:
        """The masked text; lone surrogates, which cannot be encoded, become `\\ud800`. Never raises."""
        text = text.encode("utf-8", "backslashreplace").decode()
        for secret in self._long:
            text = secret.remove_text(text)
        for value in self._short:
            text = text.replace(value, "[secret]")
        return redact(text)


class LineFormatter(logging.Formatter):
    """Formats a record and its traceback. The output masks secrets later, for many lines at once."""

    def __init__(self) -> None:
        super().__init__(_LINE)
        self._second, self._prefix = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """Formats plain messages directly, and all others with logging.Formatter."""
        if record.args or record.exc_info or record.exc_text or record.stack_info:
            return super().format(record)
        if int(record.created) != self._second:
            self.formatTime(record)
        return f"{self._prefix},{int(record.msecs):03} {record.levelname} {record.name}: {record.msg}"

    def line(self, created: float, level: str, name: str, message: str) -> str:
        """The line of a plain message, without a record for it."""
        second = int(created)
        if second != self._second:
            self._set_second(second)
        milliseconds = int(1000 * (created - second))
        return f"{self._prefix},{milliseconds:03} {level} {name}: {message}"

    def _set_second(self, second: int) -> None:
        self._second, self._prefix = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Like logging.Formatter, but caches the text of the current second."""
        second = int(record.created)
        if second != self._second:
            self._set_second(second)
        return f"{self._prefix},{int(record.msecs):03}"


class NonBlockingHandler(logging.Handler):
    """Writes to a NonBlockingOutput, so a log that nobody reads never blocks the event loop."""

    def __init__(self, output: NonBlockingOutput, formatter: LineFormatter) -> None:
        super().__init__()
        self._output = output
        self._format = formatter.format
        self._line = formatter.line

    def handle(self, record: logging.LogRecord) -> bool:
        """Skips the handler's filters and lock: the output has its own lock."""
        try:
            self._output.write(f"{self._format(record)}\n")
        except Exception:
            self.handleError(record)
        return True

    def write_line(self, created: float, level: str, name: str, message: str) -> None:
        """Writes a plain message without a record, which costs more than its line. `created`: by `time()`."""
        self._output.write(self._line(created, level, name, f"{message}\n"))


def set_up(settings: Settings, *extra_secrets: str) -> None:
    """Configures logging, once per process. Masks the secrets of `settings` and `extra_secrets`."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    mask = SecretMask((*secrets(settings), *extra_secrets))
    handler = NonBlockingHandler(NonBlockingOutput(lambda: sys.stderr, transform=mask), LineFormatter())
    # Log lines name no thread, process or task: looking those up is half the cost of a record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["logAsyncioTasks"] = False  # of Python 3.12 and later
    logging.basicConfig(level=level, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
