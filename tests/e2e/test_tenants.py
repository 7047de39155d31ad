"""Law 7, tenants never meet: they share the operator's upstream account, but no id."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import body_for, error_of
from tests.support.e2e.scripted_model import RESPONSES, frames, sse
from tests.support.e2e.stateful_upstream import REFERENCES, REPLY, ask, keeping
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream


def _renamed(value: Any) -> Any:
    """The same reference to an id that does not exist."""
    text = json.dumps(value)
    for known in ("resp_a", "conv_a", "msg_up", "fc_0"):
        text = text.replace(known, f"{known}_unknown")
    return json.loads(text)


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("reference", REFERENCES)
async def test_anothers_id_is_an_unknown_id(
    start: Start, upstream: ScriptedUpstream, reference: str, streamed: bool
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = await gateway.issue()
    assert (await ask(gateway, gateway.key, {"stream": streamed})).status_code == 200

    theirs = await ask(gateway, stranger, REFERENCES[reference])
    unknown = await ask(gateway, stranger, _renamed(REFERENCES[reference]))
    ours_unknown = await ask(gateway, gateway.key, _renamed(REFERENCES[reference]))

    assert len(upstream.requests) == 1, "nothing of it went upstream"
    assert theirs.status_code in (400, 404)
    for answer in (unknown, ours_unknown):
        assert answer.status_code == theirs.status_code
        assert answer.text.replace("_unknown", "") == theirs.text
        assert list(answer.headers) == list(theirs.headers)

    ours = await ask(gateway, gateway.key, REFERENCES[reference])
    assert ours.status_code == 200
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    "written",
    [
        b'"previous\\u005fresponse_id": "resp\\u005fa"',
        b'"input": [7, {"type": "item_reference", "id": "msg_up"}]',
        b'"input": [{"role": "user", "content": "x", "id": "msg_up"}]',
        b'"input": [{"role": "user", "content": "x", "\\u0069d": "msg_up"}]',
        b'"input": [{"type": "item_reference", "id": "fc_0"}, {"type": "item_reference", "id": "msg_up"}]',
        b'"conversation": {"x": [], "id": "conv_a"}',
    ],
)
async def test_a_reference_is_found_however_it_is_written(
    start: Start, upstream: ScriptedUpstream, written: bytes
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = {"authorization": f"Bearer {await gateway.issue()}"}
    assert (await ask(gateway, gateway.key, {})).status_code == 200

    body = b'{"model": "m", %b}' % written
    assert (await gateway.post(RESPONSES, body, headers=stranger)).status_code in (400, 404)
    assert len(upstream.requests) == 1
    assert (await gateway.post(RESPONSES, body)).status_code == 200
    assert upstream.last.body == body


@pytest.mark.parametrize(
    ("written", "param"),
    [
        (b'"previous_response_id": "resp_a", "previous_response_id": null', "previous_response_id"),
        (b'"previous\\u005fresponse_id": "resp_a", "previous_response_id": null', "previous_response_id"),
        (b'"conversation": "conv_a", "conversation": null', "conversation"),
        (b'"conversation": {"id": "conv_a", "id": "conv_own"}', "conversation.id"),
        (b'"input": [{"id": "msg_up"}], "input": "Hi"', "input"),
        (b'"input": [{"type": "item_reference", "id": "msg_up", "id": "msg_own"}]', "input[0].id"),
        (b'"input": ["x", {"type": "item_reference", "id": "msg_up", "type": "message"}]', "input[1].type"),
        (b'"input": [{"id": "msg_up", "role": null, "role": "user", "content": "x"}]', "input[0].role"),
        (b'"input": [{"id": "msg_up", "id": null}]', "input[0].id"),
    ],
)
async def test_a_reference_behind_another_of_its_name_is_refused(
    start: Start, upstream: ScriptedUpstream, written: bytes, param: str
) -> None:
    """Parsers differ in which duplicate they take; only the id that was checked is sent upstream."""
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = {"authorization": f"Bearer {await gateway.issue()}"}
    assert (await ask(gateway, gateway.key, {})).status_code == 200

    answer = await gateway.post(RESPONSES, b'{"model": "m", %b}' % written, headers=stranger)

    assert answer.status_code == 400
    assert (error_of(answer)["param"], error_of(answer)["code"]) == (param, "duplicate_parameter")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "written",
    [
        b'"input": [{"role": "user", "content": "x", "id": ["msg_up"]}]',
        b'"input": {"type": "item_reference", "id": "msg_up"}',
        b'"input": [[{"type": "item_reference", "id": "msg_up"}]]',
        b'"previous_response_id": {"id": "resp_a"}',
        b'"input": [{"type": "item_reference", "id": "msg_up", "\xff": 1}]',
    ],
)
async def test_a_reference_in_a_shape_that_nobody_sends_is_refused(
    start: Start, upstream: ScriptedUpstream, written: bytes
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    answer = await gateway.post(RESPONSES, b'{"model": "m", %b}' % written)
    assert answer.status_code == 400 and error_of(answer)["code"] in ("invalid_type", "invalid_json")
    assert upstream.requests == []


def running_code(request: Received) -> Script:
    """An upstream with code containers and approval requests."""
    reply = REPLY.resource()
    reply["output"] = [
        {
            "type": "code_interpreter_call", "id": "ci_up", "status": "completed", "code": "1",
            "container_id": "cntr_up", "outputs": None,
        },
        {
            "type": "mcp_approval_request", "id": "mcpr_up", "server_label": "s", "name": "f",
            "arguments": "{}",
        },
        *reply["output"],
    ]  # fmt: skip
    if not request.json().get("stream"):
        return Script(RESPONSES, (json.dumps(reply).encode(),))
    events = [
        {"type": "response.created", "response": {**reply, "status": "in_progress", "output": []}},
        *(
            {"type": f"response.output_item.{step}", "output_index": at, "item": item}
            for at, item in enumerate(reply["output"])
            for step in ("added", "done")
        ),
        {"type": "response.completed", "response": reply},
    ]
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return frames("responses", *sse(*numbered, done=False))


def _tool(**fields: Any) -> dict[str, Any]:
    return {"tools": [fields]}


CONTAINERS: dict[str, dict[str, Any]] = {
    "code": _tool(type="code_interpreter", container="cntr_up"),
    "shell": _tool(type="shell", environment={"type": "container_reference", "container_id": "cntr_up"}),
    "namespace": _tool(
        type="namespace", name="n", tools=[{"type": "code_interpreter", "container": "cntr_up"}]
    ),
    "item": {"input": [{"type": "code_interpreter_call", "id": "ci_up", "container_id": "cntr_up"}]},
}
ITEMS: dict[str, dict[str, Any]] = {
    "hollow call": {"input": [{"type": "code_interpreter_call", "id": "ci_up"}]},
    "hollow message": {"input": [{"type": "message", "role": "assistant", "id": "msg_up"}]},
    "whole message": {"input": [{"role": "assistant", "id": "msg_up", "content": "x"}]},
    "approval": {
        "input": [{"type": "mcp_approval_response", "approval_request_id": "mcpr_up", "approve": True}]
    },
}


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
async def test_what_an_answer_made_is_its_tenants(
    start: Start, upstream: ScriptedUpstream, streamed: bool, stored: bool
) -> None:
    """Containers, also without a stored response; and items, in every written form."""
    upstream.play_for(RESPONSES, running_code)
    gateway = await start("responses")
    gateway.recorder.judged = False
    stranger = await gateway.issue()
    result = await ask(gateway, gateway.key, {"stream": streamed, "store": stored})
    assert result.status_code == 200

    cases = {**CONTAINERS, **ITEMS} if stored else {**CONTAINERS}
    if not stored:
        del cases["item"]  # its id names an item that nobody keeps
    for name, fields in cases.items():
        theirs = await ask(gateway, stranger, fields)
        assert theirs.status_code == 404, name
        assert (await ask(gateway, gateway.key, fields)).status_code == 200, name
    assert len(upstream.requests) == 1 + len(cases), "nothing of the stranger's went upstream"


async def test_what_another_key_got_first_is_never_taken_over(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """An upstream that repeats an id: the second key gets its response, the items stay the first key's."""
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = await gateway.issue()
    for key in (gateway.key, stranger):
        assert (await ask(gateway, key, {})).status_code == 200
    assert (await ask(gateway, stranger, {"previous_response_id": "resp_a"})).status_code == 400
    assert (await ask(gateway, gateway.key, {"previous_response_id": "resp_a"})).status_code == 200


