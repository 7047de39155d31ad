"""With the same dialect on both sides the bytes are unchanged in both directions."""

import asyncio
import json

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import error_of
from tests.support.e2e.gateway import OPERATOR_KEY
from tests.support.e2e.scripted_model import PATHS, STREAM, ModelReply, stream, whole
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

DIALECTS = pytest.mark.parametrize("dialect", ["chat", "responses"])

# Odd spacing, a key twice, keys nobody knows, numbers in forms that no codec would write again.
ODD = {
    "chat": (
        b'{ "x-vendor":{"b":1.0,"a":1e5},\n\t"messages" : [ {"role":"user","content":"\\u00fc","z":null} ],'
        b' "model":"first", "model": "asked-model","seed":12345678901234567890123 ,"n":1 }\n'
    ),
    "responses": (
        b'{ "x-vendor":{"b":1.0,"a":1e5},\n\t"input" : [ {"role":"user","content":"\\u00fc","z":null} ],'
        b' "model":"first", "model": "asked-model","top_k":12345678901234567890123 , "store":false}\n'
    ),
}


@pytest.mark.parametrize("path", [PATHS["chat"], "/proxy"])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_what_a_key_is_allowed_may_not_be_said_twice(
    start: Start, upstream: ScriptedUpstream, path: str, streamed: bool
) -> None:
    """With a duplicate `model`, the upstream must not serve a model that the key may not use."""
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    bound = {"authorization": f"Bearer {await gateway.issue(scopes=['model:asked-*'])}"}
    body = ODD["chat"].replace(b"{", b'{"stream":%b,' % json.dumps(streamed).encode(), 1)

    answer = await gateway.post(path, body, headers=bound)

    assert (answer.status_code, error_of(answer)["param"]) == (400, "model")
    assert error_of(answer)["code"] == "duplicate_parameter"
    assert upstream.requests == []
    once = body.replace(b'"model":"first",', b"")
    assert (await gateway.post(path, once, headers=bound)).status_code == 200


@DIALECTS
@pytest.mark.parametrize("prefix", ["/v1", ""])
async def test_a_request_goes_up_byte_for_byte(
    start: Start, upstream: ScriptedUpstream, dialect: str, prefix: str
) -> None:
    upstream.play(whole(dialect, ModelReply(text=("Hi",))))
    gateway = await start(dialect)

    path = PATHS[dialect].removeprefix("/v1")
    answer = await gateway.post(prefix + path, ODD[dialect])

    assert answer.status_code == 200
    assert upstream.last.body == ODD[dialect]
    assert (upstream.last.method, upstream.last.path) == ("POST", PATHS[dialect])


