"""The endpoints that need no key: `/convert`, the probes, the status, the docs."""

from typing import Any

import pytest

import chat2response
from chat2response.stores import StoreDown
from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import error_of
from tests.support.scripted_upstream import ScriptedUpstream

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi", "name": "ann"}],
    "max_tokens": 50,
    "stream": True,
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": "Hi",
    "max_output_tokens": 50,
}
LOSSES = "x-chat2response-losses"


async def test_convert_is_the_librarys_own(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses")
    del gateway.http.headers["authorization"]

    to_responses = await gateway.post("/convert", CHAT)
    to_chat = await gateway.post("/convert?to=chat", RESPONSES)
    named = await gateway.post("/convert?to=responses", CHAT)

    assert to_responses.json() == chat2response.to_responses_request(CHAT) == named.json()
    assert to_responses.headers[LOSSES] == "messages[0].name; dropped"
    assert to_chat.json() == chat2response.to_chat_request(RESPONSES)
    assert LOSSES not in to_chat.headers
    assert to_responses.headers["content-type"] == "application/json"
    assert upstream.requests == []


async def test_convert_puts_in_what_its_query_says(start: Start) -> None:
    gateway = await start("responses")

    conversation = await gateway.post("/convert?conversation_id=conv_1", CHAT)
    previous = await gateway.post("/convert?previous_response_id=resp_1", CHAT)

    assert conversation.json()["conversation"] == "conv_1"
    assert previous.json()["previous_response_id"] == "resp_1"


async def test_convert_writes_for_the_backend_that_is_asked_for(start: Start) -> None:
    gateway = await start("chat", chat2response_upstream_profile="groq")
    body = {**RESPONSES, "max_output_tokens": 9, "reasoning": {"effort": "max"}}

    own = await gateway.post("/convert?to=chat", body)
    named = await gateway.post("/convert?to=chat&profile=deepseek", body)

    assert own.json() == chat2response.to_chat_request(body, quirks="groq")
    assert named.json() == chat2response.to_chat_request(body, quirks="deepseek")
    assert named.json()["thinking"] == {"type": "enabled"}


@pytest.mark.parametrize(
    ("query", "body", "param"),
    [
        ("?to=nowhere", CHAT, "to"),
        ("?to=chat&profile=deepsek", RESPONSES, "profile"),
        ("", {**CHAT, "stop": "x"}, "stop"),
        ("", {"model": "m"}, "messages"),
        ("?to=chat", {**RESPONSES, "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
async def test_convert_refuses_by_name(start: Start, query: str, body: Any, param: str) -> None:
    gateway = await start("responses")
    answer = await gateway.post(f"/convert{query}", body)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


async def test_a_profile_that_is_none_is_named_once(start: Start) -> None:
    gateway = await start("responses")
    answer = await gateway.post("/convert?to=chat&profile=vlm", RESPONSES)
    message = error_of(answer)["message"]
    assert message.startswith("Unknown profile: 'vlm'. Did you mean 'vllm'? Known: openai, ")


PROBES = ("/livez", "/readyz", "/healthz", "/health")


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("mode", ["chat", "responses", "both", "demo"])
@pytest.mark.parametrize("managed", [True, False], ids=["managed", "passthrough"])
async def test_probes_ask_for_no_key_and_no_upstream(
    start: Start, upstream: ScriptedUpstream, mode: str, managed: bool, path: str
) -> None:
    gateway = await start(mode, managed=managed)
    del gateway.http.headers["authorization"]

    answer = await gateway.http.get(path)
    head = await gateway.http.head(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (head.status_code, head.content) == (200, b"")
    assert upstream.requests == [] and upstream.accepted == 0


async def test_readiness_is_the_stores(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    managed, open_to_all = await start("chat"), await start("chat", managed=False)

    async def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("secret detail")

    for gateway in (managed, open_to_all):
        monkeypatch.setattr(gateway.services.store, "get", down)
    for path in PROBES[1:]:
        answer = await managed.http.get(path)
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
        assert (await open_to_all.http.get(path)).status_code == 200
    assert (await managed.http.get("/livez")).status_code == 200


@pytest.mark.parametrize("path", ["/status", "/docs", "/openapi.json"])
async def test_the_rest_is_loaded_when_it_is_asked_for(start: Start, path: str) -> None:
    gateway = await start("chat")
    del gateway.http.headers["authorization"]
    assert (await gateway.http.get(path)).status_code == 200


async def test_what_is_nowhere_is_404_in_the_same_shape(start: Start) -> None:
    gateway = await start("chat")
    for path in ("/nowhere", "/v1/embeddings", "/v1/modelsx", "/"):
        answer = await gateway.http.get(path)
        assert answer.status_code == 404
        error_of(answer)
