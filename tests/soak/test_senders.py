"""Chat answers as real upstreams send them: content never vanishes silently.

Each input is a random answer with a change that real senders make. Content that cannot be converted is a
named loss or a failure; a neutral change changes nothing; JSON and stream agree.
"""

import json
import random
from pathlib import Path

import pytest

from tests.soak.senders.changes import Change, Events, changed, markers_in, random_answer
from tests.soak.senders.chat import NEUTRAL, join_deltas
from tests.soak.senders.chat_odd import ODD
from tests.soak.senders.checks import check_nothing_lost, result_of, shape
from tests.soak.senders.scripted_calls import ScriptedCalls
from tests.support.e2e.scripted_model import CHAT, RESPONSES, STREAM
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.soak.gateway import Gateway, gateway
from tests.support.soak.loops import Loop
from tests.support.soak.raw_http import Answer


def streamed(events: Events) -> Script:
    """The chunks as a stream."""
    frames = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    return Script(CHAT, (*frames, b"data: [DONE]\n\n"), media_type=STREAM, framing="chunked")


def at_once(plain: Events, change: Change, rng: random.Random) -> tuple[Script, Script] | None:
    """Applies the change to an answer in one message: as JSON, and as a stream of one chunk.

    None if the result is not exactly one message.
    """
    events = changed(join_deltas(plain), change, rng)
    if len(events) != 2 or not all(isinstance(event.get("choices"), list) for event in events):
        return None
    end, content = sorted(
        (event["choices"][0] for event in events), key=lambda choice: len(markers_in(choice))
    )
    choice = {**content, "finish_reason": content["finish_reason"] or end["finish_reason"]}
    message = choice.pop("delta", None) or choice.pop("message", None)
    whole = {**events[0], "object": "chat.completion", "choices": [{**choice, "message": message}]}
    return Script(CHAT, (json.dumps(whole).encode(),)), streamed(events)


@pytest.mark.parametrize("kind", ["neutral", "odd"])
async def test_senders(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, kind: str) -> None:
    changes = NEUTRAL if kind == "neutral" else ODD
    calls = ScriptedCalls(upstream, CHAT)

    async def ask(running: Gateway, name: str, script: Script) -> Answer:
        body = {"model": name, "input": "x", "stream": script.media_type == STREAM}
        return await calls.call(running, RESPONSES, body, script)

    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:

        async def attack(number: int, rng: random.Random) -> str:
            plain = list(random_answer(rng).chunks())
            about, change = rng.choice(list(changes.items()))
            events = changed(plain, change, rng)
            name = f"model-{number}"
            script = streamed(events)
            answer = await ask(running, name, script)
            sent = b"".join(step for step in script.steps if isinstance(step, bytes))
            response = check_nothing_lost(answer, sent, about)
            if kind == "neutral":
                expected = result_of(await ask(running, name, streamed(plain)))
                actual, wanted = shape(response), shape(expected)
                assert actual == wanted, f"{about} changed the answer: {actual}, not {wanted}, sent {sent!r}"
                assert response["usage"] == expected["usage"], f"{about} changed the usage, sent {sent!r}"
            if pair := at_once(plain, change, rng):
                body = bytes(pair[0].steps[0])  # type: ignore[arg-type]
                whole, single = [await ask(running, name, each) for each in pair]
                one = shape(check_nothing_lost(whole, body, f"{about}, as JSON"))
                # Unknown keys of a chunk with known content are ignored.
                partly = about == "another spelling"
                other = shape(check_nothing_lost(single, b"" if partly else body, f"{about}, in one chunk"))
                equal = one == other or (one == "an error" and other[0] == "failed")
                assert equal, f"{about}: JSON and stream differ: {one} and {other}, sent {body!r}"
            return about

        await loop.run(attack, per_round=100)
