"""The signals that stop a gateway, whether it is one process or the parent of several workers."""

import signal
from collections.abc import Iterator


def stop_signals() -> Iterator[signal.Signals]:
    """SIGTERM, SIGINT and SIGHUP; without SIGHUP (the terminal closed) if `nohup` has it ignored."""
    yield signal.SIGTERM
    yield signal.SIGINT
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        yield hangup
