"""A head leaves with what follows it, and never stays behind."""

import asyncio
from typing import Any

import pytest

from chat2response.server.coalescing_transport import JoinedHeads

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Inner(asyncio.Transport):
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Any] = []

    def write(self, data: Any) -> None:
        self.done.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.done.append("closed")

    def abort(self) -> None:
        self.done.append("aborted")


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
async def transport(inner: Inner) -> JoinedHeads:
    return JoinedHeads(inner, asyncio.get_running_loop())


async def test_a_head_and_its_body_are_one_write(inner: Inner, transport: JoinedHeads):
    transport.write(HEAD)
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert inner.done == [HEAD + b"body", b"more"]


async def test_a_head_that_nothing_follows_goes_out_by_itself(inner: Inner, transport: JoinedHeads):
    transport.write(HEAD)
    assert inner.done == []
    await asyncio.sleep(0)
    transport.write(b"later")
    assert inner.done == [HEAD, b"later"]


async def test_what_is_held_goes_out_before_the_end(inner: Inner, transport: JoinedHeads):
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert inner.done == [HEAD, "closed"]


async def test_an_abort_sends_nothing_more(inner: Inner, transport: JoinedHeads):
    transport.write(HEAD)
    transport.abort()
    await asyncio.sleep(0)
    assert inner.done == ["aborted"]


async def test_two_answers_follow_each_other(inner: Inner, transport: JoinedHeads):
    for _ in range(2):
        transport.write(HEAD)
        transport.write(b"body")
    await asyncio.sleep(0)
    assert inner.done == [HEAD + b"body"] * 2


async def test_an_end_that_lingers_is_an_end_to_those_who_ask_and_comes_later(inner: Inner) -> None:
    joined = JoinedHeads(inner, asyncio.get_running_loop(), lingers=lambda: True)
    joined.write(b"HTTP/1.1 413 \r\n\r\n")
    joined.close()
    assert joined.is_closing()
    assert inner.done == [b"HTTP/1.1 413 \r\n\r\n"]
    joined.end()
    assert inner.done[-1] == "closed"


async def test_what_is_written_to_a_lost_connection_is_dropped_and_nobody_is_asked(inner: Inner):
    """A transport that is closed raises; the answer may be of a request that nobody told of the loss."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()

    def lingers() -> bool:
        asked.append("lingers")
        return True

    transport = JoinedHeads(inner, loop, lambda: asked.append("unsent"), lingers)
    transport.write(HEAD)
    transport.release()
    transport.write(HEAD)
    transport.write_now(b"body")
    transport.close()
    await asyncio.sleep(0)
    assert (inner.done, asked, transport.is_closing()) == ([], [], True)
