"""The signals that tell a gateway to stop: the same for one process and for the parent of several."""

import signal
from collections.abc import Iterator


def stopping_signals() -> Iterator[signal.Signals]:
    """SIGTERM, SIGINT and SIGHUP; of a terminal that goes (SIGHUP) not where `nohup` has it ignored."""
    yield signal.SIGTERM
    yield signal.SIGINT
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        yield hang_up
