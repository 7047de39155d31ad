"""The limits of a key, over real sockets, on every store and from several gateways at once."""

import asyncio
import json
from typing import Any

import openai
import pytest

from chat2response.quota.request_estimate import estimate_input
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.dialect_pairs import Reading
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, frames, speaking, sse
from tests.support.e2e.sse_streams import chunks_of
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("It ", "is."))  # 11 tokens in, 7 out
STORES = ["memory", "sqlite", "redis"]
ASK = {"model": CLIENT_MODEL, "input": "Hi"}
TALK = {"model": CLIENT_MODEL, "messages": [{"role": "user", "content": "Hi"}]}


async def limited(gateway: Running, *scopes: str, **limits: int) -> dict[str, str]:
    """Request headers with a new key that has these limits."""
    token = await gateway.issue(limits=limits or None, scopes=list(scopes) or None)
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("store", STORES)
async def test_what_is_admitted_at_once_never_passes_a_budget(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    """The responses wait, so all reservations are active: the budget limits how many are admitted."""
    answers = asyncio.Event()
    upstream.play_for(CHAT, lambda request: speaking("chat", REPLY)(request).but(before=answers))
    both = [await start("chat", store=store) for _ in range(1 if store == "memory" else 2)]
    body = json.dumps({**ASK, "max_output_tokens": 100}).encode()
    who = await limited(both[0], tokens_per_day=40 * (100 + estimate_input(body)))

    requested = [both[n % len(both)].post("/v1/responses", body, headers=who) for n in range(64)]
    waiting = {asyncio.create_task(each) for each in requested}
    refused: set[asyncio.Task[Any]] = set()
    while len(refused) < 24:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused |= done
    assert {each.result().status_code for each in refused} == {429}
    assert len(upstream.requests) <= 40
    answers.set()
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [200] * 40


@pytest.mark.parametrize("store", STORES)
async def test_requests_per_minute_are_exact_over_two_gateways(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    still = 1_795_694_400.0  # the minute must not end in the middle
    both = [
        await start("chat", store=store, clock=lambda: still) for _ in range(1 if store == "memory" else 2)
    ]
    who = await limited(both[0], requests_per_minute=100)

    async def client(number: int) -> list[int]:
        gateway = both[number % len(both)]
        return [(await gateway.post("/v1/responses", ASK, headers=who)).status_code for _ in range(2)]

    statuses = [status for each in await asyncio.gather(*map(client, range(64))) for status in each]
    assert (statuses.count(200), statuses.count(429)) == (100, 28)
    assert len(upstream.requests) == 100


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/gpt-x"])
async def test_asking_for_the_models_is_a_request_of_its_key(start: Start, path: str) -> None:
    gateway = await start("chat")
    who = await limited(gateway, requests_per_day=2, concurrent_requests=1)
    for left in ("1", "0"):
        answer = await gateway.http.get(path, headers=who)
        assert answer.status_code != 429
        if answer.status_code == 200:
            assert answer.headers["x-ratelimit-remaining-requests"] == left
    refused = await gateway.http.get(path, headers=who)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert (await gateway.http.get(path)).status_code != 429


async def test_the_sdk_is_told_how_its_key_stands(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    who = await limited(gateway, requests_per_minute=2, tokens_per_minute=5000)
    client = gateway.sdk(who["authorization"].removeprefix("Bearer "))

    first = await client.responses.with_raw_response.create(
        model=CLIENT_MODEL, input="Hi", max_output_tokens=100
    )
    headers = first.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert headers["x-ratelimit-limit-tokens"] == "5000"
    assert 4800 < int(headers["x-ratelimit-remaining-tokens"]) < 4900
    assert headers["x-ratelimit-reset-requests"].endswith("s")

    async with client.chat.completions.stream(**TALK) as stream:
        async for _ in stream:
            pass
    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(**TALK)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(upstream.requests) == 2


async def test_the_operators_own_limits_are_not_a_limited_keys(
    start: Start, upstream: ScriptedUpstream
) -> None:
    script = speaking("responses", REPLY)
    upstream.play_for(
        RESPONSES, lambda request: script(request).adding(("x-ratelimit-remaining-requests", "9999"))
    )
    gateway = await start("responses")
    free = await gateway.post("/v1/responses", ASK)
    assert free.headers["x-ratelimit-remaining-requests"] == "9999"
    bound = await gateway.post("/v1/responses", ASK, headers=await limited(gateway, requests_per_minute=5))
    assert bound.headers.get_list("x-ratelimit-remaining-requests") == ["4"]


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", "/proxy"])
async def test_what_was_used_takes_the_place_of_what_was_reserved(
    start: Start, upstream: ScriptedUpstream, dialect: str, streamed: bool, path: str
) -> None:
    """Settled before the response ends: the next call may come at once."""
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await start(dialect)
    who = await limited(gateway, tokens_per_day=2000, concurrent_requests=1, default_output_tokens=900)
    body = {**(ASK if path == "/v1/responses" else TALK), "stream": streamed}
    for _ in range(20):  # each reserves more than 900, and uses 18
        answer = await gateway.post(path, body, headers=who)
        assert answer.status_code == 200, answer.text
    used = await gateway.services.usage.for_all(
        gateway.services.usage.today(), gateway.services.usage.today()
    )
    assert [(row.model, row.usage.requests, row.usage.input_tokens) for row in used] == [
        (CLIENT_MODEL, 20, 220)
    ]
    assert used[0].usage.output_tokens == 140


async def test_the_usage_a_limit_needs_is_not_shown_to_who_did_not_ask(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    plain = await gateway.post("/v1/chat/completions", {**TALK, "stream": True})
    assert "stream_options" not in upstream.last.json()

    who = await limited(gateway, tokens_per_day=5000)
    answer = await gateway.post("/v1/chat/completions", {**TALK, "stream": True}, headers=who)
    assert upstream.last.json()["stream_options"] == {"include_usage": True}
    assert answer.content == plain.content

    body = {**TALK, "stream": True, "stream_options": {"include_usage": True}}
    answer = await gateway.post("/v1/chat/completions", body, headers=who)
    assert upstream.last.body == json.dumps(body, separators=(",", ":")).encode()  # untouched: a relay
    assert chunks_of(answer.content)[-1]["usage"]["total_tokens"] == 18


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_the_largest_output_goes_up_where_the_client_names_none(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str
) -> None:
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await start(dialect)
    who = await limited(gateway, max_output_tokens=64)
    body: dict[str, Any] = ASK if path == "/v1/responses" else TALK
    assert (await gateway.post(path, body, headers=who)).status_code == 200
    sent = upstream.last.json()
    (name,) = sent.keys() & {"max_output_tokens", "max_completion_tokens", "max_tokens"}
    assert sent[name] == 64

    name = "max_output_tokens" if path == "/v1/responses" else "max_tokens"
    refused = await gateway.post(path, {**body, name: 65}, headers=who)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == name
    assert refused.json()["error"]["code"] == "max_output_tokens_exceeded"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_a_stream_that_is_cut_counts_what_was_heard(
    start: Start, upstream: ScriptedUpstream, path: str
) -> None:
    reply = list(ModelReply(text=tuple("word " for _ in range(30))).chunks(usage=False))[:-1]
    upstream.play(frames("chat", *sse(*reply, done=False)).but(end="cut"))
    gateway = await start("chat")
    who = await limited(gateway, tokens_per_day=5000)
    body = {**(ASK if path == "/v1/responses" else TALK), "stream": True}
    await gateway.post(path, body, headers=who)

    usage = gateway.services.usage
    (row,) = await usage.for_all(usage.today(), usage.today())
    assert (row.usage.requests, row.usage.estimated) == (1, 1)
    assert 28 <= row.usage.output_tokens <= 45
    assert 0 < row.usage.input_tokens < 60


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_row_32_who_hangs_up_pays_for_what_was_heard(
    start: Start, upstream: ScriptedUpstream, path: str
) -> None:
    """Row 32: the upstream is stopped, the output so far is charged, and no reservation is left."""
    reply = list(ModelReply(text=tuple(f"word{n} " for n in range(30))).chunks(usage=False))[:-1]
    upstream.play(frames("chat", *sse(*reply, done=False)).but(end="stall"))
    gateway = await start("chat")
    who = await limited(gateway, tokens_per_day=5000, concurrent_requests=1)
    body = {**(ASK if path == "/v1/responses" else TALK), "stream": True}
    async with gateway.http.stream("POST", path, json=body, headers=who) as answer:
        await Reading(answer).until(b"word29")
    await upstream.until(lambda: upstream.last.gone.is_set())
    await gateway.idle()

    usage = gateway.services.usage
    (row,) = await usage.for_all(usage.today(), usage.today())
    assert (row.usage.requests, row.usage.estimated) == (1, 1)
    assert 28 <= row.usage.output_tokens <= 90
    upstream.play_for(CHAT, speaking("chat", REPLY))
    answered = await gateway.post("/v1/responses", {**ASK, "max_output_tokens": 4500}, headers=who)
    assert answered.status_code == 200, "what had been reserved is free again"


async def test_a_refusal_of_the_upstream_costs_a_request_and_no_token(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = await start("chat")  # no script: 404
    who = await limited(gateway, requests_per_minute=2, tokens_per_minute=2000)
    for _ in range(2):
        assert (await gateway.post("/v1/responses", ASK, headers=who)).status_code == 404
    assert (await gateway.post("/v1/responses", ASK, headers=who)).status_code == 429


async def test_row_32_a_slot_is_free_when_its_client_has_gone(
    start: Start, upstream: ScriptedUpstream
) -> None:
    begun = list(ModelReply(text=("a", "b")).chunks(usage=False))[:-1]
    upstream.play(frames("chat", *sse(*begun, done=False)).but(end="stall"))
    gateway = await start("chat")
    who = await limited(gateway, concurrent_requests=1)
    async with gateway.http.stream(
        "POST", "/v1/responses", json={**ASK, "stream": True}, headers=who
    ) as answer:
        words = answer.aiter_raw()
        await anext(words)
        assert (await gateway.post("/v1/responses", ASK, headers=who)).status_code == 429
    await gateway.idle()
    upstream.play_for(CHAT, speaking("chat", REPLY))
    assert (await gateway.post("/v1/responses", ASK, headers=who)).status_code == 200


HIDDEN_TOOL = {"type": "additional_tools", "tools": [{"type": "web_search"}]}


@pytest.mark.parametrize(
    ("scope", "path", "body", "param"),
    [
        ("endpoint:responses", "/v1/chat/completions", TALK, None),
        ("endpoint:responses", "/proxy", TALK, None),
        ("endpoint:chat", "/v1/responses", ASK, None),
        ("model:other-*", "/v1/responses", ASK, "model"),
        ("upstream:responses", "/v1/responses", ASK, None),
        ("tool:web_*", "/v1/responses", {**ASK, "tools": [{"type": "image_generation"}]}, "tools"),
        ("tool:none", "/v1/responses", {**ASK, "input": [HIDDEN_TOOL]}, "tools"),
        ("tool:none", "/v1/chat/completions", {**TALK, "web_search_options": {}}, "tools"),
        ("tool:none", "/proxy", {**TALK, "web_search_options": {}}, "tools"),
        (f"model:{CLIENT_MODEL}", "/v1/chat/completions", {**TALK, "models": ["dear"]}, "model"),
        ("net:10.0.0.0/8", "/v1/responses", ASK, None),
    ],
)
async def test_a_missing_scope_is_a_403_that_names_it(
    start: Start, upstream: ScriptedUpstream, scope: str, path: str, body: Any, param: str | None
) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    answer = await gateway.post(path, body, headers=await limited(gateway, scope))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (403, "insufficient_scope", param)
    assert scope.partition(":")[0] + ":" in error["message"]
    assert not upstream.requests


async def test_a_granted_key_passes(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    scopes = (
        "endpoint:responses",
        f"model:{CLIENT_MODEL[:3]}*",
        "upstream:chat",
        "net:127.0.0.0/8",
        "a label",
    )
    who = await limited(gateway, *scopes)
    assert (await gateway.post("/v1/responses", ASK, headers=who)).status_code == 200
    assert (await gateway.http.get("/v1/models", headers=who)).status_code == 403
