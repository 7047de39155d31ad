"""State that a Chat upstream lacks is rejected by name; a Responses upstream gets it."""

import asyncio
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface
from tests.support.e2e.dialect_pairs import PATH, body_for, error_of, json_or_stream, post
from tests.support.e2e.scripted_model import PATHS, ModelReply, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
STATE: list[tuple[str, Any]] = [
    ("previous_response_id", "resp_1"),
    ("conversation", "conv_1"),
    ("conversation", {"id": "conv_1"}),
    ("background", True),
]


@json_or_stream
@pytest.mark.parametrize(("name", "value"), STATE, ids=["previous", "conversation", "object", "background"])
@pytest.mark.parametrize("surface", ["responses", "proxy"])
@pytest.mark.parametrize("managed", [True, False], ids=["managed", "passthrough"])
async def test_it_is_refused_on_a_chat_upstream(
    start: Start,
    upstream: ScriptedUpstream,
    surface: Surface,
    name: str,
    value: Any,
    streamed: bool,
    managed: bool,
) -> None:
    gateway = await start("chat", managed=managed)

    answer = await post(gateway, surface, streamed=streamed, **{name: value})

    assert answer.status_code == 400
    assert error_of(answer)["param"] == name
    assert error_of(answer)["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("query", "param"),
    [("conversation_id=conv_1", "conversation"), ("previous_response_id=resp_1", "previous_response_id")],
)
async def test_it_is_refused_in_the_query_of_proxy(
    start: Start, upstream: ScriptedUpstream, query: str, param: str
) -> None:
    gateway = await start("chat")

    answer = await gateway.post(f"/proxy?{query}", body_for("proxy"))

    assert answer.status_code == 400
    assert error_of(answer)["param"] == param
    assert upstream.requests == []


async def test_the_sdk_is_told_the_param(start: Start) -> None:
    client = (await start("chat")).sdk()
    with pytest.raises(openai.BadRequestError) as raised:
        await client.responses.create(model=CLIENT_MODEL, input=QUESTION, background=True)
    assert raised.value.param == "background"


@pytest.mark.parametrize("surface", ["responses", "proxy"])
async def test_its_absence_is_no_state(start: Start, upstream: ScriptedUpstream, surface: Surface) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")

    empty: dict[str, Any] = {"previous_response_id": None, "conversation": None, "background": False}
    answer = await post(gateway, surface, **empty)

    assert answer.status_code == 200


@pytest.mark.parametrize(("name", "value"), STATE, ids=["previous", "conversation", "object", "background"])
@pytest.mark.parametrize("surface", ["responses", "proxy", "chat"])
async def test_it_is_forwarded_to_a_responses_upstream(
    start: Start, upstream: ScriptedUpstream, surface: Surface, name: str, value: Any
) -> None:
    upstream.play(whole("responses", REPLY))
    gateway = await start("responses", managed=False)

    answer = await post(gateway, surface, **{name: value})

    assert answer.status_code == 200
    assert upstream.last.json()[name] == value


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_store_on_a_chat_upstream_is_a_loss(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    """Nothing is stored yet: the response has `store: false`, and the header names the loss."""
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")

    answer = await post(gateway, "responses", streamed=streamed, store=True)

    assert "store" in answer.headers["x-chat2response-losses"]
    assert b'"store":false' in answer.content and b'"store":true' not in answer.content
    assert upstream.last.json().get("store") in (None, False)


async def test_two_calls_at_once_do_not_mix(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(
        PATHS["chat"],
        lambda request: whole("chat", ModelReply(text=(request.json()["messages"][0]["content"] * 3,))),
    )
    gateway = await start("chat")

    async def ask(number: int) -> None:
        answer = await gateway.post(PATH["responses"], {"model": "m", "input": f"<{number}>"})
        assert answer.json()["output"][0]["content"][0]["text"] == f"<{number}>" * 3

    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(ask(number))
