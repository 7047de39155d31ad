"""The authentication modes (`CHAT2RESPONSE_AUTH_MODE`), and which keys are sent upstream."""

from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncAzureOpenAI

from chat2response.keys import INVALID
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface
from tests.support.e2e.dialect_pairs import PATH, body_for, error_of, every_way, post, sdk_call
from tests.support.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY, Running
from tests.support.e2e.scripted_model import RESPONSES, ModelReply, whole
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
NAMES = ("authorization", "x-api-key", "api-key")


def _credentials(upstream: ScriptedUpstream) -> dict[str, str]:
    """The headers of the latest upstream request that may hold a credential."""
    return {name: value for name, value in upstream.last.headers.items() if name in NAMES}


async def _post(gateway: Running, surface: Surface, headers: dict[str, str]) -> httpx2.Response:
    gateway.http.headers.pop("authorization", None)
    return await gateway.post(PATH[surface], body_for(surface), headers=headers)


async def test_managed_needs_no_key_for_the_upstream(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", managed=False, chat2response_auth_mode="managed")

    result = await sdk_call(gateway, "chat", streamed=False)
    refused = await _post(gateway, "chat", {"authorization": f"Bearer {CLIENT_BEARER}"})

    assert result.choices[0].message.content == "Hi"
    assert _credentials(upstream) == {}
    assert (refused.status_code, error_of(refused)["message"]) == (401, INVALID)
    assert len(upstream.requests) == 1


@every_way
@pytest.mark.parametrize("name", NAMES[1:])
async def test_a_key_in_another_header_opens_too_and_stays_here(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, name: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect)

    answer = await _post(gateway, surface, {name: gateway.key})

    assert answer.status_code == 200
    assert _credentials(upstream) == {"authorization": f"Bearer {OPERATOR_KEY}"}
    assert gateway.key not in str(upstream.last.order) + upstream.last.body.decode()


async def test_the_sdks_azure_client_gets_in(start: Start, upstream: ScriptedUpstream) -> None:
    """The Azure client sends its key as `api-key`."""
    upstream.play(whole("responses", REPLY))
    gateway = await start("responses")
    client = AsyncAzureOpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key,
        api_version="preview",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=gateway.recorder, timeout=PATIENCE),
    )

    response = await client.responses.create(model=CLIENT_MODEL, input=QUESTION, store=False)

    assert response.output_text == "Hi"
    assert _credentials(upstream) == {"authorization": f"Bearer {OPERATOR_KEY}"}


@pytest.mark.parametrize("mode", ["managed", "passthrough"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/proxy"), ("POST", RESPONSES), ("GET", "/v1/models")])
async def test_two_keys_that_differ_are_400(
    start: Start, upstream: ScriptedUpstream, mode: str, method: str, path: str
) -> None:
    gateway = await start("chat", chat2response_auth_mode=mode)

    headers = {"authorization": f"Bearer {gateway.key}", "x-api-key": "another"}
    answer = await gateway.http.request(method, path, headers=headers, content=b"{}")

    assert answer.status_code == 400
    assert "(authorization, x-api-key)" in error_of(answer)["message"]
    assert gateway.key not in answer.text
    assert upstream.requests == []


@every_way
@pytest.mark.parametrize("ours", [True, False], ids=["with a key", "without"])
@pytest.mark.parametrize("name", NAMES[1:])
async def test_in_passthrough_any_headers_key_goes_up_as_a_bearer(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, name: str, ours: bool
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect, managed=ours, chat2response_auth_mode="passthrough")

    await _post(gateway, surface, {name: CLIENT_BEARER})
    assert _credentials(upstream) == {"authorization": f"Bearer {CLIENT_BEARER}"}

    await _post(gateway, surface, {})
    assert _credentials(upstream) == {}, "the operator's key does not stand in for the client's"


async def test_in_passthrough_a_login_for_a_proxy_on_the_way_stays_here(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", managed=False)
    assert (await _post(gateway, "chat", {"authorization": "Basic b3BlbjpzZXNhbWU="})).status_code == 200
    assert _credentials(upstream) == {}


async def test_in_passthrough_the_upstreams_401_is_the_clients(
    start: Start, upstream: ScriptedUpstream
) -> None:
    refusal = b'{"error": {"message": "bad key", "type": "invalid_request_error", "code": "invalid_api_key"}}'
    upstream.play(Script("/v1/chat/completions", (refusal,), status=401))
    gateway = await start("chat", chat2response_auth_mode="passthrough")
    with pytest.raises(openai.AuthenticationError):
        await sdk_call(gateway, "chat", streamed=False)


@every_way
@pytest.mark.parametrize("ours", [True, False], ids=["with a key", "without"])
async def test_open_asks_nobody_and_drops_what_they_bring(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, ours: bool
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect, managed=ours, chat2response_auth_mode="open")
    sent = {"authorization": f"Bearer {OPERATOR_KEY}"} if ours else {}

    params: list[dict[str, str]] = [
        {},
        {"authorization": f"Bearer {CLIENT_BEARER}"},
        {"authorization": "Basic abc", "x-api-key": CLIENT_BEARER, "api-key": "another"},
    ]
    for headers in params:
        assert (await _post(gateway, surface, headers)).status_code == 200
        assert _credentials(upstream) == sent
        assert CLIENT_BEARER not in str(upstream.last.order)


async def test_open_serves_the_sdk(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("responses", REPLY))
    gateway = await start("responses", chat2response_auth_mode="open")
    result: Any = await sdk_call(gateway, "responses", streamed=False)
    assert result.output_text == "Hi"
    assert _credentials(upstream) == {"authorization": f"Bearer {OPERATOR_KEY}"}


async def test_in_open_mode_all_callers_are_one_tenant(start: Start, upstream: ScriptedUpstream) -> None:
    """In open mode every caller may continue every response; an id that was never issued is unknown."""
    upstream.play(whole("responses", ModelReply(text=("Hi",), response_id="resp_kept")))
    gateway = await start("responses", chat2response_auth_mode="open", store="sqlite")

    first = await gateway.sdk("sk-one").responses.create(model=CLIENT_MODEL, input=QUESTION)
    again = await gateway.sdk("sk-two").responses.create(
        model=CLIENT_MODEL, input=QUESTION, previous_response_id=first.id
    )
    assert again.output_text == "Hi"
    assert upstream.last.json()["previous_response_id"] == "resp_kept"

    with pytest.raises(openai.BadRequestError) as unknown:
        await gateway.sdk().responses.create(
            model=CLIENT_MODEL, input=QUESTION, previous_response_id="resp_unheard_of"
        )
    assert unknown.value.code == "previous_response_not_found"


async def test_in_open_mode_the_upstreams_401_is_the_operators(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script("/v1/chat/completions", (b'{"error": {"message": "who?"}}',), status=401))
    gateway = await start("chat", chat2response_auth_mode="open")
    answer = await post(gateway, "chat")
    assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_authentication_error")
