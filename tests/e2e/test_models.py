"""`/v1/models`: the upstream's list, and one entry of it."""

import json
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.e2e.pairs import error_of
from tests.e2e.said import MODELS
from tests.upstream import Script, ScriptedUpstream

LISTED = [
    {"id": name, "object": "model", "created": 1, "owned_by": "x", "context_length": 9}
    for name in ("gpt-x", "org/model", "org/model:free/v2", "ünï")
]
LIST = Script(MODELS, (json.dumps({"object": "list", "data": LISTED}, indent=1).encode(),))


@pytest.mark.parametrize("mode", ["chat", "responses", "both"])
async def test_the_list_is_the_upstreams(start: Start, upstream: ScriptedUpstream, mode: str) -> None:
    upstream.play(LIST)
    gateway = await start(mode)

    page = await gateway.sdk().models.list()
    raw = await gateway.http.get("/models")

    assert [model.id for model in page.data] == [each["id"] for each in LISTED]
    assert (raw.content,) == LIST.steps
    assert upstream.last.method == "GET"
    assert upstream.last.headers["authorization"] == f"Bearer {OPERATOR_KEY}"


@pytest.mark.parametrize("name", [each["id"] for each in LISTED])
async def test_one_model_by_its_id(start: Start, upstream: ScriptedUpstream, name: str) -> None:
    upstream.play(LIST)
    gateway = await start("chat")

    model = await gateway.sdk().models.retrieve(name)
    raw = await gateway.http.get(f"/models/{name}")

    assert model.id == name
    assert raw.json() == next(each for each in LISTED if each["id"] == name)


async def test_an_unknown_model_is_404(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(LIST)
    client = (gateway := await start("chat")).sdk()

    with pytest.raises(openai.NotFoundError) as raised:
        await client.models.retrieve("org")

    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert error_of(await gateway.http.get("/v1/models/gpt-x/"))["code"] == "model_not_found"


async def test_in_passthrough_the_clients_bearer_lists(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(LIST)
    gateway = await start("chat", managed=False)
    await gateway.sdk().models.list()
    assert upstream.last.headers["authorization"] == f"Bearer {CLIENT_BEARER}"


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        (Script(MODELS, (b'{"error": {"message": "no list"}}',), status=404), 404, "no list"),
        (Script(MODELS, (b'{"error": {"message": "your key"}}',), status=401), 502, "credentials"),
        (Script(MODELS, (b"",), framing="raw"), 502, "cannot be reached"),
    ],
    ids=["refused", "our key", "gone"],
)
async def test_its_failures_are_the_upstreams(
    start: Start, upstream: ScriptedUpstream, script: Script, status: int, message: str
) -> None:
    upstream.play(script)
    gateway = await start("chat")

    for path in ("/v1/models", "/v1/models/gpt-x"):
        answer = await gateway.http.get(path)
        assert answer.status_code == status
        assert message in error_of(answer)["message"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": null}'])
async def test_a_list_that_is_none_has_no_entries(
    start: Start, upstream: ScriptedUpstream, body: bytes
) -> None:
    upstream.play(Script(MODELS, (body,)))
    gateway = await start("chat")
    answer: Any = await gateway.http.get("/v1/models/gpt-x")
    assert answer.status_code in (404, 502)


async def test_head_is_get_without_its_body(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(LIST)
    gateway = await start("chat")
    answer = await gateway.http.head("/v1/models")
    assert (answer.status_code, answer.content) == (200, b"")
