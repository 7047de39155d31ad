"""Faulty bodies at every endpoint of the data plane, with and without a key, never cause a 500."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e.scripted_model import PATHS, Model
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream
from tests.support.soak.gateway import gateway
from tests.support.soak.laws import judge, judge_end
from tests.support.soak.loops import Loop
from tests.support.soak.mutate import broken, changed, encoded, nested
from tests.support.soak.raw_http import ask, request
from tests.support.soak.samples import ANSWER, CHAT, RESPONSES

ENDPOINTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", CHAT),
    ("/v1/responses", RESPONSES),
    ("/proxy", CHAT),
    ("/convert", CHAT),
    ("/convert?to=chat&report=1", RESPONSES),
)
LARGE = 250 * 1024
"""Bytes of the bodies that consist almost only of containers."""
BOMB = 16 * 2**20
"""Decompressed bytes of some of them."""


def lenient(dialect: str) -> Any:
    """A model that answers any request."""
    model = Model(dialect, ANSWER)

    def answer(received: Received) -> Script:
        try:
            fields = json.loads(received.body)
            streamed = bool(fields.get("stream"))
        except (ValueError, AttributeError):
            streamed = False
        received.body = json.dumps({"stream": streamed, "stream_options": {"include_usage": True}}).encode()
        return model(received)

    return answer


def body_of(base: dict[str, Any], rng: random.Random) -> bytes:
    """A body with a random fault; sometimes one that is only large."""
    kind = rng.random()
    if kind < 0.02:
        return nested(BOMB if kind < 0.005 else LARGE, rng)
    base = base | {"stream": rng.random() < 0.5}
    if kind < 0.7:
        return encoded(changed(base, rng), rng)
    return broken(encoded(base, rng), rng)


def request_of(path: str, body: bytes, rng: random.Random, key: str) -> tuple[bytes, bool]:
    """The request, and whether its key is valid."""
    good = rng.random() < 0.8
    bearer = (
        f"Authorization: Bearer {key}"
        if good
        else rng.choice(("X-No: key", "Authorization: Bearer sk-wrong"))
    )
    lines = [
        bearer,
        rng.choice(("Content-Type: application/json",) * 8 + ("Content-Type: text/plain", "X-None: y")),
    ]
    if rng.random() < 0.1 or len(body) > LARGE:
        body = gzip.compress(body)
        lines.append("Content-Encoding: gzip")
    return request("POST", path, body, *lines, chunked=rng.random() < 0.1), good


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_bodies(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], lenient(dialect))
    async with gateway(tmp_path, upstream, dialect, apart=loop.dose.long) as running:

        async def attack(number: int, rng: random.Random) -> str:
            path, base = rng.choice(ENDPOINTS)
            body = body_of(base, rng)
            data, good = request_of(path, body, rng, running.key)
            cut = rng.randrange(len(data)) if rng.random() < 0.2 else len(data)
            answer = await ask(running.port, data[:cut], *filter(None, (data[cut:],)))
            upstream.requests.clear()
            try:
                outcome = judge(answer, faults=(501, 502) if good else ())
                assert good or path.startswith("/convert") or answer.status in (400, 401), str(answer)
                converted = (path == "/v1/chat/completions") == (dialect == "responses")
                if answer.status == 200 and answer.is_stream and converted:
                    judge_end(answer.body, chat=path == "/v1/chat/completions")
            except AssertionError as error:
                raise AssertionError(f"{error}, for {path} {body[:1000]!r}") from None
            return outcome

        await loop.run(attack, per_round=100)
