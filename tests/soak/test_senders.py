"""Answers as senders really write them: nothing that a model said vanishes without a word.

Each input is an answer of chance, changed in a way that senders have. What cannot be placed is a named loss
or a failure; a change that leaves the answer plain changes nothing; JSON and stream agree.
"""

import json
import random
from pathlib import Path

import pytest

from tests.soak.senders.asking import Asking
from tests.soak.senders.chat import NEUTRAL, joined
from tests.soak.senders.chat_odd import ODD
from tests.soak.senders.law import hold_the_law, result_of, shape
from tests.soak.senders.words import Change, Events, changed, spoken, words_in
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
    """The same change to an answer whose words stand in one message: as JSON, and as a stream of one chunk.

    None where the change makes more than one message of it, or none.
    """
    events = changed(joined(plain), change, rng)
    if len(events) != 2 or not all(isinstance(event.get("choices"), list) for event in events):
        return None
    end, reply = sorted((event["choices"][0] for event in events), key=lambda choice: len(words_in(choice)))
    choice = {**reply, "finish_reason": reply["finish_reason"] or end["finish_reason"]}
    message = choice.pop("delta", None) or choice.pop("message", None)
    whole = {**events[0], "object": "chat.completion", "choices": [{**choice, "message": message}]}
    return Script(CHAT, (json.dumps(whole).encode(),)), streamed(events)


@pytest.mark.parametrize("kind", ["neutral", "odd"])
async def test_senders(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, kind: str) -> None:
    changes = NEUTRAL if kind == "neutral" else ODD
    asking = Asking(upstream, CHAT)

    async def ask(running: Gateway, name: str, script: Script) -> Answer:
        body = {"model": name, "input": "x", "stream": script.media_type == STREAM}
        return await asking.ask(running, RESPONSES, body, script)

    async with gateway(tmp_path, upstream, "chat", apart=loop.dose.long) as running:

        async def attack(number: int, rng: random.Random) -> str:
            plain = list(spoken(rng).chunks())
            about, change = rng.choice(list(changes.items()))
            events = changed(plain, change, rng)
            name = f"model-{number}"
            script = streamed(events)
            answer = await ask(running, name, script)
            sent = b"".join(step for step in script.steps if isinstance(step, bytes))
            response = hold_the_law(answer, sent, about)
            if kind == "neutral":
                expected = result_of(await ask(running, name, streamed(plain)))
                came, due = shape(response), shape(expected)
                assert came == due, f"{about} changed the answer: {came}, not {due}, sent {sent!r}"
                assert response["usage"] == expected["usage"], f"{about} changed the usage, sent {sent!r}"
            if pair := at_once(plain, change, rng):
                body = bytes(pair[0].steps[0])  # type: ignore[arg-type]
                whole, single = [await ask(running, name, each) for each in pair]
                one = shape(hold_the_law(whole, body, f"{about}, as JSON"))
                # Of a chunk with words that are known, the keys that are not are not looked at.
                partly = about == "another spelling"
                other = shape(hold_the_law(single, b"" if partly else body, f"{about}, in one chunk"))
                agreed = one == other or (one == "an error" and other[0] == "failed")
                assert agreed, f"{about}: JSON and stream differ: {one} and {other}, sent {body!r}"
            return about

        await loop.run(attack, per_round=100)
