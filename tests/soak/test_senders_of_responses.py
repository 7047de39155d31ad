"""Responses answers as real upstreams send them, read by Chat clients: content never vanishes silently.

The law is that of Chat upstreams (`test_senders`). The events come in several framings: with names or
without, with the type only in the name, with `[DONE]` or without.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.senders.changes import Events, changed, random_answer
from tests.soak.senders.checks import Result, call_ids, check_nothing_lost, shape
from tests.soak.senders.responses import NEUTRAL, events_of
from tests.soak.senders.responses_odd import ODD, ODD_WHOLE
from tests.soak.senders.responses_whole import WHOLE
from tests.soak.senders.scripted_calls import ScriptedCalls
from tests.support.e2e.scripted_model import CHAT, RESPONSES, STREAM
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.loops import Loop
from tests.support.soak.raw_http import Answer

Framing = Callable[[Events], list[bytes]]


def _named(events: Events) -> list[bytes]:
    return [f"event: {e.get('type')}\ndata: {json.dumps(e)}\n\n".encode() for e in events]


def _nameless(events: Events) -> list[bytes]:
    return [f"data: {json.dumps(e)}\n\n".encode() for e in events]


def _with_done(events: Events) -> list[bytes]:
    return [*_named(events), b"data: [DONE]\n\n"]


def _name_only(events: Events) -> list[bytes]:
    parts = [(e.get("type"), {name: e[name] for name in e if name != "type"}) for e in events]
    return [f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode() for kind, data in parts]


FRAMINGS: dict[str, Framing] = {
    "with names": _named,
    "without names": _nameless,
    "with [DONE]": _with_done,
    "the type in the name only": _name_only,
}


def streamed(events: Events, framing: Framing = _named) -> Script:
    """The events as a stream."""
    return Script(RESPONSES, tuple(framing(events)), media_type=STREAM, framing="chunked")


def checked(answer: Answer, script: Script, about: str) -> Result:
    """What the client has; checks that each call has a unique id."""
    result = check_nothing_lost(answer, b"".join(map(bytes, script.steps)), about, chat=True)  # type: ignore[arg-type]
    ids = call_ids(result)
    assert all(ids) and len(set(ids)) == len(ids), f"{about}: each call needs a unique id: {ids}"
    return result


@pytest.mark.parametrize("kind", ["neutral", "odd"])
async def test_senders_of_responses(
    loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, kind: str
) -> None:
    neutral = kind == "neutral"
    changes, wholes = (NEUTRAL, WHOLE) if neutral else (ODD, ODD_WHOLE)
    calls = ScriptedCalls(upstream, RESPONSES)

    async def ask(running: Gateway, name: str, script: Script) -> Answer:
        body = {"model": name, "messages": [{"role": "user", "content": "x"}]}
        return await calls.call(running, CHAT, {**body, "stream": script.media_type == STREAM}, script)

    async with gateway(tmp_path, upstream, "responses", apart=loop.dose.long) as running:

        async def result(number: int, script: Script, about: str) -> Result:
            return checked(await ask(running, f"model-{number}", script), script, about)

        async def attack(number: int, rng: random.Random) -> str:
            turns = [random_answer(rng, at * 1000) for at in range(rng.choice((1, 1, 2, 3)))]
            plain, resource = events_of(*(replace(turn, summarised=rng.random() < 0.5) for turn in turns))
            about, change = rng.choice(list(changes.items()))
            framed, framing = rng.choice(list(FRAMINGS.items()))
            script = streamed(changed(plain, change, rng), framing)
            actual = shape(await result(number, script, f"{about}, {framed}"))
            wanted = shape(await result(number, streamed(plain), "plain"))
            if neutral:
                assert actual == wanted, f"{about}, {framed}: {actual}, not {wanted}, sent {script.steps!r}"
            of_whole, whole_change = rng.choice(list(wholes.items()))
            body = whole_change(copy.deepcopy(resource), rng)
            json_script = Script(RESPONSES, (json.dumps(body).encode(),))
            one = await result(number, json_script, f"{of_whole}, as JSON")
            end = {"type": f"response.{body.get('status') or 'completed'}", "response": body}
            other = await result(number, streamed([end]), f"{of_whole}, in one event")
            agree(one, other, f"{of_whole}: {json_script.steps!r}")
            if neutral:
                assert shape(one) == wanted, f"{of_whole}: {one}, not {wanted}, sent {json_script.steps!r}"
            return about

        await loop.run(attack, per_round=100)


def agree(whole: Result, streamed: Result, about: str) -> None:
    """Checks that JSON and stream have the same content, or both fail."""
    if "error" in whole or "error" in streamed:
        assert "error" in whole and "error" in streamed, f"{about}: {whole} and {streamed}"
    else:
        assert shape(whole) == shape(streamed), f"{about}: {whole} and {streamed}"
