"""The log: plain lines on stderr, and no key in any of them."""

import logging

from chat2response.observe.redact import redact

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# These tell of every start, stop and request; what matters of that is said elsewhere.
_QUIET = ("uvicorn", "httpx", "httpcore", "asyncio")


class Redacting(logging.Formatter):
    """Masks key-shaped strings in the whole line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def set_up(level: str) -> None:
    """Once per process. `level`: the name of the least that is logged."""
    least = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting(_LINE))
    logging.basicConfig(level=least, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(least, logging.WARNING))
