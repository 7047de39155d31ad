"""Sealed reasoning that the client sends back: any replica opens it, for its own tenant only."""

import json
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, Call, ModelReply, speaking
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

LOSSES = "x-chat2response-losses"
INCLUDE = ["reasoning.encrypted_content"]
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]}
SHARED = {"chat2response_seal_key": "shared-by-all-replicas-" + "0" * 16}
THOUGHT = "First I look."


def thinking(request: Received) -> Script:
    """A model that reasons and calls the tool once more than the history does."""
    number = sum(1 for message in request.json()["messages"] if message["role"] == "tool")
    reply = ModelReply(reasoning=(f"{THOUGHT} ({number})",), calls=(Call("look", ("{}",), f"call_{number}"),))
    return speaking("chat", reply)(request)


async def turn(gateway: Running, items: list[Any], key: str | None = None, **more: Any) -> Any:
    """One turn like Codex's: streamed, not stored; returns the response."""
    body = {"include": INCLUDE, "store": False, "stream": True, "tools": [TOOL], "model": "m", **more}
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    answer = await gateway.post("/v1/responses", {**body, "input": items}, headers=headers)
    assert answer.status_code == 200, answer.text
    if not body["stream"]:
        return answer.json()
    last = [line for line in answer.text.splitlines() if line.startswith("data: {")][-1]
    return json.loads(last.removeprefix("data: "))["response"]


def replayed_items(response: Any) -> list[Any]:
    """The items as Codex sends them back: content is null, and each call has its output."""
    items = []
    for item in response["output"]:
        items.append({**item, "content": None} if item["type"] == "reasoning" else item)
        if item["type"] == "function_call":
            items.append({"type": "function_call_output", "call_id": item["call_id"], "output": "seen"})
    return items


def spoken(upstream: ScriptedUpstream) -> list[Any]:
    """The reasoning in the upstream request, turn by turn."""
    messages = upstream.last.json()["messages"]
    return [message.get("reasoning_content") for message in messages if message["role"] == "assistant"]


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "json"])
@pytest.mark.parametrize("mode", ["managed", "open", "passthrough"])
async def test_row_3_any_replica_gives_it_back(
    start: Start, upstream: ScriptedUpstream, mode: str, streamed: bool
) -> None:
    upstream.play_for(CHAT, thinking)
    replicas = [await start("chat", store="sqlite", chat2response_auth_mode=mode, **SHARED) for _ in range(2)]
    items: list[Any] = [USER]
    for number in range(4):
        response = await turn(replicas[number % 2], items, replicas[0].key, stream=streamed)
        items += replayed_items(response)
        thoughts = [item for item in response["output"] if item["type"] == "reasoning"]
        assert [item["summary"][0]["text"] for item in thoughts] == [f"{THOUGHT} ({number})"]
        assert THOUGHT not in thoughts[0]["encrypted_content"]
        assert spoken(upstream) == [f"{THOUGHT} ({before})" for before in range(number)]


async def test_row_33_a_longer_history_begins_with_the_bytes_of_the_shorter(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """A seal opens to the same bytes in every turn."""
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", **SHARED)
    items: list[Any] = [USER]
    for _ in range(10):
        items += replayed_items(await turn(gateway, items))
    bodies = [request.body for request in upstream.requests]
    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))


async def test_it_wins_over_what_the_client_shows(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", **SHARED)
    items = replayed_items(await turn(gateway, [USER], reasoning={"summary": "auto"}))
    assert items[0]["summary"][0]["text"] == f"{THOUGHT} (0)"
    items[0]["summary"] = [{"type": "summary_text", "text": "He thought."}]
    await turn(gateway, [USER, *items])
    assert spoken(upstream) == [f"{THOUGHT} (0)"]


async def test_hidden_reasoning_travels_all_the_same(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", chat2response_reasoning="hide", **SHARED)
    response = await turn(gateway, [USER])
    assert (response["output"][0]["summary"], "content" in response["output"][0]) == ([], False)
    await turn(gateway, [USER, *replayed_items(response)])
    assert spoken(upstream) == [f"{THOUGHT} (0)"]


async def test_who_did_not_ask_gets_none(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", **SHARED)
    response = await turn(gateway, [USER], include=[])
    assert "encrypted_content" not in response["output"][0]


async def lost(gateway: Running, items: list[Any], key: str, **more: Any) -> str | None:
    """The losses of a JSON turn."""
    body = {"model": "m", "input": [USER, *items], "tools": [TOOL], "store": False, **more}
    answer = await gateway.post("/v1/responses", body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    header: str | None = answer.headers.get(LOSSES)
    return header


async def test_row_29_another_tenants_never_opens(start: Start, upstream: ScriptedUpstream) -> None:
    """A seal that is altered or another tenant's is stripped, and reported as a loss."""
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", **SHARED)
    stranger = await gateway.issue()
    items = replayed_items(await turn(gateway, [USER]))
    items[0] = {**items[0], "summary": []}  # nothing of it is to be seen
    stripped = "input[1].encrypted_content; dropped"

    assert await lost(gateway, items, stranger) == stripped
    assert spoken(upstream) == [None]

    sealed = items[0]["encrypted_content"]
    for blob in (sealed[:-2], sealed.swapcase(), "gAAAAABfromopenai==", ""):
        altered = [{**items[0], "encrypted_content": blob}, *items[1:]]
        assert await lost(gateway, altered, gateway.key) == stripped
        assert spoken(upstream) == [None]

    shown = {
        **items[0],
        "encrypted_content": "gAAAAABfromopenai==",
        "summary": [{"type": "summary_text", "text": "Hm."}],
    }
    assert await lost(gateway, [shown, *items[1:]], gateway.key) == stripped
    assert spoken(upstream) == ["Hm."]

    assert await lost(gateway, items, gateway.key, model="another") == stripped
    assert await lost(gateway, items, gateway.key) is None
    assert spoken(upstream) == [f"{THOUGHT} (0)"]


async def test_callers_without_a_key_are_told_apart_by_none(start: Start, upstream: ScriptedUpstream) -> None:
    """Passthrough: the bearer is the tenant; without one it is bound to the upstream alone."""
    upstream.play_for(CHAT, thinking)
    gateway = await start("chat", managed=False, **SHARED)
    items = replayed_items(await turn(gateway, [USER], "sk-a"))
    assert await lost(gateway, items, "sk-b") == "input[1].encrypted_content; dropped"
    assert await lost(gateway, items, "sk-a") is None

    del gateway.http.headers["authorization"]
    items = replayed_items(await turn(gateway, [USER]))
    await turn(gateway, [USER, *items])
    assert spoken(upstream) == [f"{THOUGHT} (0)"]


async def test_a_key_is_rotated_without_a_loss(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, thinking)
    old, new = SHARED["chat2response_seal_key"], "new-" + "1" * 32
    before = await start("chat", chat2response_auth_mode="open", chat2response_seal_key=old)
    during = await start("chat", chat2response_auth_mode="open", chat2response_seal_key=f"{new},{old}")
    after = await start("chat", chat2response_auth_mode="open", chat2response_seal_key=new)
    items = replayed_items(await turn(before, [USER]))
    assert await lost(during, items, "x") is None
    assert await lost(after, items, "x") == "input[1].encrypted_content; dropped"
    items = replayed_items(await turn(during, [USER]))
    assert await lost(after, items, "x") is None
