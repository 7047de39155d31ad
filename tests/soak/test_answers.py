"""Upstreams with faulty bodies, statuses, heads or ends: clients get an error, or one complete end."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for
from tests.support.e2e.scripted_model import PATHS, STREAM
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream
from tests.support.soak.gateway import gateway
from tests.support.soak.laws import judge, judge_end
from tests.support.soak.loops import Loop
from tests.support.soak.mutate import broken, changed, encoded
from tests.support.soak.raw_http import Answer
from tests.support.soak.samples import ANSWER, REFUSED

MODELS = tuple(PATH)
_ODD = (100, 101, 199, 201, 204, 206, 299, 301, 304, 399, 418, 499, 529, 599, 600, 700, 999)
STATUSES = (*_ODD, 200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504)
HEADS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/html"),
    ("Content-Type", ""),
    ("Content-Type", "text/event-stream"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "what"),
    ("Retry-After", "x"),
    ("Retry-After", "9" * 400),
    ("Content-Length", "-1"),
    ("Content-Length", "10"),
    ("Content-Length", "9" * 30),
    ("Transfer-Encoding", "gzip"),
    ("Connection", "close"),
    ("Location", "http://127.0.0.1:1/"),
    ("X-Long", "x" * 100_000),
    ("X-\xe9", "\xff\x00"),
    ("Set-Cookie", "a=b"),
    ("x-ratelimit-limit-requests", "\u0661".encode().decode("latin-1")),
    ("Upgrade", "h2c"),
)
RAW = (
    b"",
    b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n{}",
    b"HTTP/2 200\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    b"SSH-2.0-x\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX\r\n\r\n",
    b"\x00" * 500,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    b"HTTP/1.1 99999 OK\r\nContent-Length: 2\r\n\r\n{}",
)
"""Bytes that are sent in place of an answer."""


def frames_of(dialect: str, rng: random.Random) -> tuple[bytes, ...]:
    """A stream with a fault in an event, in the order of the events, or in the bytes."""
    answer = rng.choice((ANSWER, REFUSED))
    events: list[Any] = list(answer.chunks()) if dialect == "chat" else answer.events()
    at, kind = rng.randrange(len(events)), rng.random()
    if kind < 0.5:
        events[at] = changed(events[at], rng)
    elif kind < 0.6:
        del events[at]
    elif kind < 0.7:
        events.insert(rng.randrange(len(events)), events[at])
    steps = [frame(event, rng) for event in events]
    if dialect == "chat":
        steps.append(b"data: [DONE]\n\n")
    if kind > 0.7:
        at = rng.randrange(len(steps))
        steps[at] = broken(steps[at], rng)
    if kind > 0.9:
        steps = steps[:at]
    return tuple(step for step in steps if step)


def frame(event: Any, rng: random.Random) -> bytes:
    """The bytes of an event, with its name if it has one."""
    kind = event.get("type") if isinstance(event, dict) else None
    name = f"event: {kind}\n" if isinstance(kind, str) and kind.isascii() and kind.isprintable() else ""
    return name.encode() + b"data: %b\n\n" % encoded(event, rng)


def script_of(dialect: str, streamed: bool, rng: random.Random) -> Script:
    """An answer with a random fault."""
    if rng.random() < 0.1:
        return Script(PATHS[dialect], (rng.choice(RAW),), framing="raw")
    if streamed:
        script = Script(PATHS[dialect], frames_of(dialect, rng), media_type=STREAM, framing="chunked")
    else:
        value = ANSWER.completion() if dialect == "chat" else ANSWER.resource()
        body = encoded(changed(value, rng), rng)
        script = Script(PATHS[dialect], (broken(body, rng) if rng.random() < 0.3 else body,))
    kind = rng.random()
    if kind < 0.2:
        script = script.but(status=rng.choice(STATUSES))
    elif kind < 0.3:
        script = script.adding(rng.choice(HEADS))
    elif kind < 0.4:
        script = script.but(
            end=rng.choice(("cut", "reset")), framing=rng.choice(("length", "chunked", "close"))
        )
    return replace(script, pause=rng.random() < 0.5)


def shape_of(surface: Surface, answer: Answer, script: Script, *, converted: bool, streamed: bool) -> str:
    """Checks an answer against the laws; returns the outcome."""
    if answer.status >= 500 and script.status >= 500 and answer.status == script.status:
        return f"{answer.status} of the upstream"
    outcome = judge_relayed(answer) if not converted else judge(answer, faults=(502, 504))
    if converted and answer.status == 200:
        assert answer.is_stream == streamed, f"asked for {'a stream' if streamed else 'JSON'}: {answer}"
        if streamed:
            return judge_end(answer.body, chat=surface == "chat")
    return outcome


def judge_relayed(answer: Answer) -> str:
    """An upstream's own errors pass through; an error of the gateway must be no 500."""
    assert answer.status not in (500, 501), f"a fault of the gateway: {answer}"
    if answer.is_stream:
        assert answer.whole, f"a stream ended inside its framing: {answer.body[-300:]!r}"
        assert answer.body.endswith((b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n")) or not answer.body
    return str(answer.status)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_answers(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, dialect: str) -> None:
    scripts: dict[str, Script] = {}

    def answer_for(received: Received) -> Script:
        return scripts[received.json()["model"]]

    upstream.play_for(PATHS[dialect], answer_for)
    async with gateway(
        tmp_path, upstream, dialect, CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS="5", apart=loop.dose.long
    ) as running:

        async def attack(number: int, rng: random.Random) -> str:
            surface, streamed = rng.choice(MODELS), rng.random() < 0.6
            converted = (surface == "chat") == (dialect == "responses")
            name = f"model-{number}"
            script = scripts[name] = script_of(dialect, streamed, rng)
            body = body_for(surface, streamed=streamed) | {"model": name}
            answer = await running.call(PATH[surface], body)
            upstream.requests.clear()
            del scripts[name]
            try:
                return shape_of(surface, answer, script, converted=converted, streamed=streamed)
            except AssertionError as error:
                raise AssertionError(f"{error}, for {surface}, stream={streamed}, of {script}") from None

        await loop.run(attack, per_round=100)
