"""A connection whose client still sends is closed when the client is silent, or after a maximum time."""

import asyncio
from typing import Any

import pytest

from chat2response.server.lingering_close import MAX_SECONDS, SILENCE, LingeringClose


class HandWoundLoop:
    """A loop with one timer, which the test fires."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: Any = None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Any) -> "HandWoundLoop":
        self.due = (self.now + delay, callback)
        return self

    def cancel(self) -> None:
        self.due = None

    def fire(self) -> None:
        (self.now, callback), self.due = self.due, None
        callback()


@pytest.fixture
def ended() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def loop() -> Any:
    return HandWoundLoop()


def test_a_silent_client_has_read_its_answer(loop: Any, ended: asyncio.Event) -> None:
    LingeringClose(loop, ended.set).start()
    loop.fire()
    assert ended.is_set() and loop.now == SILENCE


def test_one_that_sends_is_waited_for_but_not_for_ever(loop: Any, ended: asyncio.Event) -> None:
    linger = LingeringClose(loop, ended.set)
    linger.start()
    while not ended.is_set():
        linger.touch()
        loop.fire()
    assert loop.now == MAX_SECONDS


def test_a_connection_that_is_gone_is_not_ended_again(loop: Any, ended: asyncio.Event) -> None:
    linger = LingeringClose(loop, ended.set)
    linger.start()
    linger.stop()
    assert loop.due is None and not ended.is_set()
