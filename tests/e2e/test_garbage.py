"""A call frees its memory when it ends: nothing is left for the garbage collector."""

import gc
import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, MethodType
from typing import Any

import httpx2
import pytest

import chat2response
from chat2response.net.http_response import MAX_BODY
from tests.e2e.conftest import Start
from tests.e2e.test_unread import is_answered
from tests.support.e2e.dialect_pairs import PATH, body_for, every_way, post
from tests.support.e2e.scripted_model import CHAT, RESPONSES, STREAM
from tests.support.http_requests import until
from tests.support.scripted_upstream import Script, ScriptedUpstream

DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
EVENT = (
    b'data: {"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,'
    b'"delta":"word "}\n\n'
)
PACKAGE = str(Path(chat2response.__file__).parent)
OURS = ("chat2response.", "uvicorn.", "httptools.")
_CODES = ("__code__", "gi_code", "cr_code", "ag_code")


class Garbage:
    """The objects that only the garbage collector freed."""

    def __init__(self) -> None:
        self.leaked: list[str] = []


def _name(each: Any) -> str | None:
    kind = type(each)
    if isinstance(each, FrameType):
        return f"frame {each.f_code.co_qualname}" if each.f_code.co_filename.startswith(PACKAGE) else None
    code = next((getattr(each, name) for name in _CODES if hasattr(each, name)), None)
    if code is not None and code.co_filename.startswith(PACKAGE):
        return f"{kind.__name__} {code.co_qualname}"
    if isinstance(each, MethodType):
        each = each.__self__
        kind = type(each)
    return f"{kind.__module__}.{kind.__qualname__}" if kind.__module__.startswith(OURS) else None


@contextmanager
def no_collector() -> Iterator[Garbage]:
    """Runs the body with the collector disabled, then collects and records what it had to free."""
    garbage = Garbage()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield garbage
        gc.collect()
        garbage.leaked = sorted({name for each in gc.garbage if (name := _name(each))})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def body(text: bytes, **more: Any) -> dict[str, Script]:
    return {"chat": Script(CHAT, (text,), **more), "responses": Script(RESPONSES, (text,), **more)}


ENDS: dict[str, dict[str, Script]] = {
    "refused": body(b'{"error":{"message":"no","type":"invalid_request_error"}}', status=400),
    "no-json": body(b"<html>"),
    "failed": body(b'{"error":{"message":"no"}}'),
    "cut": body(b'{"id":', end="cut"),
    "reset": body(b'{"id":', end="reset"),
    "not-http": body(b"What?\r\n\r\n", framing="raw"),
    "odd-status": body(b"HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n", framing="raw"),
    "odd-coding": body(b"{}", headers=(("content-encoding", "odd"),)),
    "bad-coding": body(b"{}", headers=(("content-encoding", "gzip"),)),
    "stream-error": body(b'data: {"error":{"message":"no"}}\n\n', media_type=STREAM),
    "stream-no-json": body(b"data: {\n\n", media_type=STREAM),
    "stream-bad-coding": body(b"{}", media_type=STREAM, headers=(("content-encoding", "gzip"),)),
    "stream-empty": body(b"", media_type=STREAM),
    "stream-cut": {
        "chat": Script(CHAT, (DELTA,), media_type=STREAM, end="reset", framing="chunked"),
        "responses": Script(RESPONSES, (EVENT,), media_type=STREAM, end="reset", framing="chunked"),
    },
    "stream-late-no-json": {
        "chat": Script(CHAT, (DELTA, b"data: {\n\n"), media_type=STREAM, framing="chunked", pause=True),
        "responses": Script(
            RESPONSES, (EVENT, b"data: {\n\n"), media_type=STREAM, framing="chunked", pause=True
        ),
    },
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("end", ENDS)
@every_way
async def test_a_call_that_fails_leaves_nothing_for_the_collector(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str, end: str, streamed: bool
) -> None:
    upstream.play(ENDS[end][dialect])
    gateway = await start(dialect)
    gateway.recorder.judged = False

    async def call() -> None:
        with suppress(httpx2.HTTPError):
            await post(gateway, surface, streamed=streamed)
        await gateway.idle()

    await call()
    with no_collector() as garbage:
        await call()
    assert not garbage.leaked


@every_way
async def test_an_answer_that_is_too_large_goes_with_its_call(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str
) -> None:
    """Each would leave 64 MiB in the frame that read them."""
    piece = b"[]," * 350_000
    pieces = (b"[", *[piece] * (MAX_BODY // len(piece) + 2))
    upstream.play(*(Script(path, pieces, framing="chunked") for path in (CHAT, RESPONSES)))
    gateway = await start(dialect)
    with no_collector() as garbage:
        answer = await post(gateway, surface)
        await gateway.idle()
    assert answer.json()["error"]["code"] == "upstream_too_large"
    assert not garbage.leaked


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "too-large": (b" " * 300_000, {}),
    "unpacks-too-large": (gzip.compress(b" " * 300_000), {"content-encoding": "gzip"}),
    "damaged": (gzip.compress(b" " * 300_000)[:-9], {"content-encoding": "gzip"}),
    "odd-coding": (b"{}", {"content-encoding": "odd"}),
    "no-json": (b"[" * 150_000, {}),
    "no-object": (json.dumps(["x" * 150_000]).encode(), {}),
    "too-many-containers": (b"[" + b"{}," * 66_000 + b"1]", {}),
    "no-model": (json.dumps({"input": "x" * 150_000}).encode(), {}),
    "wrong-type": (json.dumps({"model": "m", "input": 7, "messages": 7, "stream": "x" * 9}).encode(), {}),
    "no-key": (b"{}", {"authorization": "Bearer sk-c2r-wrong"}),
}


@pytest.mark.parametrize("kind", BODIES)
@every_way
async def test_a_request_that_is_refused_leaves_nothing_for_the_collector(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str, kind: str
) -> None:
    upstream.play(ENDS["refused"][dialect])
    gateway = await start(dialect, max_body_bytes=250_000)
    body, headers = BODIES[kind]

    async def call() -> int:
        answer = await gateway.post(PATH[surface], body, headers=headers)
        await gateway.idle()
        return int(answer.status_code)

    assert await call() >= 400
    with no_collector() as garbage:
        assert await call() >= 400
    assert not garbage.leaked


@pytest.mark.parametrize("reading", ["unread", "at-once"])
@every_way
async def test_a_stream_that_its_client_leaves_goes_with_both_of_its_connections(
    start: Start, upstream: ScriptedUpstream, surface: Any, dialect: str, reading: str
) -> None:
    path, delta = (CHAT, DELTA) if dialect == "chat" else (RESPONSES, EVENT)
    steps = (delta * 200_000,) if reading == "unread" else (delta,)
    upstream.play(Script(path, steps, media_type=STREAM, framing="close", end="stall"))
    gateway = await start(dialect)
    sent = json.dumps(body_for(surface, streamed=True)).encode()
    head = f"POST {PATH[surface]} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"

    async def call() -> None:
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall(head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(sent), sent))
            await until(lambda: is_answered(client))
        await until(lambda: not gateway.connections)
        await gateway.idle()
        await upstream.until(lambda: not upstream.open)

    await call()
    with no_collector() as garbage:
        for _ in range(3):
            await call()
    assert not garbage.leaked
