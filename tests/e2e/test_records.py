"""Owners of ids are recorded before the client gets the ids (law 6, persist, then announce)."""

import asyncio
import json
from typing import Any

import pytest

from chat2response.stores import StoreDown
from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import Reading, body_for, failure_of
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import RESPONSES, frames, sse, stream, whole
from tests.support.e2e.stateful_upstream import REFERENCES, REPLY, ask, keeping
from tests.support.scripted_upstream import Script, ScriptedUpstream


class GatedStore:
    """Lets a test delay or fail the write of an id."""

    def __init__(
        self, gateway: Running, monkeypatch: pytest.MonkeyPatch, key: str, fails: bool = False
    ) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        put = gateway.services.store.put

        async def gated(kind: str, each: str, *args: Any, **more: Any) -> bool:
            if each == key:
                self.reached.set()
                if fails:
                    raise StoreDown("the disk is full")
                await self.opened.wait()
            return await put(kind, each, *args, **more)

        monkeypatch.setattr(gateway.services.store, "put", gated)


@pytest.mark.parametrize(
    ("blocked", "before"), [("resp_a", b"response.created"), ("msg_up", b"response.completed")]
)
@pytest.mark.parametrize("path", [RESPONSES, "/proxy"])
async def test_no_id_is_told_before_its_owner_is_recorded(
    start: Start,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    blocked: str,
    before: bytes,
    path: str,
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    gate = GatedStore(gateway, monkeypatch, blocked)
    body = {**body_for("proxy" if path == "/proxy" else "responses", streamed=True), "store": True}

    async with asyncio.TaskGroup() as group:
        answer = group.create_task(gateway.post(path, body))
        await gate.reached.wait()
        assert (await gateway.http.get("/livez")).status_code == 200  # a round trip later
        assert before not in b"".join(stream.data for stream in gateway.recorder.streams)
        gate.opened.set()

    assert before in answer.result().content


async def test_a_json_answer_waits_for_its_record(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    gate = GatedStore(gateway, monkeypatch, "resp_a")

    async with asyncio.TaskGroup() as group:
        answer = group.create_task(ask(gateway, gateway.key, {}))
        await gate.reached.wait()
        assert (await gateway.http.get("/livez")).status_code == 200
        assert not answer.done()
        gate.opened.set()

    assert answer.result().json()["id"] == "resp_a"


@pytest.mark.parametrize("path", [RESPONSES, "/proxy"])
async def test_an_end_that_could_not_be_recorded_is_not_told(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    received = asyncio.Event()
    *begun, last = sse(*REPLY.events(), done=False)
    upstream.play(frames("responses", *begun, received, last))
    gateway = await start("responses")
    GatedStore(gateway, monkeypatch, "msg_up", fails=True)

    body = {**body_for("proxy" if path == "/proxy" else "responses", streamed=True), "store": True}
    async with gateway.http.stream("POST", path, json=body) as answer:
        reading = Reading(answer)
        await reading.until(b"output_text.done")
        received.set()
        data = await reading.rest()

    assert b"response.completed" not in data
    assert failure_of("responses", data)["message"].startswith("The gateway could not record")


@pytest.mark.parametrize("path", [RESPONSES, "/proxy"])
async def test_a_json_answer_that_could_not_be_recorded_is_a_503(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    GatedStore(gateway, monkeypatch, "msg_up", fails=True)

    answer = await gateway.post(
        path, {**body_for("proxy" if path == "/proxy" else "responses"), "store": True}
    )

    assert answer.status_code == 503
    assert "msg_up" not in answer.text


async def test_a_stream_whose_first_id_cannot_be_recorded_is_a_503(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")
    GatedStore(gateway, monkeypatch, "resp_a", fails=True)

    answer = await ask(gateway, gateway.key, {"stream": True})

    assert answer.status_code == 503
    assert "resp_a" not in answer.text


# -- only where something is kept ----------------------------------------------------------------------


async def _owned(gateway: Running) -> set[str]:
    page = await gateway.services.store.scan("owners")
    return {each for each, _ in page.entries}


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_every_id_of_a_kept_answer_has_an_owner(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses")

    for stored in ({"store": True}, {"store": None}):  # true is the default of the API
        assert (await ask(gateway, gateway.key, {**stored, "stream": streamed})).status_code == 200

    assert await _owned(gateway) == {"resp_a", "conv_a", "msg_up", "fc_0"}


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_nothing_is_written_where_nothing_is_kept(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play_for(RESPONSES, lambda r: (stream if r.json().get("stream") else whole)("responses", REPLY))
    gateway = await start("responses")

    await gateway.post(RESPONSES, body_for("responses", streamed=streamed))  # store: false
    await gateway.post("/proxy", body_for("proxy", streamed=streamed))  # the default of Chat
    await gateway.post("/v1/chat/completions", body_for("chat", streamed=streamed))

    assert len(upstream.requests) == 3
    assert all(request.json()["store"] is False for request in upstream.requests)
    assert await _owned(gateway) == set()


async def test_a_refusal_leaves_no_record(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(
        Script(RESPONSES, (json.dumps({"error": {"message": "no"}, "id": "x"}).encode(),), status=400)
    )
    gateway = await start("responses")

    assert (await ask(gateway, gateway.key, {})).status_code == 400

    assert await _owned(gateway) == set()


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_passthrough_checks_and_writes_nothing(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    """In passthrough the upstream's own account decides."""
    upstream.play_for(RESPONSES, keeping)
    gateway = await start("responses", managed=False)

    for reference in ({}, *REFERENCES.values()):
        answer = await ask(gateway, gateway.key, {**reference, "stream": streamed})
        assert answer.status_code == 200

    assert await _owned(gateway) == set()


async def test_a_kept_chat_completion_has_an_owner(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(
        "/v1/chat/completions", lambda r: (stream if r.json().get("stream") else whole)("chat", REPLY)
    )
    gateway = await start("chat")

    for streamed in (False, True):
        await gateway.post("/v1/chat/completions", body_for("chat", streamed=streamed))
        assert await _owned(gateway) == set()
    for streamed in (True, False):
        await gateway.post("/v1/chat/completions", body_for("chat", streamed=streamed, store=True))
        assert await _owned(gateway) == {"chatcmpl-up"}
        await gateway.services.store.delete("owners", "chatcmpl-up")


async def test_the_stream_of_a_reader_who_leaves_is_recorded_as_far_as_it_went(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """An id that the client has seen has an owner."""
    begun = sse(*REPLY.events()[:2], done=False)
    upstream.play(frames("responses", *begun).but(end="stall"))
    gateway = await start("responses")

    body = {**body_for("responses", streamed=True), "store": True}
    async with gateway.http.stream("POST", RESPONSES, json=body) as answer:
        await Reading(answer).until(b"response.created")

    await gateway.idle()
    assert await _owned(gateway) == {"resp_a"}
