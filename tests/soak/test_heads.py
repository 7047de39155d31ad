"""Faulty heads open nothing and break nothing, and complete requests get an answer."""

import contextlib
import json
import random
from pathlib import Path

from tests.support.e2e.scripted_model import PATHS, ModelReply, whole
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.soak.gateway import gateway
from tests.support.soak.laws import judge
from tests.support.soak.loops import Loop
from tests.support.soak.mutate import broken
from tests.support.soak.raw_http import Answer, Client, NoAnswer, request

TARGETS = (
    "/keys",
    "/keys/generate",
    "/metrics",
    "/usage",
    "/status",
    "/v1/models",
    "/v1/chat/completions",
    "/convert",
    "*",
    "http://127.0.0.1/keys",
    "//keys",
    "/./keys",
    "/x/../keys",
    "/KEYS",
    "/keys;x",
)
METHODS = (
    "GET",
    "POST",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PATCH",
    "TRACE",
    "CONNECT",
    "PRI",
    "get",
    "G\x00T",
)
LINES: tuple[bytes, ...] = (
    b"Host: x",
    b"Host:",
    b"Connection: upgrade\r\nUpgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Content-Length: 0",
    b"Content-Length: +1",
    b"Content-Length: 1, 1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding:\x0bchunked",
    b"Content-Encoding: br",
    b"Content-Encoding: gzip, gzip",
    b"Accept-Encoding: *;q=0",
    b"Range: bytes=0-",
    b"X: " + b"x" * 70_000,
    b"\r\nX: " * 200,
    b"X : y",
    b" folded: x",
    b"X\x00: y",
    b"X: \x00",
    b"\xff\xfe: y",
    b"X-Forwarded-For: 127.0.0.1, , [::1]:x",
    b'Forwarded: for="',
    b"Origin: null",
    b"Origin: http://127.0.0.1",
    b"Authorization: Bearer",
    b"Authorization: Bearer \xff",
    b"Authorization: Basic Og==",
    b"X-Admin-Token: \xe9",
    b"X-Request-Id: \xff",
    b"X-Request-Id: " + b"x" * 5000,
    b"Idempotency-Key: \xe9",
    b"Content-Type: \xff",
    b"X-Chat2response-Fidelity: \xe9",
    b"Cookie: a=b",
    b"If-None-Match: *",
    b"Sec-Fetch-Site: cross-site",
    b"Via: 1.0 x",
    b"X-HTTP-Method-Override: DELETE",
    b"X-Original-URL: /keys",
    b"Connection: close, keep-alive",
)


def head_of(rng: random.Random) -> tuple[bytes, str]:
    """A request with a random fault in its head, and its method."""
    method = rng.choice(METHODS[:3]) if rng.random() < 0.8 else rng.choice(METHODS)
    lines = rng.sample(LINES, rng.choice((0, 1, 1, 2, 3)))
    body = b'{"model":"m","messages":[]}' if method == "POST" and rng.random() < 0.7 else None
    data = request(method, rng.choice(TARGETS), body, *lines)
    if rng.random() < 0.5:
        at = data.index(b"\r\n\r\n") + 4
        data = broken(data[:at], rng) + data[at:]
    if rng.random() < 0.1:
        data = data.replace(
            b"HTTP/1.1", rng.choice((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9", b"")), 1
        )
    return data, method


async def test_heads(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))).but(path=PATHS["chat"]))
    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:

        async def attack(number: int, rng: random.Random) -> str:
            data, method = head_of(rng)
            async with await Client.open(running.port) as client:
                cut = rng.randrange(len(data) + 1)
                await client.send(*filter(None, (data[:cut], data[cut:])))
                with contextlib.suppress(OSError):  # the server may have rejected it already
                    client.writer.write_eof()  # an incomplete request then ends here
                try:
                    answer = await client.answer("HEAD" if method == "HEAD" else "GET")
                except NoAnswer:
                    return "closed"
            try:
                return check(answer, method)
            except AssertionError as error:
                raise AssertionError(f"{error}, for {data[:1000]!r}") from None

        await loop.run(attack, per_round=150)


def check(answer: Answer, method: str) -> str:
    """Checks that the answer is no fault, and shows nothing of the admin plane."""
    if method == "HEAD":
        assert answer.status < 500 or answer.status in (501, 505), str(answer)
        return str(answer.status)
    outcome = judge(answer, faults=(501, 505))
    if answer.status == 200 and answer.headers.get("content-type") == "application/json":
        document = json.loads(answer.body)
        assert not isinstance(document, list) and "details" not in document, (
            f"the admin plane is open: {answer}"
        )
    assert b"chat2response_requests" not in answer.body, "the metrics are open"
    return outcome
