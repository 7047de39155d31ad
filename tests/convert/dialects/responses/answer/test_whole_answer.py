"""Whole responses from an upstream: which are answers, which are errors."""

import pytest

from chat2response.convert.dialects.responses.answer.whole_answer import as_event, read_response
from chat2response.errors import UpstreamError
from tests.support.upstream_streams import RESPONSES_STREAMS

WHOLE = RESPONSES_STREAMS["text"][-1]["response"]
NO_RESPONSE = "The upstream's answer is not a Responses API response."


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        {**WHOLE, "status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        {**WHOLE, "error": None},
        {"object": "response", "id": "x"},
        {"output": []},  # some servers omit `object`
    ],
)
def test_an_answer_passes_as_it_is(body):
    assert read_response(body) is body


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({**WHOLE, "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}}, 429, "m"),
        ({**WHOLE, "status": "failed"}, 502, "The upstream's response ended with the status 'failed'."),
        ({**WHOLE, "status": "cancelled"}, 400, "The response was cancelled."),
        ({**WHOLE, "status": "queued"}, 502, "The upstream's response ended with the status 'queued'."),
        ({"error": {"message": "m", "code": 429}}, 429, "m"),
        ([{"error": {"message": "m"}}], 502, "m"),
        ({"detail": "m"}, 502, "m"),
        ({"object": "chat.completion", "choices": []}, 502, NO_RESPONSE),
        ({}, 502, NO_RESPONSE),
        (None, 502, NO_RESPONSE),
        ("x", 502, NO_RESPONSE),
    ],
)
def test_anything_else_is_an_upstream_error(body, status, message):
    with pytest.raises(UpstreamError) as raised:
        read_response(body)
    assert (raised.value.status, raised.value.message) == (status, message)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("completed", "response.completed"),
        ("incomplete", "response.incomplete"),
        ("failed", "response.failed"),
        ("cancelled", "response.failed"),
        ("queued", "response.failed"),
        (None, "response.completed"),
    ],
)
def test_a_response_is_the_terminal_event_of_its_status(status, event):
    body = {**WHOLE, "status": status}
    assert as_event(body) == {"type": event, "response": body}


def test_what_is_no_response_is_no_event():
    with pytest.raises(UpstreamError, match="m"):
        as_event({"error": {"message": "m"}})
