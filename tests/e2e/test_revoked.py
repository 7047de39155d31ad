"""A revocation, here or on another gateway, ends what runs under the key, and nothing else."""

import asyncio
from typing import Any

import pytest

from chat2response.wire.machine import REVOKED
from tests.e2e.conftest import Start
from tests.e2e.pairs import Reading, body_for, error_of, failure_of, post
from tests.e2e.said import PATHS, RESPONSES
from tests.e2e.test_stop import SAID, open_ended
from tests.upstream import PATIENCE, Script, ScriptedUpstream


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_running_streams_end_with_their_terminal_event(
    start: Start, upstream: ScriptedUpstream, store: str, dialect: str
) -> None:
    upstream.play(open_ended(dialect))
    gateway = await start(dialect, store=store)
    # Where there can be one, another gateway revokes.
    other = gateway if store == "memory" else await start(dialect, store=store)
    doomed = await gateway.issue()

    body = body_for("responses", streamed=True)
    theirs = {"authorization": f"Bearer {doomed}"}
    async with (
        gateway.http.stream("POST", RESPONSES, json=body) as mine,
        gateway.http.stream("POST", RESPONSES, json=body, headers=theirs) as revoked,
    ):
        reading, ending = Reading(mine), Reading(revoked)
        await reading.until(b"Hello")
        await ending.until(b"Hello")
        answer = await other.post("/keys/revoke", {"id": doomed[3:35]})
        assert answer.json()["revoked"] is True
        async with asyncio.timeout(PATIENCE):
            data = await ending.rest()
        assert len(gateway.runs) == 1

    assert failure_of("responses", data)["message"] == REVOKED.message


async def test_a_call_that_has_not_begun_to_answer_is_refused(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(Script(PATHS["chat"], (), framing="raw", end="stall"))
    gateway = await start("chat")

    call = asyncio.ensure_future(post(gateway, "chat"))
    await upstream.asked()
    await gateway.services.keys.revoke(gateway.key[3:35])
    answer = await call

    assert answer.status_code == 401
    assert error_of(answer)["message"] == REVOKED.message
    await upstream.until(lambda: upstream.last.gone.is_set())


async def test_unless_the_operator_lets_them_run_on(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(open_ended("responses"))
    gateway = await start("responses", chat2response_keys_end_runs=False)

    body = body_for("responses", streamed=True)
    async with gateway.http.stream("POST", RESPONSES, json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"Hello")
        await gateway.services.keys.revoke(gateway.key[3:35])
        assert (await post(gateway, "responses")).status_code == 401
        assert len(gateway.runs) == 1
    assert SAID.text[0].encode() in reading.data


async def test_a_change_that_ends_nothing_lets_calls_run_on(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(open_ended("responses"))
    gateway = await start("responses")
    doomed = await gateway.issue()

    async def opened(token: str) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        return gateway.http.stream(
            "POST", RESPONSES, json=body_for("responses", streamed=True), headers=headers
        )

    async with await opened(gateway.key) as mine, await opened(doomed) as theirs:
        reading, ending = Reading(mine), Reading(theirs)
        await reading.until(b"Hello")
        await ending.until(b"Hello")
        keys = gateway.services.keys
        await keys.update(gateway.key[3:35], label="x", scopes=["endpoint:models"])
        await keys.rotate(gateway.key[3:35])
        await keys.set_expiration(gateway.key[3:35], expires_at=1)
        await keys.revoke(doomed[3:35])
        await ending.rest()  # what was changed before was looked at before, too
        assert [run.tenant for run in gateway.runs] == [gateway.key[3:35]]
