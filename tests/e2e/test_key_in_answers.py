"""The operator's key is masked everywhere in an upstream's response.

A canary stands, in turn, at every place of whole answers, events, chunks, refusals and headers, written in
every way that JSON has; it must not be in anything that a client gets, nor in the log.
"""

import json
import logging
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from pydantic import SecretStr

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import PATHS, ModelReply, sse
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.wrong_types import paths, put

KEY = "canary.Upstream-Key/0123456789"
REPLY = ModelReply(text=("Hi", " there"))
JSON = "application/json"
SSE = "text/event-stream"


def written(key: str) -> list[bytes]:
    """The key in a JSON string: plain, with some escapes, with all, and as JSON inside a JSON string."""
    some = key.replace("-", "\\u002d").replace("/", "\\/")
    every = "".join(f"\\u{ord(each):04x}" for each in key)
    return [each.encode() for each in (key, key.replace("/", "\\/"), some, every, some.replace("\\", "\\\\"))]


FORMS = written(KEY)
REFUSALS: list[Any] = [
    {"error": {"message": "m", "type": "t", "param": "p", "code": "c", "more": {"x": ["y"]}}},
    {"error": "x"},
    {"detail": [{"msg": "x", "loc": ["y"]}]},
    {"errors": [{"message": "x", "code": "c"}]},
    {"message": "x", "code": "c", "type": "t"},
    {"object": "error", "message": "x", "type": "t", "code": "c", "param": "p"},
    [{"error": {"message": "x", "status": "S"}}],
    "x",
]


def with_key(value: Any) -> Iterator[bytes]:
    """JSON with the key at each position, as a value and as a name, in each written form in turn."""
    forms = cycle(FORMS)
    for path in paths(value):
        yield json.dumps(put(value, path, "@KEY@")).encode().replace(b"@KEY@", next(forms))
        named = put(value, path, {"@KEY@": "x Bearer @KEY@."})
        yield json.dumps(named).encode().replace(b"@KEY@", next(forms))


async def begin(start: Start, dialect: str) -> Running:
    gateway = await start(dialect, openai_api_key=SecretStr(KEY))
    gateway.recorder.judged = False
    return gateway


async def ask(gateway: Running, *surfaces: Surface, streamed: bool) -> None:
    for surface in surfaces:
        answer = await post(gateway, surface, streamed=streamed)
        headers = f"{answer.headers!r}".encode() + answer.content
        for form in (*FORMS, KEY[4:].encode(), KEY[:-4].encode()):
            assert form not in headers, (surface, streamed, headers)


def silent(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        assert KEY not in record.getMessage() and KEY not in str(record.exc_text)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_in_a_whole_answer(
    start: Start, upstream: ScriptedUpstream, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = await begin(start, dialect)
    answer = REPLY.completion() if dialect == "chat" else REPLY.resource()
    for number, body in enumerate(with_key(answer)):
        upstream.play(Script(PATHS[dialect], (body,)))
        await ask(gateway, *PATH, streamed=number % 3 == 0)
    silent(caplog)


@pytest.mark.parametrize("status", [200, 400, 401, 502])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_in_a_refusal(
    start: Start, upstream: ScriptedUpstream, dialect: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = await begin(start, dialect)
    for refusal in REFUSALS:
        for number, body in enumerate(with_key(refusal)):
            upstream.play(Script(PATHS[dialect], (body,), status=status))
            await ask(gateway, *PATH, streamed=number % 2 == 0)
    for form in FORMS:
        upstream.play(Script(PATHS[dialect], (b"<b>%b</b>" % form,), status=status, media_type="text/html"))
        await ask(gateway, *PATH, streamed=False)
    silent(caplog)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_in_an_event_however_the_bytes_are_cut(
    start: Start, upstream: ScriptedUpstream, dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = await begin(start, dialect)
    events = list(REPLY.chunks()) if dialect == "chat" else REPLY.events()
    frames = sse(*events, done=dialect == "chat")
    errors = [REFUSALS[0], {"type": "error", "code": "c", "message": "m"}]
    cuts, surfaces = cycle([1, 7, 20, 1000]), cycle(PATH)
    result = [*enumerate(events), *((at, error) for error in errors for at in (0, len(events) // 2))]
    for at, event in result:
        for payload in with_key(event):
            data = b"".join([*frames[:at], b"data: %b\n\n" % payload, *frames[at + 1 :]])
            size = max(next(cuts), len(data) // 30)
            steps = tuple(data[start_ : start_ + size] for start_ in range(0, len(data), size))
            upstream.play(Script(PATHS[dialect], steps, media_type=SSE, framing="chunked", pause=True))
            await ask(gateway, next(surfaces), streamed=True)
    for odd in (b": %b\n\n", b"event: %b\ndata: x\n\n", b"id: %b\n\n", b"data: x\ndata: %b\ndata: y\n\n"):
        data = odd % FORMS[0] + b"".join(frames)
        upstream.play(Script(PATHS[dialect], (data,), media_type=SSE, framing="chunked"))
        await ask(gateway, *PATH, streamed=True)
    silent(caplog)


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_in_a_header(start: Start, upstream: ScriptedUpstream, dialect: str, status: int) -> None:
    gateway = await begin(start, dialect)
    answer = REPLY.completion() if dialect == "chat" else REPLY.resource()
    script = Script(PATHS[dialect], (json.dumps(answer).encode(),), status=status)
    for name in ("x-request-id", "x-ratelimit-limit-requests", "retry-after", "openai-version", "location"):
        upstream.play(script.adding((name, f"a {KEY} b")))
        await ask(gateway, *PATH, streamed=False)
    upstream.play(script.but(media_type=f'{JSON}; key="{KEY}"'))
    await ask(gateway, *PATH, streamed=False)


async def test_in_the_list_of_models(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await begin(start, "responses")
    for body in with_key({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "x"}]}):
        upstream.play(Script("/v1/models", (body,)))
        for path in ("/v1/models", "/v1/models/m", "/v1/models/x"):
            answer = await gateway.http.get(path)
            assert all(form not in answer.content for form in FORMS)


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_what_only_looks_like_it_keeps_its_bytes(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    gateway = await begin(start, surface)
    answer = REPLY.completion() if surface == "chat" else REPLY.resource()
    near = [
        KEY[:-1],
        KEY[1:],
        KEY.upper(),
        "\\u002d\\/",
        "sk-proj-0123456789abcdef",
        KEY[:15] + " " + KEY[15:],
    ]
    body = json.dumps({**answer, "x": "@"}).replace("@", " ".join(near)).encode()
    upstream.play(Script(PATHS[surface], (body,)))
    assert (await post(gateway, surface)).content == body
