"""The OpenAPI document and its page are complete and consistent, and the examples work on the demo."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from chat2response.api.management.key_models import SOME_DIGEST, SOME_ID
from chat2response.api.openapi.docs_page import page
from chat2response.api.openapi.document import complete
from chat2response.app import Gateway
from chat2response.compose import Services, compose
from tests.support.management_client import Parts, client, settings

METHODS = {"get", "post"}
KEY: list[dict[str, Any]] = [{"apiKey": []}, {"apiKeyHeader": []}, {"azureKeyHeader": []}]


@pytest.fixture
async def document() -> dict[str, Any]:
    async with client(Parts.plain()) as http:
        answer = await http.get("/openapi.json")
    assert answer.status_code == 200
    matches: dict[str, Any] = answer.json()
    return matches


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    result = compose(settings(upstream_mode="demo"), store_url="memory")
    await result.open()
    yield result
    await result.close()


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Gateway(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8088") as result:
        yield result


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


async def test_it_is_complete_and_consistent(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "chat2response"
    schemes = set(document["components"]["securitySchemes"])
    schemas = document["components"]["schemas"]
    seen = []
    for method, path, operation in operations(document):
        assert method in METHODS
        assert operation["summary"], path
        assert operation["tags"], path
        assert "200" in operation["responses"], path
        assert {name for each in operation["security"] for name in each} <= schemes
        assert all(answer["description"] for answer in operation["responses"].values()), path
        declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        seen.append(operation["operationId"])
    assert len(seen) == len(set(seen))
    for node in nodes(document):
        if isinstance(link := node.get("$ref"), str):
            assert link.removeprefix("#/components/schemas/") in schemas
        if "required" in node and "properties" in node:
            assert set(node["required"]) <= set(node["properties"])


async def test_every_error_has_the_one_shape(document):
    for _, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path not in ("/readyz", "/healthz", "/health"):
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (path, status)


async def test_the_gateway_answers_what_is_described_and_describes_what_it_answers(document, services):
    gateway = Gateway(services)
    raw = {
        (method.lower(), path)
        for path, (methods, _) in gateway._endpoints.items()
        for method in methods
        if method != "HEAD"
    }
    raw |= {("get", "/v1/models/{model}"), ("get", "/models/{model}")}
    posted = ("generate", "revoke", "set_expiration", "rotate", "update", "import", "purge")
    ours = {("post", f"/keys/{name}") for name in posted}
    result = ("/keys", "/keys/{id}", "/keys/{id}/usage", "/usage", "/audit")
    ours |= {("get", path) for path in (*result, "/metrics", "/status", "/docs", "/openapi.json")}
    assert {(method, path) for method, path, _ in operations(document)} == raw | ours


async def test_who_needs_what_is_told(document):
    def schemes(path: str, method: str) -> list[dict[str, Any]]:
        matches: list[dict[str, Any]] = document["paths"][path][method]["security"]
        return matches

    for path in ("/proxy", "/v1/responses", "/responses", "/v1/chat/completions", "/chat/completions"):
        assert schemes(path, "post") == KEY
    for path in ("/v1/models", "/v1/models/{model}", "/models", "/models/{model}"):
        assert schemes(path, "get") == KEY
    for method, path in (("get", "/keys"), ("post", "/keys/generate"), ("get", "/metrics")):
        assert schemes(path, method) == [{}, {"adminBearer": []}, {"adminHeader": []}]
    for path in ("/status", "/docs", "/openapi.json", "/livez", "/readyz"):
        assert schemes(path, "get") == []
    assert schemes("/convert", "post") == []


async def test_convert_and_proxy_name_their_query(document):
    def names(path: str) -> set[str]:
        return {each["name"] for each in document["paths"][path]["post"]["parameters"]}

    assert names("/convert") == {"to", "profile", "conversation_id", "previous_response_id"}
    assert names("/proxy") == {"conversation_id", "previous_response_id"}


async def test_every_example_works_on_the_demo(document, services, http):
    """Sends each example unchanged, with a key if one is needed, and calls the GET endpoints."""
    token = (await services.keys.generate()).token
    await services.keys.import_digest(SOME_ID, SOME_DIGEST)
    sent = 0
    for method, path, operation in operations(document):
        headers = {"authorization": f"Bearer {token}"} if operation["security"] == KEY else {}
        for each in operation.get("parameters", ()):
            path = path.replace(f"{{{each['name']}}}", str(each.get("example")))
        if method == "get":
            answer = await http.get(path, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            continue
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        assert examples, path
        for name, example in examples.items():
            if path.startswith("/keys/"):  # one that another example revoked or rotated stays so
                await services.store.delete("keys", SOME_ID)
                await services.keys.import_digest(SOME_ID, SOME_DIGEST)
            answer = await http.post(path, json=example["value"], headers=headers)
            assert answer.status_code == 200, (path, name, answer.text)
            kinds = operation["responses"]["200"]["content"]
            assert answer.headers["content-type"].partition(";")[0] in kinds, (path, name)
            streamed = answer.headers["content-type"].startswith("text/event-stream")
            assert streamed is bool(example["value"].get("stream") and path != "/convert"), (path, name)
            assert '"failed"' not in answer.text, (path, name)
            sent += 1
    assert sent >= 30


async def test_the_examples_show_what_they_say(services, http):
    token = (await services.keys.generate()).token
    matches: dict[str, Any] = (await http.get("/openapi.json")).json()
    body = matches["paths"]["/v1/responses"]["post"]["requestBody"]["content"]["application/json"]["examples"]

    async def kinds(name: str) -> list[str]:
        headers = {"authorization": f"Bearer {token}"}
        answer = await http.post("/v1/responses", json=body[name]["value"], headers=headers)
        return [item["type"] for item in answer.json()["output"]]

    assert "function_call" in await kinds("a tool is called")
    assert "reasoning" in await kinds("reasoning")
    assert await kinds("its result is given") == ["message"]


async def test_a_key_is_what_the_examples_need(document, http):
    for _, path, operation in operations(document):
        if operation["security"] == KEY and "requestBody" in operation:
            assert (await http.post(path, json={})).status_code == 401


async def test_the_page_tells_all_of_it_and_runs_nothing(document):
    async with client(Parts.plain()) as http:
        answer = await http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for _, path, operation in operations(document):
        assert f"<code>{path}</code>" in answer.text
        assert f'id="{operation["operationId"]}"' in answer.text
    assert "Authorization: Bearer $KEY" in answer.text
    for loaded in ("<script", "<link", "<img", "src=", "@import", "url("):
        assert loaded not in answer.text


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "gateway.example:9000"}, "http://gateway.example:9000"),
        ({"host": "[::1]:8088"}, "http://[::1]:8088"),
        ({"host": "gateway.example", "x-forwarded-proto": "https"}, "https://gateway.example"),
        ({"host": "gateway.example", "x-forwarded-proto": "javascript"}, "http://gateway.example"),
        ({"host": "a b'; rm -rf /"}, "http://localhost:8088"),
        ({"host": "user@gateway.example"}, "http://localhost:8088"),
    ],
)
async def test_its_examples_call_the_host_that_it_was_asked_at(headers, base):
    async with client(Parts.plain()) as http:
        answer = await http.get("/docs", headers=headers)
    calls = set(re.findall(r"curl -N (\S+?)/(?:v1|proxy|convert|keys)", answer.text))
    assert calls == {base}
    assert answer.headers["cache-control"] == "no-store"


async def test_the_page_shows_what_is_written_as_text():
    about = {"title": "<b>", "version": "1", "description": "a & b"}
    text = page({"info": about, "paths": {}})
    assert "<h1>&lt;b&gt; 1</h1><p>a &amp; b</p>" in text


def test_a_document_without_models_is_completed_too():
    result = complete({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}, set())
    assert "Error" in result["components"]["schemas"]
    assert "/proxy" in result["paths"]
