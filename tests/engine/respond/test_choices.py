"""Several choices in one stream: exactly one end, whoever ends first and however slowly the client reads."""

import asyncio
from typing import Any

from chat2response.convert.outcome import failed
from chat2response.errors import UpstreamError
from tests.support.engine.fakes import FakeTurn, ends, events_of, says
from tests.support.engine.scene import Scene

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
    async with scene.open(turns, "chat", "responses", stream=True, n=2) as answer:
        assert answer.batches is not None
        out = b""
        while b'"two"' not in out or b'"stop"' not in out:
            out += await anext(answer.batches)
        await settle_down()  # a slow client: it has not seen yet that the first choice has ended
        failing.set()
        await settle_down()
        out += b"".join([batch async for batch in answer.batches])
    *_, end, done = events_of(out)
    assert (end["error"]["message"], done) == ("It broke.", "[DONE]")
    assert scene.outcomes == ["failed"]
