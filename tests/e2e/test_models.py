"""`/v1/models`: the upstream's list, and one entry of it."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import error_of
from tests.support.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.support.e2e.scripted_model import MODELS
from tests.support.scripted_upstream import Script, ScriptedUpstream

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
    assert raw.json() == {"object": "list", "data": LISTED, "models": []}
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


AWAY = [
    Script(MODELS, (b'{"error": {"message": "no list"}}',), status=404),
    Script(MODELS, (b'{"error": {"message": "your key"}}',), status=401),
    Script(MODELS, (b"",), framing="raw"),
    Script(MODELS, (b"<html>",)),
    Script(MODELS, (b'{"data": null}',)),
]
away = pytest.mark.parametrize("script", AWAY, ids=["refused", "our key", "gone", "no JSON", "no list"])
DESCRIBED: dict[str, Any] = {
    "gpt-x": {"context_window": 9000, "reasoning_levels": ["low", "high"], "freeform": True},
    "org/*": {"context_window": 5000, "input_modalities": ["text", "image"]},
    "org/model:free*": {"display_name": "Free"},
    "own": {"instructions": "Be brief.", "verbosity": True},
}
# What Codex 0.169 cannot read an entry without.
CODEX = {
    "slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api",
    "priority", "base_instructions", "supports_reasoning_summaries", "support_verbosity",
    "truncation_policy", "supports_parallel_tool_calls", "experimental_supported_tools",
}  # fmt: skip


@pytest.fixture
def described(tmp_path: Path) -> Path:
    file = tmp_path / "models.json"
    file.write_text(json.dumps(DESCRIBED))
    return file


@away
async def test_row_47_the_list_never_fails(start: Start, upstream: ScriptedUpstream, script: Script) -> None:
    """Row 47: without the upstream the list is empty, and a single model is the upstream's error."""
    upstream.play(script)
    gateway = await start("chat")

    page = await gateway.sdk().models.list()
    one = await gateway.http.get("/v1/models/gpt-x")

    assert page.data == []
    assert one.status_code == (404 if script.status == 404 else 502)
    error_of(one)


@away
async def test_row_47_what_the_operator_says_is_there_all_the_same(
    start: Start, upstream: ScriptedUpstream, script: Script, described: Path
) -> None:
    """Row 47: the names in the file that are not globs."""
    upstream.play(script)
    gateway = await start("chat", chat2response_models_file=described)

    page = await gateway.sdk().models.list()

    assert [model.id for model in page.data] == ["gpt-x", "own"]
    assert (await gateway.sdk().models.retrieve("own")).owned_by == "gateway"


async def test_row_47_codex_reads_its_own_form_in_the_same_body(
    start: Start, upstream: ScriptedUpstream, described: Path
) -> None:
    """Row 47: context, modalities, reasoning levels and freeform patches, from the operator's file."""
    upstream.play(LIST)
    gateway = await start("chat", chat2response_models_file=described)

    body = (await gateway.http.get("/v1/models")).json()

    assert [each["id"] for each in body["data"]] == [*(each["id"] for each in LISTED), "own"]
    models = {each["slug"]: each for each in body["models"]}
    assert list(models) == ["gpt-x", "org/model", "org/model:free/v2", "own"]
    for number, model in enumerate(models.values()):
        assert model.keys() >= CODEX
        assert model["priority"] == number
    first = models["gpt-x"]
    assert first["context_window"] == 9000
    assert [each["effort"] for each in first["supported_reasoning_levels"]] == ["low", "high"]
    assert (first["default_reasoning_level"], first["apply_patch_tool_type"]) == ("high", "freeform")
    assert models["org/model"]["input_modalities"] == ["text", "image"]
    assert models["org/model"]["apply_patch_tool_type"] is None
    assert models["org/model:free/v2"]["display_name"] == "Free", "the longest glob"
    assert models["own"]["base_instructions"] == "Be brief."
    assert models["gpt-x"]["base_instructions"]


async def test_row_47_a_list_that_is_known_is_not_sent_again(
    start: Start, upstream: ScriptedUpstream, described: Path
) -> None:
    """Row 47: the ETag is stable, and changes with the list."""
    upstream.play(LIST)
    gateway = await start("chat", chat2response_models_file=described)

    first = await gateway.http.get("/v1/models")
    tag = first.headers["etag"]
    for body in (tag, f'"other", W/{tag}', "*"):
        again = await gateway.http.get("/v1/models", headers={"if-none-match": body})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    upstream.play(AWAY[0])
    changed = await gateway.http.get("/v1/models", headers={"if-none-match": tag})
    assert changed.status_code == 200 and changed.headers["etag"] != tag


async def test_in_passthrough_a_refused_bearer_stays_the_clients(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(AWAY[1])
    gateway = await start("chat", managed=False)
    with pytest.raises(openai.AuthenticationError):
        await gateway.sdk().models.list()


async def test_head_is_get_without_its_body(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(LIST)
    gateway = await start("chat")
    answer = await gateway.http.head("/v1/models")
    assert (answer.status_code, answer.content) == (200, b"")
