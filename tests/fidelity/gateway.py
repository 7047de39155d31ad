"""Rows about what the engine does itself: the field is sent through one, with a fake upstream behind it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat2response.engine.call import Call
from chat2response.upstreams.base import Reply
from chat2response.wire.json import decode, encode
from tests.engine.conftest import BODIES, Scene
from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.fakes import FakeTurn, FakeUpstream, ends, says

Json = dict[str, Any]

SAID = "before STOP behind"
"""What the model says to every call."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a call: its completion, and how many calls its upstream had."""

    completion: Json
    upstream: int


Does = Callable[[Seen], bool]
"""Whether a call shows that the engine does what its field asks for."""


def a_call_per_choice(seen: Seen) -> bool:
    """`n`: as many choices as were asked for (two), each by a call of its own."""
    return len(seen.completion["choices"]) == seen.upstream == 2


def cut_before_it(seen: Seen) -> bool:
    """`stop`: the text ends before the string (`STOP`)."""
    return _text(seen.completion) == "before "


def done(fields: Json, does: Does) -> bool:
    """Whether a Chat client on a Responses upstream gets what the fields ask for."""
    return does(asyncio.run(_asked(fields)))


async def _asked(fields: Json) -> Seen:
    upstream = _Model()
    engine = Scene(Clock(), Ids()).engine(upstream, "responses")
    call = Call("chat", encode({**BODIES["chat"], **fields}), "req-1", "key-1")
    async with engine.open(call) as answer:
        return Seen(decode(answer.body or b""), len(upstream.requests))


class _Model(FakeUpstream):
    """Says `SAID`, whole or as a stream."""

    def __init__(self) -> None:
        super().__init__(None)

    def open(self, *args: Any) -> Any:
        self.answer = FakeTurn(says(SAID), ends())
        return super().open(*args)

    async def once(self, ask: Any, target: Any, origin: Any) -> Reply:
        part = {"type": "output_text", "text": SAID, "annotations": [], "logprobs": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
        self.answer = {**head, "output": [{**message, "content": [part]}]}
        return await super().once(ask, target, origin)


def _text(completion: Json) -> str:
    text: str = completion["choices"][0]["message"]["content"]
    return text
