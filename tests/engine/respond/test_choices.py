"""Several choices in one stream: exactly one end, whoever ends first and however slowly the client reads."""

import asyncio
from typing import Any

import pytest

from chat2response.convert.outcome import failed
from chat2response.errors import BridgeError, UpstreamError
from chat2response.quota.call_meter import CallMeter
from chat2response.wire.fault import DRAINING, REVOKED, TIMEOUT, Fault
from tests.support.engine.fakes import FakeTurn, FakeUpstream, ends, events_of, says
from tests.support.engine.scene import Client, Scene, whole

ERROR = UpstreamError("It broke.", status=500, code="server_error")


async def settle_down() -> None:
    """Lets every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_error_of_a_choice_passes_although_another_ended_before_it(scene: Scene) -> None:
    failing = asyncio.Event()
    turns: list[Any] = [
        FakeTurn(says("one"), ends()),
        FakeTurn(says("two"), failing, ends(failed(ERROR))),
    ]
    run = scene.open(turns, "chat", "responses", stream=True, n=2)
    async with run as answer, Client(answer) as client:
        out = b""
        while b'"two"' not in out or b'"stop"' not in out:
            out += await client.next()
        await settle_down()  # a slow client: it has not seen yet that the first choice has ended
        failing.set()
        await settle_down()
        out += await client.rest()
    *_, end, done = events_of(out)
    assert (end["error"]["message"], done) == ("It broke.", "[DONE]")
    assert scene.outcomes == ["failed"]


async def test_a_client_that_leaves_leaves_no_task(scene: Scene) -> None:
    before = asyncio.all_tasks()
    turns: list[Any] = [FakeTurn(says("one"), asyncio.Event()) for _ in range(3)]
    run = scene.open(turns, "chat", "responses", stream=True, n=3)
    with pytest.raises(ConnectionResetError):
        async with run as answer, Client(answer) as client:
            await client.next()
            await settle_down()
            raise ConnectionResetError
    assert asyncio.all_tasks() == before
    assert scene.outcomes == ["cancel"]


async def test_a_choice_that_fails_before_the_first_byte_stops_the_others(scene: Scene) -> None:
    before = asyncio.all_tasks()
    going_on = asyncio.Event()
    turns: list[Any] = [FakeTurn(asyncio.Event()), FakeTurn(going_on, ends(failed(ERROR)))]
    run = scene.open(turns, "chat", "responses", stream=True, n=2)
    entering = asyncio.ensure_future(whole(run))
    await settle_down()
    going_on.set()
    with pytest.raises(UpstreamError, match="It broke"):
        await entering
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", [REVOKED, DRAINING, TIMEOUT])
async def test_a_stop_while_some_heads_are_due_is_the_error_of_the_call(
    scene: Scene, fault: Fault, stream: bool
) -> None:
    class Slow(FakeUpstream):
        def send(self, body: bytes, target: Any, context: Any) -> Any:
            self.gate = asyncio.Event() if self.requests else None
            return super().send(body, target, context)

    before = asyncio.all_tasks()
    upstream = Slow([FakeTurn(says("one"), asyncio.Event()) for _ in range(3)])
    run = scene.open(upstream, "chat", "responses", stream=stream, n=3, stop="ST")
    entering = asyncio.ensure_future(whole(run))
    await settle_down()
    assert upstream.entered == 1
    run.stop(fault)
    with pytest.raises(BridgeError) as caught:
        await entering
    assert caught.value.message == fault.message
    assert (asyncio.all_tasks(), scene.outcomes) == (before, [fault.cause])


async def test_choices_without_usage_are_all_estimated(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[int] = []

    async def settle(self: CallMeter, response: Any, usage: Any, deltas: int) -> None:
        settled.append(deltas)

    monkeypatch.setattr(CallMeter, "settle_response", settle)
    text = {"type": "output_text", "text": "x" * 400}
    answer = {"object": "response", "status": "completed", "output": [{"type": "message", "content": [text]}]}
    await whole(scene.open([answer] * 3, "chat", "responses", n=3))
    assert settled == [300]