@DIALECTS
async def test_a_json_answer_comes_down_byte_for_byte(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    odd = b'{ "id":"x", "id" : "y",\r\n "created":1e9, "unknown":[1.0, {}] , "object":"odd"}'
    upstream.play(Script(PATHS[dialect], (odd,), media_type="application/json; charset=utf-8"))
    gateway = await start(dialect)

    answer = await gateway.post(PATHS[dialect], ODD[dialect])

    assert answer.content == odd
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


ODD_STREAM = {
    "chat": (
        b": a comment\r\n\r\n",
        b'data:{"id":"c1","choices":[{"index":0,"delta":{"content":"\xc3',  # a character cut in two
        b'\xbc"}}],"id":"c2"}\r\n\r\ndata: {"unknown":true,"choices":[]}\n\n',
        b'event: odd\nid: 7\ndata: {"choices":\ndata: [{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n: after the end\n\n",
    ),
    "responses": (
        b": a comment\r\n\r\n",
        b'event: response.created\r\ndata:{"type":"response.created","response":{"id":"r1"},"seq',
        b'uence_number":0}\r\n\r\nevent: vendor.x\nid: 7\ndata: { "type" : "vendor.x",\ndata: "x":"\xc3',
        b'\xbc"}\n\n',
        b'data: {"sequence_number":5, "type":"response.completed","response":{"id":"r1","id":"r2"}}\n\n',
        b": after the end\n\n",
    ),
}


@DIALECTS
async def test_a_stream_comes_down_byte_for_byte(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    upstream.play(Script(PATHS[dialect], ODD_STREAM[dialect], media_type=STREAM, framing="chunked"))
    gateway = await start(dialect)
    gateway.recorder.judged = False

    answer = await gateway.post(PATHS[dialect], {"model": "m", "stream": True, "store": False})

    assert answer.content == b"".join(ODD_STREAM[dialect])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert "no-cache" in answer.headers["cache-control"]


@DIALECTS
async def test_a_stream_is_passed_on_as_it_arrives(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    """Each frame reaches the client before the upstream writes the next one."""
    gates = [asyncio.Event() for _ in range(3)]
    frames = [b'data: {"n":%d}\n\n' % number for number in range(4)]
    steps = (frames[0], gates[0], frames[1], gates[1], frames[2], gates[2], frames[3])
    upstream.play(Script(PATHS[dialect], steps, media_type=STREAM, framing="chunked"))
    gateway = await start(dialect)
    gateway.recorder.judged = False

    seen = b""
    body = {"model": "m", "stream": True, "store": False}
    async with gateway.http.stream("POST", PATHS[dialect], json=body) as answer:
        async for data in answer.aiter_bytes():
            seen += data
            if gates and seen.endswith(frames[3 - len(gates)]):
                gates.pop(0).set()
    assert seen.startswith(b"".join(frames))


@DIALECTS
async def test_an_unfinished_frame_is_never_passed_on(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    half = b'data: {"choices":[{"delta":{"content":"never se'
    script = stream(dialect, ModelReply(text=("Hello",)))
    upstream.play(script.but(steps=(*script.steps[:3], half), end="cut"))
    gateway = await start(dialect)

    answer = await gateway.post(PATHS[dialect], {"model": "m", "stream": True, "store": False})

    assert answer.content.startswith(b"".join(s for s in script.steps[:3] if isinstance(s, bytes)))
    assert b"never se" not in answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")


async def test_proxy_relays_the_events_of_a_responses_upstream(
    start: Start, upstream: ScriptedUpstream
) -> None:
    script = stream("responses", ModelReply(text=("Hello", " there")))
    upstream.play(script)
    gateway = await start("responses")

    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    answer = await gateway.post("/proxy", body)

    assert answer.content == b"".join(s for s in script.steps if isinstance(s, bytes))


async def test_proxy_sends_a_chat_upstream_the_clients_own_bytes(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")

    assert (await gateway.post("/proxy", ODD["chat"])).status_code == 200

    assert upstream.last.body == ODD["chat"]


async def test_proxy_adds_only_the_usage_option_to_a_stream_on_chat(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(stream("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    body = {
        "x-vendor": {"a": 1}, "model": "m", "stream": True, "seed": 3,
        "messages": [{"role": "user", "content": "Hi", "name": "Ann"}],
    }  # fmt: skip

    assert (await gateway.post("/proxy", body)).status_code == 200

    assert upstream.last.json() == {**body, "stream_options": {"include_usage": True}}


async def test_both_serves_each_dialect_natively(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))), whole("responses", ModelReply(text=("Hi",))))
    gateway = await start("both")

    for dialect in ("chat", "responses"):
        assert (await gateway.post(PATHS[dialect], ODD[dialect])).status_code == 200
        assert (upstream.last.path, upstream.last.body) == (PATHS[dialect], ODD[dialect])
    await gateway.post("/proxy", ODD["chat"].replace(b'"seed":12345678901234567890123', b'"seed":1'))
    assert upstream.last.path == PATHS["responses"]
    assert json.loads(upstream.last.body)["input"]


@DIALECTS
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_the_connection_upstream_is_kept(
    start: Start, upstream: ScriptedUpstream, dialect: str, streamed: bool
) -> None:
    reply = ModelReply(text=("Hi",))
    upstream.play(stream(dialect, reply) if streamed else whole(dialect, reply))
    gateway = await start(dialect)
    for _ in range(3):
        for path in (PATHS["chat"], PATHS["responses"], "/proxy"):
            body = {"model": "m", "stream": streamed, "input": "Hi", "store": False}
            if path != PATHS["responses"]:
                body = {"model": "m", "stream": streamed, "messages": [{"role": "user", "content": "Hi"}]}
            assert (await gateway.post(path, body)).status_code == 200
            await gateway.idle()
    assert upstream.accepted == 1


async def test_the_upstream_is_told_what_it_needs_and_no_more(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    theirs = {"cookie": "a=b", "x-secret": "s", "x-forwarded-for": "10.0.0.9", "user-agent": "client"}

    await gateway.post(PATHS["chat"], ODD["chat"], headers={**theirs, "x-request-id": "abc-1"})

    sent = dict(upstream.last.headers)
    assert sent.pop("user-agent").startswith("chat2response/")
    assert sent.pop("content-length") == str(len(ODD["chat"]))
    assert sent.pop("authorization") == f"Bearer {OPERATOR_KEY}"
    assert sent == {
        "host": f"127.0.0.1:{upstream.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-request-id": "abc-1",
        "x-chat2response-hops": "1",
    }


@DIALECTS
async def test_a_stream_that_had_its_end_need_not_be_closed_by_the_upstream(
    start: Start, upstream: ScriptedUpstream, dialect: str
) -> None:
    gateway = await start(dialect)
    upstream.play(stream(dialect, ModelReply(text=("Hi",))).but(end="stall"))
    body = {"model": "m", "stream": True, "store": False}

    answer = await asyncio.wait_for(
        gateway.post(PATHS[dialect], body), PATIENCE
    )  # a silent upstream is left later

    assert answer.status_code == 200 and answer.content.endswith(b"\n\n")
