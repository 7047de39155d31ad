"""Web pages of other origins may call the data plane as configured, and never the admin plane."""

from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for, every_way, json_or_stream
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, ModelReply, stream, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
PAGE, OTHER = "https://app.example", "https://elsewhere.example"
PATHS = ["/proxy", "/convert", "/v1/responses", "/responses", "/v1/chat/completions", "/chat/completions"]
GOT = ["/v1/models", "/models", "/v1/models/any"]
ORIGIN = "access-control-allow-origin"


def _cors(answer: httpx2.Response) -> dict[str, str]:
    """The CORS headers of a response."""
    names = [name for name in answer.headers if name.startswith("access-control-") or name == "vary"]
    return {name.removeprefix("access-control-"): answer.headers[name] for name in names}


async def _ask(gateway: Running, path: str, origin: str = PAGE, **more: str) -> httpx2.Response:
    """A preflight as browsers send it, without the key."""
    gateway.http.headers.pop("authorization", None)
    body = {
        "origin": origin,
        "access-control-request-method": "GET" if path in GOT else "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-lang",
        **more,
    }
    return await gateway.http.request("OPTIONS", path, headers=body)


@pytest.mark.parametrize("path", PATHS + GOT)
async def test_a_preflight_is_answered_without_a_key(
    start: Start, upstream: ScriptedUpstream, path: str
) -> None:
    gateway = await start("chat", cors_allowed_origins="*")

    answer = await _ask(gateway, path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert _cors(answer) == {
        "allow-origin": "*",
        "expose-headers": "*",
        "allow-methods": "GET, HEAD" if path in GOT else "POST",
        "allow-headers": "authorization,content-type,x-stainless-lang",
        "max-age": "3600",
    }
    assert answer.headers["x-request-id"]
    assert upstream.requests == []


@json_or_stream
@every_way
async def test_answers_may_be_read_by_any_page(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play((stream if streamed else whole)(dialect, REPLY))
    gateway = await start(dialect)
    body = body_for(surface, streamed=streamed)

    from_page = await gateway.post(PATH[surface], body, headers={"origin": PAGE})
    plain = await gateway.post(PATH[surface], body)

    assert from_page.status_code == plain.status_code == 200
    assert _cors(from_page) == {"allow-origin": "*", "expose-headers": "*"}
    assert _cors(plain) == {}


async def test_a_page_can_read_refusals_too(start: Start) -> None:
    gateway = await start("chat", chat2response_max_body_bytes=2048)
    page = {"origin": PAGE}

    answers = [
        await gateway.post(CHAT, b"{}", headers={**page, "authorization": "Bearer no"}),
        await gateway.post(CHAT, b" " * 4096, headers=page),
        await gateway.http.request("DELETE", CHAT, headers=page),
        await gateway.http.request("OPTIONS", CHAT, headers=page),
    ]

    assert [answer.status_code for answer in answers] == [401, 413, 405, 405]
    assert all(answer.headers[ORIGIN] == "*" for answer in answers)


async def test_only_named_origins_may(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start(
        "chat",
        cors_allowed_origins=f"{PAGE.upper()}/ , http://localhost:3000",
        cors_allowed_methods="get, post",
        cors_allowed_headers="authorization, content-type",
        cors_allow_credentials=True,
        cors_max_age=60,
    )

    async def post(**headers: str) -> dict[str, str]:
        return _cors(await gateway.post(CHAT, body_for("chat"), headers=headers))

    result = await post(origin=PAGE)
    assert (result["allow-origin"], result["allow-credentials"], result["vary"]) == (PAGE, "true", "origin")
    assert "x-chat2response-losses" in result["expose-headers"]
    assert (await post(origin="http://localhost:3000"))["allow-origin"] == "http://localhost:3000"
    for stranger in ({"origin": OTHER}, {"origin": "null"}, {"origin": "http://localhost:3001"}, {}):
        assert await post(**stranger) == {"vary": "origin"}

    request = _cors(await _ask(gateway, CHAT))
    assert (request["allow-methods"], request["allow-headers"]) == ("POST", "authorization, content-type")
    assert (request["allow-origin"], request["max-age"]) == (PAGE, "60")
    refused = await _ask(gateway, CHAT, OTHER)
    assert (refused.status_code, _cors(refused)) == (204, {"vary": "origin"})


ADMIN: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/keys", {}),
    ("POST", "/keys/generate", {"json": {}}),
    ("POST", "/keys/revoke", {"json": {"id": "x"}}),
    ("POST", "/keys/set_expiration", {"json": {"id": "x"}}),
    ("GET", "/metrics", {}),
]


@pytest.mark.parametrize(("method", "path", "more"), ADMIN, ids=[path for _, path, _ in ADMIN])
@pytest.mark.parametrize("named", [None, PAGE], ids=["any origin", "a named one"])
async def test_the_admin_plane_has_no_part_in_it(
    start: Start, method: str, path: str, more: dict[str, Any], named: str | None
) -> None:
    gateway = await start("chat", cors_allowed_origins=named)

    preflight = await _ask(gateway, path)
    call = await gateway.http.request(method, path, headers={"origin": PAGE}, **more)

    assert (preflight.status_code, call.status_code) == (403, 403)
    assert _cors(preflight) == _cors(call) == {}


async def test_while_it_drains_a_page_is_told_so(start: Start, upstream: ScriptedUpstream) -> None:
    gateway = await start("chat")
    gateway.drain()

    answer = await gateway.post(CHAT, body_for("chat"), headers={"origin": PAGE})
    request = await _ask(gateway, CHAT)

    assert (answer.status_code, answer.headers[ORIGIN]) == (503, "*")
    assert answer.headers["connection"] == "close"
    assert (request.status_code, request.headers[ORIGIN]) == (204, "*")
    assert upstream.requests == []
