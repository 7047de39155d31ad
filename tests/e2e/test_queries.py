"""Overlong queries are rejected before they are parsed, for every caller."""

import httpx2
import pytest

from chat2response.api.http.endpoint import MAX_PARAMETERS, MAX_QUERY
from chat2response.api.management import query_params
from tests.e2e.conftest import Start
from tests.support.e2e.scripted_model import CHAT, ModelReply, speaking
from tests.support.scripted_upstream import ScriptedUpstream

LONG = "%ff=%ff&" * 8000  # 64 KB, as many as a head may have
PATHS = [
    ("GET", "/status"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing/here"),
    ("GET", "/livez"),
    ("GET", "/v1/models"),
    ("GET", "/keys"),
    ("GET", "/usage"),
    ("POST", "/convert"),
    ("POST", "/proxy"),
    ("POST", "/v1/responses"),
]


@pytest.fixture
def unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes parsing a query fail."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("chat2response.api.http.query.parse_qsl", fail)
    monkeypatch.setattr("starlette.datastructures.parse_qsl", fail)
    monkeypatch.setattr(query_params, "read_query", fail)


@pytest.mark.usefixtures("unparsed")
@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("x=" + "1" * (MAX_QUERY - 1), 414, "uri_too_long"),
        (LONG[:60_000], 414, "uri_too_long"),
        ("a=1&" * MAX_PARAMETERS + "a=1", 400, "too_many_parameters"),
        ("&" * MAX_PARAMETERS, 400, "too_many_parameters"),
    ],
)
async def test_a_query_that_is_too_long_is_refused_before_it_is_parsed(
    start: Start, method: str, path: str, query: str, status: int, code: str
) -> None:
    gateway = await start("chat")
    async with httpx2.AsyncClient() as stranger:
        answer = await stranger.request(method, f"{gateway.url}{path}?{query}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/status", "/docs", "/openapi.json", "/livez"])
@pytest.mark.parametrize("query", ["x=" + "1" * (MAX_QUERY - 2), "&".join(["a=1"] * MAX_PARAMETERS)])
async def test_a_query_within_the_bounds_is_none_of_its_business(start: Start, path: str, query: str) -> None:
    gateway = await start("chat")
    async with httpx2.AsyncClient() as stranger:
        answer = await stranger.get(f"{gateway.url}{path}?{query}")
    assert answer.status_code == 200


CHAT_BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
RESPONSES_BODY = {"model": "m", "input": "Hi", "store": False}


@pytest.mark.parametrize(
    ("path", "body", "name", "hint"),
    [
        ("/convert?to=chat&profil=deepseek", RESPONSES_BODY, "profil", "Did you mean 'profile'?"),
        ("/convert?reprot=1", CHAT_BODY, "reprot", "Did you mean 'report'?"),
        ("/convert?profil", CHAT_BODY, "profil", "Did you mean 'profile'?"),
        ("/convert?x=1", CHAT_BODY, "x", "This endpoint accepts to, profile, report, conversation_id"),
        ("/proxy?conversationid=c", CHAT_BODY, "conversationid", "Did you mean 'conversation_id'?"),
        ("/proxy?conversation_id=a&conversation_id=b", CHAT_BODY, "conversation_id", "twice"),
        ("/v1/responses?stream=true", RESPONSES_BODY, "stream", "write it in the body"),
        ("/v1/chat/completions?api_key=sk-canary", CHAT_BODY, "api_key", "Authorization: Bearer"),
        ("/v1/chat/completions?sk-canary-canary", CHAT_BODY, "[key]", "write it in the body"),
    ],
)
async def test_an_unknown_parameter_is_a_400_that_names_the_nearest(
    start: Start, path: str, body: dict[str, object], name: str, hint: str
) -> None:
    gateway = await start("chat")
    answer = await gateway.post(path, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == name
    assert hint in error["message"]
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", ["/proxy", "/v1/responses", "/v1/chat/completions"])
async def test_who_has_no_key_is_told_that_first(start: Start, path: str) -> None:
    gateway = await start("chat")
    answer = await gateway.post(f"{path}?profil=x", CHAT_BODY, headers={"authorization": "Bearer no"})
    assert answer.status_code == 401


async def test_what_clients_send_with_every_call_is_taken(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, speaking("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    assert (await gateway.post("/v1/chat/completions?api-version=2025-01-01", CHAT_BODY)).status_code == 200
    assert (await gateway.http.get("/v1/models?client_version=0.80.0")).status_code == 200
