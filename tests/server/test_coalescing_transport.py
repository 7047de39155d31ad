"""A response head is sent together with the body, and is never lost."""

import asyncio
from typing import Any

import pytest

from chat2response.server.coalescing_transport import CoalescingTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Inner(asyncio.Transport):
    """Records the calls of its methods."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Any] = []

    def write(self, data: Any) -> None:
        self.actions.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.actions.append("closed")

    def abort(self) -> None:
        self.actions.append("aborted")


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
async def transport(inner: Inner) -> CoalescingTransport:
    return CoalescingTransport(inner, asyncio.get_running_loop())


async def test_a_head_and_its_body_are_one_write(inner: Inner, transport: CoalescingTransport):
    transport.write(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert inner.actions == [HEAD + b"body", b"more"]


async def test_a_head_that_nothing_follows_goes_out_by_itself(inner: Inner, transport: CoalescingTransport):
    transport.write(HEAD)
    assert inner.actions == []
    await asyncio.sleep(0)
    transport.write(b"later")
    assert inner.actions == [HEAD, b"later"]


async def test_what_is_held_goes_out_before_the_end(inner: Inner, transport: CoalescingTransport):
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert inner.actions == [HEAD, "closed"]


async def test_an_abort_sends_nothing_more(inner: Inner, transport: CoalescingTransport):
    transport.write(HEAD)
    transport.abort()
    await asyncio.sleep(0)
    assert inner.actions == ["aborted"]


async def test_two_answers_follow_each_other(inner: Inner, transport: CoalescingTransport):
    for _ in range(2):
        transport.write(HEAD)
        transport.write(b"body")
    await asyncio.sleep(0)
    assert inner.actions == [HEAD + b"body"] * 2


async def test_an_end_that_lingers_is_an_end_to_those_who_ask_and_comes_later(inner: Inner) -> None:
    transport = CoalescingTransport(inner, asyncio.get_running_loop(), should_linger=lambda: True)
    transport.write(b"HTTP/1.1 413 \r\n\r\n")
    transport.close()
    assert transport.is_closing()
    assert inner.actions == [b"HTTP/1.1 413 \r\n\r\n"]
    transport.end()
    assert inner.actions[-1] == "closed"


async def test_what_is_written_to_a_lost_connection_is_dropped_and_nobody_is_asked(inner: Inner):
    """A closed transport raises; a pipelined request that was not notified of the loss may still write."""
    calls: list[str] = []
    loop = asyncio.get_running_loop()

    def should_linger() -> bool:
        calls.append("should_linger")
        return True

    transport = CoalescingTransport(inner, loop, lambda: calls.append("unsent"), should_linger)
    transport.write(HEAD)
    transport.release()
    transport.write(HEAD)
    transport.write_now(b"body")
    transport.close()
    await asyncio.sleep(0)
    assert (inner.actions, calls, transport.is_closing()) == ([], [], True)
