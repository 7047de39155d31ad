"""`CHAT2RESPONSE_UPSTREAM_MODEL`: one upstream model, whichever name the client uses."""

import json

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, Surface
from tests.support.e2e.dialect_pairs import (
    PATH,
    converted_way,
    error_of,
    every_way,
    json_or_stream,
    post,
    sdk_call,
)
from tests.support.e2e.scripted_model import MODEL, PATHS, ModelReply, stream, whole
from tests.support.e2e.sse_streams import chunks_of, events_of
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
ALIAS = "vendor/the-model"


@json_or_stream
@every_way
async def test_the_upstream_is_asked_for_its_own_model(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play((stream if streamed else whole)(dialect, REPLY))
    gateway = await start(dialect, chat2response_upstream_model=ALIAS)

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.status_code == 200
    assert upstream.last.json()["model"] == ALIAS
    assert CLIENT_MODEL not in upstream.last.body.decode()


ODD = {
    "chat": b' { "messages":[ {"role":"user","model":"x","content":"\\"model\\": 1"} ],"model":"first",\n'
    b'"x-new":{"model":"x"} , "temperature":1.50,"model" :\t"asked" ,"seed":123456789012345678901}\r\n',
    "responses": b' { "input":[ {"role":"user","content":"\\"model\\": 1"} ],"model":"first","store":false,\n'
    b'"x-new":{"model":"x"} , "temperature":1.50,"model" :\t"asked" }\r\n',
}


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_in_a_relay_no_other_byte_changes(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect, chat2response_upstream_model=ALIAS)

    answer = await gateway.post(PATHS[dialect], ODD[dialect])

    named = json.dumps(ALIAS).encode()
    assert upstream.last.body == ODD[dialect].replace(b'"asked"', named).replace(b'"first"', named)
    assert (answer.content,) == whole(dialect, REPLY).steps, "the answer is the upstream's own, its model too"


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_body_without_a_model_gets_none(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect, chat2response_upstream_model=ALIAS)
    body = b'{"messages":[],"input":"x","store":false}'
    await gateway.post(PATHS[dialect], body)
    assert upstream.last.body == body


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize(
    "odd", [rb'"\ud800":1', b'"x":%b%b,"x":[]' % (b"[" * 50_000, b"]" * 50_000)], ids=["key", "depth"]
)
async def test_what_cannot_be_read_is_400(
    start: Start, upstream: ScriptedUpstream, dialect: str, odd: bytes
) -> None:
    gateway = await start(dialect, chat2response_upstream_model=ALIAS)
    answer = await gateway.post(PATHS[dialect], b'{"model":"m",%b}' % odd)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")
    assert upstream.requests == []


@converted_way
async def test_a_converted_answer_has_the_clients_name(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY), stream(dialect, REPLY))
    gateway = await start(dialect, chat2response_upstream_model=ALIAS)

    body = (await post(gateway, surface)).json()
    data = (await post(gateway, surface, streamed=True)).content

    named = (
        {chunk["model"] for chunk in chunks_of(data)}
        if surface == "chat"
        else {event["response"]["model"] for event in events_of(data) if "response" in event}
    )
    assert {body["model"]} == named == {CLIENT_MODEL}
    assert MODEL not in data.decode()


async def test_the_sdk_sees_its_own_name(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", chat2response_upstream_model=ALIAS)
    assert (await sdk_call(gateway, "responses", streamed=False)).model == CLIENT_MODEL
    assert upstream.last.json()["model"] == ALIAS


@pytest.mark.parametrize("value", [None, "", "  "])
async def test_without_it_the_clients_name_goes_up(
    start: Start, upstream: ScriptedUpstream, value: str | None
) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", chat2response_upstream_model=value)
    await gateway.post(PATH["chat"], ODD["chat"])
    assert upstream.last.body == ODD["chat"]
