"""Runs rows about the engine's own work through an engine with a fake upstream."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat2response.wire.json import decode, encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.fakes import FakeReply, FakeUpstream
from tests.support.engine.scene import BODIES, Scene, call_of

Json = dict[str, Any]

MODEL_TEXT = "before STOP behind"
"""The text that the model answers to every call."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of a call: its completion, and the number of upstream calls."""

    completion: Json
    upstream: int


Does = Callable[[Seen], bool]
"""Whether a call shows that the engine applies the field."""


def a_call_per_choice(seen: Seen) -> bool:
    """`n`: two choices, each from its own upstream call."""
    return len(seen.completion["choices"]) == seen.upstream == 2


def cut_before_it(seen: Seen) -> bool:
    """`stop`: the text ends before the string (`STOP`)."""
    return _text(seen.completion) == "before "


def done(fields: Json, does: Does) -> bool:
    """Whether the engine applies the fields of a Chat client on a Responses upstream."""
    return does(asyncio.run(_call_engine(fields)))


async def _call_engine(fields: Json) -> Seen:
    upstream = _Model()
    engine = Scene(Clock(), Ids()).engine(upstream, "responses")
    call = call_of("chat", encode({**BODIES["chat"], **fields}), "key-1")
    async with engine.open(call) as answer:
        return Seen(decode(answer.body or b""), len(upstream.requests))


class _Model(FakeUpstream):
    """Answers `MODEL_TEXT`, whole or as a stream."""

    def __init__(self) -> None:
        super().__init__(None)

    def send(self, body: bytes, target: Any, context: Any) -> Any:
        part = {"type": "output_text", "text": MODEL_TEXT, "annotations": [], "logprobs": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
        response = {**head, "output": [{**message, "content": [part]}]}
        event = {"type": "response.completed", "response": response}
        self.answer = FakeReply(b"data: %b\n\n" % encode(event)) if context.stream else response
        return super().send(body, target, context)


def _text(completion: Json) -> str:
    text: str = completion["choices"][0]["message"]["content"]
    return text
