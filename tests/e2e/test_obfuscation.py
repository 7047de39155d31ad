"""`stream_options.include_obfuscation`: the gateway pads the deltas of its own streams."""

from typing import Any

from chat2response.engine.respond.obfuscation import STEP
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import converted_way, post, text_of
from tests.support.e2e.scripted_model import ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(reasoning=("Hm, ", "well."), text=("A", " word", " and another one"))
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


def frames_with(stream: bytes, key: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in stream.split(b"\n\n") if key in frame]


@converted_way
async def test_deltas_are_of_one_length(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await start(dialect)
    options: dict[str, Any] = {"stream_options": {"include_obfuscation": True}}

    answer = await post(gateway, surface, streamed=True, **options)

    assert answer.status_code == 200
    assert "x-chat2response-losses" not in answer.headers
    padded = frames_with(answer.content, b'"obfuscation"')
    assert len(padded) == len(REPLY.reasoning) + len(REPLY.text)
    assert not [frame for frame in padded if len(frame) % STEP]
    assert text_of(surface, answer.content) == "".join(REPLY.text)

    for plain in ({}, {"stream_options": {"include_obfuscation": False}}):
        answer = await post(gateway, surface, streamed=True, **plain)
        assert b"obfuscation" not in answer.content


async def test_several_choices_are_padded_too(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(PATHS["responses"], speaking("responses", REPLY))
    gateway = await start("responses")
    options: dict[str, Any] = {"stream_options": {"include_obfuscation": True}, "n": 2}
    answer = await post(gateway, "chat", streamed=True, **options)
    padded = frames_with(answer.content, b'"obfuscation"')
    assert len(padded) == 2 * (len(REPLY.reasoning) + len(REPLY.text))
    assert len({len(frame) % STEP for frame in padded}) == 1
