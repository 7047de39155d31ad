"""Authentication: which keys are accepted, which key is sent upstream (law 8, fail closed)."""

from typing import Any

import openai
import pytest

from chat2response.keys import INVALID, MISSING, LastUsedTracker
from chat2response.keys.tokens.token import parse
from chat2response.stores import StoreDown
from tests.e2e.conftest import Start
from tests.support.clock_and_ids import Clock
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import (
    GUARDED,
    PATH,
    assert_no_entry,
    body_for,
    error_of,
    every_way,
    post,
    sdk_call,
)
from tests.support.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.support.e2e.scripted_model import CHAT, ModelReply, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
guarded = pytest.mark.parametrize(("method", "path"), GUARDED, ids=[f"{m} {p}" for m, p in GUARDED])


NO_KEYS: list[tuple[Any, str]] = [
    (None, MISSING),
    ("Basic abc", MISSING),
    ("Bearer", INVALID),
    ("Bearer nonsense", INVALID),
    (f"Bearer {OPERATOR_KEY}", INVALID),
    (f"Bearer sk_{'0' * 32}.{'0' * 64}", INVALID),
    (f"Bearer sk_{'0' * 32}.{'é' * 64}".encode(), INVALID),
]


@guarded
async def test_no_key_no_entry(start: Start, upstream: ScriptedUpstream, method: str, path: str) -> None:
    gateway = await start("chat")
    del gateway.http.headers["authorization"]

    for authorization, message in NO_KEYS:
        headers = {"authorization": authorization} if authorization else {}
        answer = await gateway.http.request(method, path, headers=headers, content=b"{}")
        assert_no_entry(answer, message)
    assert upstream.requests == []


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
async def test_a_key_lives_until_it_is_revoked_or_expires(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    upstream.play(whole("chat", REPLY))
    clock = Clock()
    gateway = await start("chat", store=store, clock=clock)
    mortal = await gateway.issue(ttl_seconds=60)
    doomed = await gateway.issue()
    wrong = doomed[:-1] + ("0" if doomed[-1] != "0" else "1")

    async def ask(token: str) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        return await gateway.post(CHAT, body_for("chat"), headers=headers)

    assert (await ask(mortal)).status_code == (await ask(doomed)).status_code == 200
    assert_no_entry(await ask(wrong), INVALID)

    parsed = parse(doomed)
    assert parsed is not None and await gateway.services.keys.revoke(parsed.id)
    assert_no_entry(await ask(doomed), "API key revoked")
    assert_no_entry(await ask(wrong), INVALID)

    clock.advance(60)
    assert_no_entry(await ask(mortal), "API key expired")
    assert (await ask(gateway.key)).status_code == 200


async def test_a_key_outlives_the_process(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    first = await start("chat", store="sqlite")
    second = await start("chat", store="sqlite")  # the same file

    answer = await second.post(CHAT, body_for("chat"), headers={"authorization": f"Bearer {first.key}"})

    assert answer.status_code == 200


async def test_the_scheme_is_read_in_any_case(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")

    for form in (f"bearer {gateway.key}", f"BEARER   {gateway.key}"):
        answer = await gateway.post(CHAT, body_for("chat"), headers={"authorization": form})
        assert answer.status_code == 200


async def test_the_sdk_raises_what_it_should(start: Start) -> None:
    gateway = await start("chat")
    client = gateway.sdk("sk-wrong")
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()
    with pytest.raises(openai.BadRequestError):
        await gateway.sdk().responses.create(model="m", input="x", previous_response_id="resp_1")


@every_way
async def test_the_clients_key_never_goes_up(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect)

    await post(gateway, surface)

    assert upstream.last.headers["authorization"] == f"Bearer {OPERATOR_KEY}"
    assert gateway.key not in str(upstream.last.order) + upstream.last.body.decode()


@every_way
async def test_in_passthrough_the_clients_bearer_goes_up_unchanged(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect, managed=False)

    await post(gateway, surface)
    assert upstream.last.headers["authorization"] == f"Bearer {CLIENT_BEARER}"

    odd = "bearer  x~y+z/=="
    await gateway.post(PATH[surface], body_for(surface), headers={"authorization": odd})
    assert upstream.last.headers["authorization"] == odd

    del gateway.http.headers["authorization"]
    await post(gateway, surface)
    assert "authorization" not in upstream.last.headers


async def test_passthrough_serves_the_sdk(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("responses", REPLY))
    gateway = await start("responses", managed=False)
    result = await sdk_call(gateway, "chat", streamed=False)
    assert result.choices[0].message.content == "Hi"


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
async def test_the_use_of_a_key_is_counted_and_outlives_the_process(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    upstream.play(whole("chat", REPLY))
    clock = Clock()
    gateway = await start("chat", store=store, clock=clock)
    token = await gateway.issue()
    headers = {"authorization": f"Bearer {token}"}
    for surface in ("chat", "responses"):
        clock.advance(60)
        answer = await gateway.post(PATH[surface], body_for(surface), headers=headers)
        assert answer.status_code == 200
    await gateway.http.get("/v1/models", headers=headers)

    (use,) = await gateway.services.keys.repository.last_used.read([token[3:35]])
    assert (use.last_used_at, use.requests) == (int(clock()), 3)
    assert use.tokens == 2 * answer.json()["usage"]["total_tokens"] > 0
    shown = (await gateway.http.get(f"/keys/{token[3:35]}")).json()
    assert (shown["requests"], shown["tokens"]) == (use.requests, use.tokens)
    await gateway.services.engine.meters.close()  # as the end of the process does
    assert await LastUsedTracker(gateway.services.store).read([token[3:35]]) == [use]


async def test_a_rotated_key_stays_the_same_tenant_while_both_secrets_open(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", REPLY))
    clock = Clock()
    gateway = await start("chat", clock=clock)
    old = await gateway.issue()
    renewed = await gateway.services.keys.rotate(old[3:35], grace_seconds=60)
    assert renewed is not None

    async def ask(token: str) -> Any:
        return await gateway.post(CHAT, body_for("chat"), headers={"authorization": f"Bearer {token}"})

    assert [(await ask(token)).status_code for token in (old, renewed.token)] == [200, 200]
    clock.advance(60)
    assert_no_entry(await ask(old), "API key expired")
    assert (await ask(renewed.token)).status_code == 200


# -- fail closed --------------------------------------------------------------------------------------


async def test_without_its_store_nobody_enters(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.play(whole("chat", REPLY))
    clock = Clock()
    gateway = await start("chat", clock=clock)
    assert (await post(gateway, "chat")).status_code == 200
    clock.advance(5)  # what was checked is remembered for a second

    async def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("it is gone")

    monkeypatch.setattr(gateway.services.store, "get", down)
    for surface in ("chat", "responses", "proxy"):
        answer = await post(gateway, surface)
        assert answer.status_code == 503
        assert error_of(answer)["code"] == "store_unavailable"
        assert "it is gone" not in answer.text
    with pytest.raises(openai.InternalServerError):
        await gateway.sdk().models.list()
    assert len(upstream.requests) == 1

    monkeypatch.undo()
    assert (await post(gateway, "chat")).status_code == 200


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
async def test_a_closed_store_is_down(start: Start, upstream: ScriptedUpstream, store: str) -> None:
    gateway = await start("chat", store=store)
    await gateway.services.store.close()

    answer = await post(gateway, "chat")

    assert answer.status_code == 503
    assert upstream.requests == []
