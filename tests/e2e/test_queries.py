"""Queries that are longer than any client's: refused before anybody parses them, whoever asks."""

import httpx2
import pytest

from chat2response.api import queries
from chat2response.api.endpoint import MAX_PARAMETERS, MAX_QUERY
from tests.e2e.conftest import Start

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
    """Whoever parses a query fails."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr("chat2response.api.bridge.parse_qs", fail)
    monkeypatch.setattr("starlette.datastructures.parse_qsl", fail)
    monkeypatch.setattr(queries, "asked", fail)


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
