"""Deltas are padded to a common length, and nothing else changes."""

import json
from typing import Any

import pytest

from chat2response.convert.client_profiles import DEFAULT, OPEN_RESPONSES
from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.responses.answer.stream_encoder import ProfiledEncoder, ResponsesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.respond.obfuscation import STEP, ObfuscatingEncoder, obfuscated
from tests.support.engine.scene import DIALECTS
from tests.support.open_responses import check_event
from tests.support.upstream_streams import Numbered, now

ENCODERS = {
    "responses": ResponsesEncoder,
    "suited": lambda: ProfiledEncoder(OPEN_RESPONSES),
    "chat": ChatEncoder,
    "chat, with usage": lambda: ChatEncoder(include_usage=True),
}
WORDS = ["", "a", "ab", 'a "quoted" \u00fc', "a" * 63, "a" * 64, "a" * 1000]


def events() -> list[Any]:
    """A stream with deltas of every kind and of many lengths."""
    writer = ResponseWriter(EchoedFields("m", {}), Numbered(), now)
    writer.begin()
    for word in WORDS:
        writer.reasoning(word)
    for word in WORDS:
        writer.text(word)
    writer.call(CallDelta("c", call_id="c", name="f"))
    for word in WORDS:
        writer.call(CallDelta("c", delta=word))
    writer.end_turn(None, Outcome("completed"))
    writer.finish()
    return writer.take()


def frames_of(encoded: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in encoded.split(b"\n\n")[:-1]]


def payload(frame: bytes) -> Any:
    data = frame.rstrip().rpartition(b"data: ")[2]
    return data if data == b"[DONE]" else json.loads(data)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_delta_is_as_long_as_many_others(name: str) -> None:
    encoder_type: Any = ENCODERS[name]
    plain, padded = encoder_type().encode(events()), ObfuscatingEncoder(encoder_type()).encode(events())
    noises = []
    for before, after in zip(frames_of(plain), frames_of(padded), strict=True):
        if before == after:
            continue
        assert len(after) % STEP == 0
        padded_event = payload(after)
        noises.append(padded_event.pop("obfuscation"))
        assert padded_event == payload(before)
        if name == "suited":
            check_event(payload(after))
    assert len(noises) >= 3 * (len(WORDS) - 1)  # the padding may be empty
    assert len(set(noises)) > len(noises) // 2


def test_nothing_but_deltas_is_padded() -> None:
    for frame in frames_of(ObfuscatingEncoder(ResponsesEncoder()).encode(events())):
        padded_event = payload(frame)
        is_delta = padded_event != b"[DONE]" and padded_event["type"].endswith(".delta")
        assert (b'"obfuscation"' in frame) is is_delta
    role, *_, finish, done = frames_of(ObfuscatingEncoder(ChatEncoder()).encode(events()))
    assert b"obfuscation" not in role + finish + done


@pytest.mark.parametrize(
    ("options", "padded"),
    [
        (None, False),
        ({}, False),
        ({"include_obfuscation": False}, False),
        ({"include_obfuscation": None}, False),
        ({"include_obfuscation": True}, True),
    ],
)
@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_only_who_asks_gets_it(dialect: Any, options: Any, padded: bool) -> None:
    hub = HubRequest(body={"model": "m", "input": "x", "stream_options": options}, dialect=dialect)
    encoder = obfuscated(DIALECTS[dialect].encoder(hub, DEFAULT, Losses()), hub)
    assert isinstance(encoder, ObfuscatingEncoder) is padded
    assert (b"obfuscation" in encoder.encode(events())) is padded
