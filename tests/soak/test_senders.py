"""Answers as senders really write them: nothing that a model said vanishes without a word.

Each input is an answer of chance, changed in a way that senders have. What cannot be placed is a named loss
or a failure; a change that leaves the answer plain changes nothing; JSON and stream agree.
"""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.said import CHAT, RESPONSES, STREAM
from tests.soak.gateway import Gateway, gateway
from tests.soak.laws import judge, judge_end
from tests.soak.loops import Loop
from tests.soak.raw import Answer
from tests.soak.senders import NEUTRAL, ODD, Change, Events, changed, joined, spoken
from tests.upstream import Received, Script, ScriptedUpstream

_WORD = re.compile(r"w\d+x")
_LOSSES = "x-chat2response-losses"


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
    end, said = sorted((event["choices"][0] for event in events), key=words_in)
    choice = {**said, "finish_reason": said["finish_reason"] or end["finish_reason"]}
    message = choice.pop("delta", None) or choice.pop("message", None)
    whole = {**events[0], "object": "chat.completion", "choices": [{**choice, "message": message}]}
    return Script(CHAT, (json.dumps(whole).encode(),)), streamed(events)


def words_in(value: Any) -> int:
    """How many of the model's words it holds."""
    return len(_WORD.findall(json.dumps(value)))


def response_of(answer: Answer) -> dict[str, Any]:
    """What the client has in the end: a response, or an error in its place."""
    judge(answer, faults=(502,))
    if not answer.is_stream:
        value: dict[str, Any] = answer.json()
        return value
    judge_end(answer.body, chat=False)
    payloads = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    response: dict[str, Any] = json.loads(payloads[-1])["response"]
    return response


def shape(response: dict[str, Any]) -> Any:
    """How it ended, and what was said: the parts that JSON and stream, or two ways to send it, share."""
    if "output" not in response:
        return "an error"
    return (response["status"], *(json.dumps(without_ids(item)) for item in response["output"]))


def without_ids(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what is drawn for each answer, and without seals."""
    return {name: value for name, value in item.items() if name not in ("id", "encrypted_content")}


def ended_well(response: dict[str, Any]) -> bool:
    """Whether the client believes that it has all."""
    return response.get("status") == "completed"


def names_a_loss(answer: Answer) -> bool:
    """Whether anything is named as lost."""
    return _LOSSES in answer.headers or f": {_LOSSES}:".encode() in answer.body


def hold_the_law(answer: Answer, sent: bytes, about: str) -> dict[str, Any]:
    """Every word that was sent is in the answer, or something is named as lost, or it did not end well."""
    response = response_of(answer)
    if ended_well(response) and not names_a_loss(answer):
        missing = set(_WORD.findall(sent.decode())) - set(_WORD.findall(json.dumps(response)))
        assert not missing, f"{about}: {sorted(missing)} vanished from a completed answer: {answer}"
    return response


@pytest.mark.parametrize("kind", ["neutral", "odd"])
async def test_senders(loop: Loop, upstream: ScriptedUpstream, tmp_path: Path, kind: str) -> None:
    changes = NEUTRAL if kind == "neutral" else ODD
    scripts: dict[str, Script] = {}

    def answer_for(received: Received) -> Script:
        return scripts[received.json()["model"]]

    upstream.play_for(CHAT, answer_for)

    async def ask(running: Gateway, name: str, script: Script) -> Answer:
        scripts[name] = script
        stream = script.media_type == STREAM
        try:
            return await running.call(RESPONSES, {"model": name, "input": "x", "stream": stream})
        finally:
            upstream.requests.clear()
            del scripts[name]

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
                expected = response_of(await ask(running, name, streamed(plain)))
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
