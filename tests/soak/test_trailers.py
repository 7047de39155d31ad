"""Trailers of clients and upstreams change nothing, however reads split them."""

import json
import random
from pathlib import Path

import pytest

from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for
from tests.support.e2e.scripted_model import ModelReply, stream, whole
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.soak.gateway import ADMIN_TOKEN, BY_ADMIN, Gateway, gateway
from tests.support.soak.loops import Loop
from tests.support.soak.raw_http import Client, NoAnswer, ask, chunk, request

_JSON = "Content-Type: application/json"
ANSWER = ModelReply(text=("Hello", " there"))


def trailers(key: str) -> tuple[str, ...]:
    """A trailer for every header that decides something."""
    return (
        f"Authorization: Bearer {key}",
        f"X-Api-Key: {key}",
        f"X-Admin-Token: {ADMIN_TOKEN}",
        f"Authorization: Bearer {ADMIN_TOKEN}",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 x",
        "Host: other.example",
        "Origin: https://evil.example",
        "Content-Length: 3",
        "Transfer-Encoding: identity",
        "Content-Encoding: gzip",
        "Content-Type: text/plain",
        "Connection: close",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Idempotency-Key: one",
        "X-Request-Id: mine",
        "X-Chat2response-Fidelity: strict",
        "X-Chat2response-Client: nobody",
        "Accept-Encoding: gzip",
        "Access-Control-Request-Method: POST",
        "Sec-Fetch-Site: cross-site",
    )


async def send_split(running: Gateway, head: bytes, tail: bytes, rng: random.Random) -> str:
    """Sends a request in one to three pieces, split anywhere; returns the status of the answer.

    Then checks that a second request on the connection works, unless the first closed it.
    """
    data = head + tail
    places = sorted(rng.sample(range(1, len(data)), rng.randrange(3)))
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    async with await Client.open(running.port) as client:
        await client.send(*pieces)
        answer = await client.answer()
        if answer.headers.get("connection") != "close":
            await check_in_step(client)
    return str(answer.status)


async def check_in_step(client: Client) -> None:
    """Checks that the next request gets an answer, a closed connection, or an error about invalid HTTP."""
    await client.send(request("GET", "/livez"))
    try:
        second = await client.answer("GET")
    except NoAnswer:
        return
    assert second.status in (200, 400), f"the connection is out of step: {second}"
    assert second.status == 200 or second.headers["connection"] == "close", str(second)


@pytest.mark.parametrize("access", ["no-key", "key", "no-admin", "admin"])
async def test_trailers_of_clients(
    loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, access: str
) -> None:
    """A trailer does not change the answer."""
    upstream.play(whole("chat", ANSWER))
    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:
        path = "/keys/generate" if access.endswith("admin") else "/v1/chat/completions"
        body = json.dumps({"label": "x"} if access.endswith("admin") else body_for("chat")).encode()
        lines = {"key": [f"Authorization: Bearer {running.key}"], "admin": [BY_ADMIN]}.get(access, [])
        whole_request = request("POST", path, body, _JSON, *lines, chunked=True)
        expected = str((await ask(running.port, whole_request)).status)
        assert expected == ("401" if access.startswith("no") else "200")
        names = trailers(running.key)

        async def attack(number: int, rng: random.Random) -> str:
            lines = rng.sample(names, rng.choice((1, 1, 1, 2, 3)))
            shown = ", ".join(line.partition(":")[0] for line in lines)
            tail = b"0\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
            try:
                status = await send_split(running, whole_request.removesuffix(b"0\r\n\r\n"), tail, rng)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{error!r}, with the trailers {shown}") from None
            assert status in (expected, "400"), f"{status} with the trailers {shown}, {expected} without"
            upstream.requests.clear()
            return status

        await loop.run(attack, per_round=60)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_trailers_of_upstreams(
    loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, dialect: str
) -> None:
    """Trailers do not reach the client, and the next call on the connection works."""
    async with gateway(tmp_path, upstream, dialect, apart=loop.dose.long) as running:

        async def attack(number: int, rng: random.Random) -> str:
            surface: Surface = rng.choice(tuple(PATH))
            streamed = rng.random() < 0.5
            script = (stream if streamed else whole)(dialect, ANSWER)
            names = rng.sample(
                (
                    "X-Leak: 1",
                    "Content-Type: text/html",
                    "Set-Cookie: a=b",
                    "Retry-After: 9",
                    "Content-Length: 5",
                    "Connection: close",
                    "X-Request-Id: theirs",
                ),
                2,
            )
            upstream.play(with_trailers(script, ["X-Leak: 1", *names], rng))
            answer = await running.call(PATH[surface], body_for(surface, streamed=streamed))
            if "Content-Length: 5" in names and answer.status == 502:  # a trailer must not have it
                return "502"
            assert answer.status == 200 and answer.whole, f"{answer}, with the trailers {names}"
            assert "x-leak" not in answer.headers, "a trailer became a header"
            assert answer.is_stream == streamed, str(answer)
            assert b"Hello" in answer.body, str(answer)
            upstream.requests.clear()
            return "a stream" if streamed else "JSON"

        await loop.run(attack, per_round=60, at_once=1)


def with_trailers(script: Script, lines: list[str], rng: random.Random) -> Script:
    """The answer in chunks with trailers, whose tail arrives in two reads."""
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {script.media_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    body = b"".join(chunk(step) for step in script.steps if isinstance(step, bytes))
    tail = b"0\r\n" + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    data = head + body + tail
    at = rng.randrange(len(data) - len(tail), len(data) + 1)
    steps = tuple(step for step in (data[:at], data[at:]) if step)
    return Script(script.path, steps, framing="raw", end="open", pause=True)
