"""A connection whose client reads nothing is closed; unsent bytes here and in the kernel decide."""

from typing import Any

import pytest

from chat2response.server import unread_watch
from chat2response.server.unread_watch import UnreadWatch


class FakeLoop:
    """A loop with one timer, which the test fires."""

    def __init__(self) -> None:
        self.due: Any = None

    def call_later(self, delay: float, callback: Any) -> "FakeLoop":
        self.due = callback
        return self

    def cancel(self) -> None:
        self.due = None

    def fire(self) -> None:
        due, self.due = self.due, None
        due()


class FakeTransport:
    waiting = 100_000
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the kernel's send buffer; the last one is reported."""
    sizes = [50_000]
    monkeypatch.setattr(unread_watch, "_in_kernel", lambda transport: sizes[-1])
    return sizes


def watched(seconds: float = 600.0) -> tuple[Any, Any, UnreadWatch]:
    loop: Any = FakeLoop()
    transport = FakeTransport()
    watch = UnreadWatch(loop, transport, seconds)
    watch.start()
    return loop, transport, watch


def test_a_client_that_took_nothing_since_the_last_look_is_disconnected(kernel: list[int]) -> None:
    loop, transport, _ = watched()
    loop.fire()
    assert transport.aborted and loop.due is None


def test_a_client_that_reads_slowly_stays(kernel: list[int]) -> None:
    """A client counts as reading while the kernel's buffer shrinks, even if our own buffer does not."""
    loop, transport, _ = watched()
    for left in (49_999, 40_000, 10):
        kernel.append(left)
        loop.fire()
        assert not transport.aborted
    transport.waiting -= 1
    loop.fire()
    assert not transport.aborted
    loop.fire()
    assert transport.aborted


def test_nothing_is_watched_once_all_is_written_nor_where_there_is_no_such_time(kernel: list[int]) -> None:
    loop, _, watch = watched()
    watch.stop()
    assert loop.due is None
    assert watched(0.0)[0].due is None
