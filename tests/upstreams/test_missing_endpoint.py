"""Which errors say that the endpoint does not exist, in the words of various servers."""

import json
from typing import Any

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Target
from chat2response.upstreams.error_responses import refusal_error
from chat2response.upstreams.missing_endpoint import add_likely_cause

TARGET = Target(RESPONSES, "http://me:canary@llm.inner.example:8000/v1")

MISSING: list[tuple[int, Any]] = [
    (404, {"detail": "Not Found"}),  # FastAPI: vLLM, SGLang, LiteLLM
    (405, {"detail": "Method Not Allowed"}),
    (404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}),  # llama.cpp
    (404, "404 page not found"),  # Go: Ollama
    (404, {"error": {"message": "Not Found", "code": 404}}),
    (404, {"error": {"code": "404", "message": "Resource not found"}}),  # Azure
    (404, {"error": {"message": "Invalid URL (POST /v1/v1/responses)", "type": "invalid_request_error"}}),
    (404, {"error": {"message": "Unknown request URL: POST /responses.", "code": "unknown_url"}}),  # Groq
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "Not found"}}),
    (404, "<html><body><h1>404</h1></body></html>"),
    (404, ""),
    (405, ""),
    (501, "<p>Message: Unsupported method ('POST').</p>"),
    (200, {"error": "Unexpected endpoint or method. (POST /v1/responses)"}),  # LM Studio
]
ANOTHER: list[tuple[int, Any]] = [
    (404, {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}),
    (404, {"error": {"message": "model 'x' not found, try pulling it first", "code": None}}),  # Ollama
    (404, {"error": {"message": "No such thing", "code": "model_not_found"}}),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource ..."}}),
    (404, {"error": {"message": "Item with id 'rs_1' not found.", "param": "input", "code": None}}),
    (404, {"error": {"message": "Item with id 'rs_1' not found. Items are not persisted.", "code": None}}),
    (404, {"error": {"message": "Conversation with id 'conv_1' not found.", "code": None}}),
    (404, {"error": {"message": "No such File object: file-1", "code": None}}),
    (404, {"error": {"message": "No endpoints found matching your data policy", "code": 404}}),  # OpenRouter
    (400, {"error": {"message": "Invalid URL in image_url", "code": None}}),
    (500, "page not found"),
]


def _refusal(status: int, body: Any) -> UpstreamError:
    if status == 200:
        error = read_upstream_error(body)
        assert error is not None
        return error
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return refusal_error(data, status, [], TARGET)


@pytest.mark.parametrize(("status", "body"), MISSING)
def test_a_missing_endpoint_gets_its_likely_cause(status: int, body: Any) -> None:
    error = _refusal(status, body)
    words = error.message
    line = add_likely_cause(error, TARGET)
    assert line is not None and "http://llm.inner.example:8000/v1/responses" in line
    assert error.message.startswith(words.rstrip())
    assert "UPSTREAM_MODE=chat" in error.message and "OPENAI_BASE_URL" in error.message
    assert "inner.example" not in error.message
    assert "canary" not in line + error.message


@pytest.mark.parametrize(("status", "body"), ANOTHER)
def test_a_404_about_something_else_is_left_alone(status: int, body: Any) -> None:
    error = _refusal(status, body)
    words = error.message
    assert add_likely_cause(error, TARGET) is None
    assert error.message == words


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(RESPONSES, "http://h:1"), ("(UPSTREAM_MODE=chat)", "may lack /v1")),
        (Target(RESPONSES, "http://h:1/v1"), ("(UPSTREAM_MODE=chat)", "may be wrong")),
        (Target(CHAT, "http://h:1"), ("(UPSTREAM_MODE=responses)", "may lack /v1")),
        (Target(CHAT, "http://h:1/api/paas/v4"), ("(UPSTREAM_MODE=responses)", "may be wrong")),
    ],
)
def test_the_cause_is_what_this_configuration_may_have_wrong(target: Target, words: tuple[str, str]) -> None:
    error = _refusal(404, "")
    add_likely_cause(error, target)
    assert all(word in error.message for word in words)