async def test_in_passthrough_doubles_are_the_upstreams_to_judge(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses", managed=False)
    body = b'{"model": "m", "previous_response_id": "resp_a", "previous_response_id": null}'
    assert (await gateway.post(RESPONSES, body)).status_code == 200
    assert upstream.last.body == body


async def test_the_answers_are_openais(start: Start) -> None:
    gateway = await start("responses")

    response = await ask(gateway, gateway.key, {"previous_response_id": "resp_x"})
    conversation = await ask(gateway, gateway.key, {"conversation": "conv_x"})
    item = await ask(gateway, gateway.key, {"input": [{"type": "item_reference", "id": "msg_x"}]})

    assert response.status_code == 400
    assert error_of(response) == {
        "message": "Previous response with id 'resp_x' not found.",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "code": "previous_response_not_found",
    }
    assert (conversation.status_code, error_of(conversation)["param"]) == (404, "conversation")
    assert (item.status_code, error_of(item)["param"]) == (404, "input")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/proxy"])
async def test_the_other_surfaces_are_guarded_too(
    start: Start, upstream: ScriptedUpstream, path: str
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = {"authorization": f"Bearer {await gateway.issue()}"}
    assert (await ask(gateway, gateway.key, {})).status_code == 200

    body = body_for("chat")
    for name, value in (
        ("previous_response_id", "resp_a"),
        ("conversation", "conv_a"),
        ("prompt_cache_options", {"comparison_response_id": "resp_a"}),
    ):
        theirs = await gateway.post(path, {**body, name: value}, headers=stranger)
        ours = await gateway.post(path, {**body, name: value})
        assert theirs.status_code in (400, 404) and error_of(theirs)["param"].startswith(name)
        assert ours.status_code == 200
        assert upstream.last.json()[name] == value


@pytest.mark.parametrize(
    ("query", "name"),
    [("previous_response_id=resp_a", "previous_response_id"), ("conversation_id=conv_a", "conversation")],
)
async def test_ids_in_the_query_of_proxy_are_checked(
    start: Start, upstream: ScriptedUpstream, query: str, name: str
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    stranger = {"authorization": f"Bearer {await gateway.issue()}"}
    assert (await ask(gateway, gateway.key, {})).status_code == 200

    theirs = await gateway.post(f"/proxy?{query}", body_for("proxy"), headers=stranger)
    ours = await gateway.post(f"/proxy?{query}", body_for("proxy"))

    assert theirs.status_code in (400, 404) and error_of(theirs)["param"] == name
    assert ours.status_code == 200
    assert upstream.last.json()[name] == query.partition("=")[2]


async def test_an_owner_outlives_the_process(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, keeping)
    first = await start("responses", store="sqlite")
    assert (await ask(first, first.key, {})).status_code == 200

    second = await start("responses", store="sqlite")
    ours = await ask(second, first.key, {"previous_response_id": "resp_a"})
    theirs = await ask(second, second.key, {"previous_response_id": "resp_a"})

    assert (ours.status_code, theirs.status_code) == (200, 400)
