"""The pairs of client API and upstream API, and helpers to call each pair."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, RESPONSES
from tests.support.e2e.sse_streams import chunks_of, events_of

PATH: dict[Surface, str] = {"chat": CHAT, "responses": RESPONSES, "proxy": "/proxy"}
WAYS = [(surface, dialect) for surface in PATH for dialect in ("chat", "responses")]

every_way = pytest.mark.parametrize(
    ("surface", "dialect"), WAYS, ids=[f"{surface}-on-{dialect}" for surface, dialect in WAYS]
)
converted_way = pytest.mark.parametrize(
    ("surface", "dialect"), [("chat", "responses"), ("responses", "chat"), ("proxy", "chat")]
)
relayed_way = pytest.mark.parametrize(
    ("surface", "dialect"), [("chat", "chat"), ("responses", "responses"), ("proxy", "responses")]
)
json_or_stream = pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])


GUARDED = [
    ("POST", "/proxy"),
    ("POST", "/v1/responses"),
    ("POST", "/responses"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/any"),
    ("GET", "/models"),
]
"""Every endpoint that a key opens."""


def body_for(surface: Surface, *, streamed: bool = False, **more: Any) -> dict[str, Any]:
    """The body of a simple request. `store` is false if its default is true."""
    if surface == "responses":
        return {"model": CLIENT_MODEL, "input": QUESTION, "stream": streamed, "store": False, **more}
    return {
        "model": CLIENT_MODEL,
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": streamed,
        **more,
    }


async def post(gateway: Running, surface: Surface, *, streamed: bool = False, **more: Any) -> httpx2.Response:
    """Posts the question without the SDK, and reads the whole answer."""
    return await gateway.post(PATH[surface], body_for(surface, streamed=streamed, **more))


async def sdk_call(gateway: Running, surface: Surface, *, streamed: bool) -> Any:
    """Asks the question through the SDK, and reads its stream to the end."""
    client, messages = gateway.sdk(), [{"role": "user", "content": QUESTION}]
    if surface == "chat":
        completion: Any = await client.chat.completions.create(
            model=CLIENT_MODEL,
            messages=messages,
            stream=streamed,
        )
    else:
        completion = await client.responses.create(
            model=CLIENT_MODEL, input=QUESTION, store=False, stream=streamed
        )
    return [each async for each in completion] if streamed else completion


def failure_of(surface: Surface, stream: bytes) -> dict[str, Any]:
    """The error of a failed stream; checks that it has exactly one, at its end, in the format of its API."""
    if surface == "chat":
        chunks = chunks_of(stream)
        errors = [chunk["error"] for chunk in chunks if "error" in chunk]
        assert len(errors) == 1 and "error" in chunks[-1], "one error chunk, and nothing but [DONE] behind it"
        assert not any(c["finish_reason"] for chunk in chunks for c in chunk.get("choices", ()))
        assert set(errors[0]) == {"message", "type", "param", "code"}
        return errors[0]
    assert stream.endswith(b"data: [DONE]\n\n")
    last = events_of(stream)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    error: dict[str, Any] = last["response"]["error"]
    return error


def text_of(surface: Surface, stream: bytes) -> str:
    """The text of a stream, however it ended."""
    if surface == "chat":
        return "".join(
            choice["delta"].get("content") or "" for c in chunks_of(stream) for choice in c.get("choices", ())
        )
    deltas = [e["delta"] for e in events_of(stream) if e["type"] == "response.output_text.delta"]
    return "".join(deltas)


class Reading:
    """An answer that is read piece by piece, so that a test can act in the middle of it."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.data = b""
        self._source: AsyncIterator[bytes] = response.aiter_bytes()

    async def until(self, wanted: bytes, times: int = 1) -> None:
        """Reads until `wanted` has arrived `times` times."""
        while self.data.count(wanted) < times:
            self.data += await anext(self._source)

    async def rest(self) -> bytes:
        """Reads to the end; returns everything."""
        async for data in self._source:
            self.data += data
        return self.data


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """The error object of an error response; checks that it has exactly the four keys."""
    assert response.headers["content-type"].startswith("application/json")
    body = json.loads(response.content)
    assert list(body) == ["error"] and set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


def assert_no_entry(answer: httpx2.Response, message: str) -> None:
    """Checks for a 401 in OpenAI's format with exactly this text."""
    assert answer.status_code == 401
    assert error_of(answer) == {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert answer.headers["www-authenticate"] == "Bearer"
