"""A third API is a folder and a value: the engine serves it on both sides, without a line of its own."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.dialects.surfaces import CHAT_SURFACE, RESPONSES_SURFACE, Surface
from chat2response.engine.call import Call
from chat2response.engine.run import Run
from chat2response.errors import UpstreamError
from chat2response.net.transport import StreamInterrupted
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Route, Routes
from chat2response.wire.fault import RESET
from chat2response.wire.json import decode, encode
from tests.support.convert.toy.dialect import TOY
from tests.support.engine.fakes import JSON, FakeReply, FakeUpstream, events_of
from tests.support.engine.frames import CHAT_STREAMS, RESPONSES_STREAMS
from tests.support.engine.scene import BODIES, Scene, whole

TOY_SURFACE = Surface("toy", TOY, TOY)
REQUEST = {"model": "m", "say": "Hi"}
STREAM = (b'data: {"text":"Hel"}\n\n', b'data: {"text":"lo"}\n\n', b'data: {"tokens":5}\n\n')
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def open_call(scene: Scene, surface: Surface, dialect: Dialect, answer: Any, body: Any) -> Run:
    """A call on `surface`, to an upstream that speaks `dialect`."""
    engine = scene.engine(FakeUpstream(answer), "chat")
    routes = Routes({surface: Route((Target(dialect, "http://inner.example/v1"),))})
    object.__setattr__(engine, "routes", routes)
    scene.opened += 1
    return engine.open(Call(surface=surface, body=encode(body), request_id="req-1", tenant="key-1"))


@pytest.mark.parametrize(
    ("dialect", "frames"),
    [(CHAT, CHAT_STREAMS["text"]), (RESPONSES, RESPONSES_STREAMS["text"])],
    ids=["on Chat", "on Responses"],
)
async def test_its_clients_get_streams_of_every_upstream(
    scene: Scene, dialect: Dialect, frames: list[bytes]
) -> None:
    run = open_call(scene, TOY_SURFACE, dialect, FakeReply(*frames), {**REQUEST, "stream": True})
    answer, out = await whole(run)
    *texts, end = events_of(out)
    assert answer.status == 200
    assert all(set(each) == {"text"} for each in texts)
    assert set(end) == {"tokens"}
    sent = decode(scene.upstream.requests[0])
    assert (sent["model"], sent["stream"]) == ("m", True)
    assert "Hi" in str(sent.get("messages") or sent.get("input"))


async def test_its_clients_get_whole_answers(scene: Scene) -> None:
    reply = FakeReply(encode(COMPLETION), media_type=JSON)
    _, body = await whole(open_call(scene, TOY_SURFACE, CHAT, reply, REQUEST))
    assert decode(body) == {"text": "Hello", "tokens": 5}


@pytest.mark.parametrize("surface", [CHAT_SURFACE, RESPONSES_SURFACE], ids=lambda surface: surface.name)
@pytest.mark.parametrize("stream", [False, True])
async def test_its_servers_answer_every_client(scene: Scene, surface: Surface, stream: bool) -> None:
    answer: Any = FakeReply(*STREAM) if stream else FakeReply(b'{"text":"Hello","tokens":5}', media_type=JSON)
    body = {**BODIES[surface.name], "stream": stream, "tools": [{"type": "web_search"}]}
    if surface is CHAT_SURFACE:
        del body["tools"]
    answered, out = await whole(open_call(scene, surface, TOY, answer, body))
    value = [each for each in events_of(out) if each != "[DONE]"] if stream else [decode(out)]
    assert decode(scene.upstream.requests[0]) == {"model": "m", "say": "Hi", "stream": stream}
    texts = [b'"Hel"', b'"lo"'] if stream else [b'"Hello"']
    assert value and all(text in out for text in texts)
    assert [loss.field for loss in answered.losses] == (["tools"] if surface is RESPONSES_SURFACE else [])


async def test_between_its_own_sides_the_bytes_are_relayed(scene: Scene) -> None:
    reply = FakeReply(b": hi\n\n", *STREAM)
    _, out = await whole(open_call(scene, TOY_SURFACE, TOY, reply, {**REQUEST, "stream": True, "odd": 1.10}))
    assert out == b": hi\n\n" + b"".join(STREAM)
    assert b'"odd":1.1' in scene.upstream.requests[0]


@pytest.mark.parametrize("dialect", [CHAT, TOY], ids=lambda dialect: dialect.name)
async def test_a_cut_stream_ends_with_its_error(scene: Scene, dialect: Dialect) -> None:
    first = CHAT_STREAMS["text"][:2] if dialect is CHAT else STREAM[:1]
    reply = FakeReply(*first, StreamInterrupted(RESET))
    _, out = await whole(open_call(scene, TOY_SURFACE, dialect, reply, {**REQUEST, "stream": True}))
    assert set(events_of(out)[-1]) == {"error"}


async def test_an_error_in_place_of_its_answer_is_a_status(scene: Scene) -> None:
    reply = FakeReply(b'data: {"error":"No room."}\n\n')
    with pytest.raises(UpstreamError, match="No room"):
        await whole(open_call(scene, RESPONSES_SURFACE, TOY, reply, {**BODIES["responses"], "stream": True}))
