"""The fidelity modes strict, warn and drop; and `/convert?report=1`."""

from typing import Any

import pytest

from chat2response.convert.losses import FIDELITY_HEADER, HEADER
from tests.e2e.conftest import Start
from tests.fidelity.measure import Probe
from tests.fidelity.probes import CHAT_FIELDS
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Yes.",))
TALK = {"model": CLIENT_MODEL, "messages": [{"role": "user", "content": "Hi"}]}
LOSING: dict[str, tuple[str, str, dict[str, Any], str]] = {
    # a call that loses something: its upstream, path and body, and the field
    "chat to responses": ("responses", "/v1/chat/completions", {**TALK, "seed": 7}, "seed"),
    "responses to chat": (
        "chat",
        "/v1/responses",
        {"model": CLIENT_MODEL, "input": "Hi", "truncation": "auto"},
        "truncation",
    ),
    "not stored": ("chat", "/v1/responses", {"model": CLIENT_MODEL, "input": "Hi", "store": True}, "store"),
    "proxy": ("responses", "/proxy", {**TALK, "seed": 7}, "seed"),
}


async def ask(gateway: Running, path: str, body: Any, fidelity: str | None = None) -> Any:
    return await gateway.post(path, body, headers={FIDELITY_HEADER: fidelity} if fidelity else {})


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("case", list(LOSING))
async def test_row_38_every_mode_on_every_way(
    start: Start, upstream: ScriptedUpstream, case: str, streamed: bool
) -> None:
    dialect, path, body, field = LOSING[case]
    body = {**body, "stream": streamed}
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await start(dialect)

    refused = await ask(gateway, path, body, "strict")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == field
    assert not upstream.requests  # nothing was asked, nothing was spent

    warned = await ask(gateway, path, body)
    assert warned.status_code == 200
    assert warned.headers[HEADER].startswith(f"{field}; ")

    dropped = await ask(gateway, path, body, "Drop")
    assert dropped.status_code == 200
    assert HEADER not in dropped.headers
    assert HEADER.encode() not in dropped.content
    assert gateway.services.metrics.losses[field] == 2  # told or not


async def test_the_operators_choice_and_the_clients_over_it(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    gateway = await start("responses", chat2response_fidelity="strict")
    body = {**TALK, "seed": 7}
    assert (await ask(gateway, "/v1/chat/completions", body)).status_code == 400
    assert (await ask(gateway, "/v1/chat/completions", body, "warn")).status_code == 200
    assert (await ask(gateway, "/v1/chat/completions", TALK)).status_code == 200


async def test_what_says_nothing_is_no_loss(start: Start, upstream: ScriptedUpstream) -> None:
    """Codex's own fields, and fields that are null, empty or the default, are no losses."""
    upstream.play_for(CHAT, speaking("chat", REPLY))
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    codex = {
        "model": CLIENT_MODEL,
        "input": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
            }
        ],
        "client_metadata": {"a": "b"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "reasoning": {"summary": "auto"},
        "truncation": "disabled",
        "tools": [],
        "user": None,
    }
    answer = await ask(await start("chat"), "/v1/responses", codex, "strict")
    assert answer.status_code == 200, answer.text
    chat: dict[str, Any] = {
        **TALK,
        "n": 1,
        "stop": None,
        "logit_bias": {},
        "frequency_penalty": 0,
        "stream_options": None,
    }
    answer = await ask(await start("responses"), "/v1/chat/completions", chat, "strict")
    assert answer.status_code == 200, answer.text


async def test_a_wrong_word_is_a_mistake(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses")
    for path in ("/v1/responses", "/v1/chat/completions", "/proxy", "/convert"):
        answer = await ask(gateway, path, TALK, "loose")
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == FIDELITY_HEADER
        assert "strict, warn, drop" in answer.json()["error"]["message"]


async def test_a_report_of_a_conversion(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("responses")
    body = {**TALK, "seed": 7}
    result = (await ask(gateway, "/convert?report=1", body, "drop")).json()
    assert result["losses"] == [{"field": "seed", "effect": "dropped"}]
    plain = await ask(gateway, "/convert", body)
    assert result["request"] == plain.json()

    other = {"model": CLIENT_MODEL, "input": "Hi", "truncation": "auto", "max_output_tokens": 20}
    result = (await ask(gateway, "/convert?to=chat&profile=openai&report=true", other)).json()
    assert result["request"]["max_completion_tokens"] == 20
    assert [loss["field"] for loss in result["losses"]] == ["truncation"]

    refused = await ask(gateway, "/convert?report=1", body, "strict")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "seed")
    odd = await ask(gateway, "/convert?report=perhaps", body)
    assert (odd.status_code, odd.json()["error"]["param"]) == (400, "report")


@pytest.mark.parametrize("probe", [each for each in CHAT_FIELDS if each.engine], ids=lambda each: each.label)
async def test_what_the_page_says_of_emulations(
    start: Start, upstream: ScriptedUpstream, probe: Probe
) -> None:
    """The fields that `docs/fidelity.md` lists as refused by the converter."""
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    gateway = await start("responses")
    assert (await ask(gateway, "/v1/chat/completions", {**TALK, **probe.fields})).status_code == 200
    on_proxy = await ask(gateway, "/proxy", {**TALK, **probe.fields})
    refused = await ask(gateway, "/convert", {**TALK, **probe.fields})
    assert (on_proxy.status_code == 200) == ("/proxy" in probe.on)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, probe.label)
