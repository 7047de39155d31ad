"""A JSON answer that is read as a stream, because of stop strings: cut, stopped, broken and cancelled."""

import asyncio
from typing import Any

import pytest

from chat2response.engine.call import Answer
from chat2response.errors import BridgeError
from chat2response.wire.fault import DRAINING, REVOKED
from chat2response.wire.json import decode
from tests.engine.push.conftest import Open
from tests.support.engine.hand_driven import HEAD, LAST_CHUNK, HandDriven, http_chunk, settle

WAY = "chat from responses"
FIELDS: dict[str, Any] = {"stream": False, "stop": ["STOP"]}


def text_of(answer: Answer) -> str:
    """The text of a completion."""
    assert answer.body is not None
    return str(decode(answer.body)["choices"][0]["message"]["content"])


async def begun(drive: Open) -> HandDriven:
    driven = await drive(WAY, **FIELDS).opened()
    driven.first(driven.opening() + driven.delta("a ST"))
    await settle()
    return driven


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_stop_string_ends_the_answer_wherever_it_is_cut(drive: Open, size: int) -> None:
    driven = await begun(drive)
    rest = driven.delta("OP and more") + driven.ending("a STOP and more")
    for at in range(0, len(rest), size):
        if not driven.entering.done():
            driven.feed(rest[at : at + size])
            await settle()
    driven.sockets[0].receive(LAST_CHUNK)
    await settle()
    assert text_of(await driven.entering) == "a "
    await driven.leave()
    assert len(driven.upstream.idle) == 1, "only the end of the body was still due"


async def test_an_answer_without_a_stop_string(drive: Open) -> None:
    driven = await begun(drive)
    driven.feed(driven.delta("ART") + driven.ending("a START"))
    driven.sockets[0].receive(LAST_CHUNK)
    assert text_of(await driven.entering) == "a START"
    await driven.leave()


async def test_the_whole_answer_in_the_read_of_the_head(drive: Open) -> None:
    driven = await drive(WAY, **FIELDS).opened()
    driven.sockets[0].receive(HEAD + http_chunk(driven.stream("a", " STOP", "b")) + LAST_CHUNK)
    assert text_of(await driven.entering) == "a "
    await driven.leave()
    assert len(driven.upstream.idle) == 1


@pytest.mark.parametrize("fault", [REVOKED, DRAINING])
async def test_a_stop_is_the_error_of_the_call(drive: Open, fault: Any) -> None:
    driven = await begun(drive)
    driven.run.stop(fault)
    assert driven.sockets[0].closed
    with pytest.raises(BridgeError) as raised:
        await driven.entering
    assert raised.value.message == fault.message


async def test_a_bug_in_the_reader_leaves_as_it_is(drive: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    driven = await begun(drive)

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("a bug in the reader")

    reader: Any = driven.sockets[0].connection._response._receiver._receiver.reader  # type: ignore[union-attr]
    monkeypatch.setattr(reader, "payload", fail)
    driven.feed(driven.delta("b"))
    with pytest.raises(KeyError, match="a bug in the reader"):
        await driven.entering
    await settle()
    assert driven.sockets[0].closed and driven.upstream.idle == []


async def test_a_cancellation_closes_the_connection(drive: Open) -> None:
    driven = await begun(drive)
    driven.entering.cancel()
    await asyncio.wait({driven.entering})
    assert driven.entering.cancelled()
    assert driven.sockets[0].closed
