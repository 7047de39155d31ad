"""Errors of upstreams: every known form gives the same error object."""

from typing import Any

import pytest

from chat2response.convert.errors.codes import CONTEXT
from chat2response.convert.errors.upstream_errors import (
    MAX_MESSAGE,
    plain_error,
    read_error_event,
    read_upstream_error,
)
from chat2response.wire.json import encode


def fields(body, status=None):
    error = read_upstream_error(body, status)
    return None if error is None else (error.status, error.type, error.code, error.message)


OPENAI = {"error": {"message": "m", "type": "invalid_request_error", "param": "p", "code": "c"}}


def test_the_standard_form_keeps_every_field():
    error = read_upstream_error(OPENAI, 400)
    assert error is not None
    assert error.status == 400
    assert error.fields() == {"message": "m", "type": "invalid_request_error", "param": "p", "code": "c"}


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"error": "text"}, 500, (500, "server_error", None, "text")),
        ({"error": "text", "code": "c"}, 500, (500, "server_error", "c", "text")),
        ({"message": "text"}, 404, (404, "invalid_request_error", None, "text")),
        ({"detail": "text"}, 422, (422, "invalid_request_error", None, "text")),
        (
            {"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too long"}]},
            422,
            (422, "invalid_request_error", None, "field required; too long"),
        ),
        (  # vLLM
            {"object": "error", "message": "m", "type": "BadRequestError", "param": None, "code": 400},
            400,
            (400, "BadRequestError", "400", "m"),
        ),
        (  # Anthropic
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            529,
            (529, "overloaded_error", None, "m"),
        ),
        (
            [{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}],
            400,
            (400, "invalid_request_error", "400", "m"),
        ),
        (
            {"success": False, "errors": [{"code": 7003, "message": "m"}]},
            400,
            (400, "invalid_request_error", "7003", "m"),
        ),
        ({"errors": ["m"]}, 400, (400, "invalid_request_error", None, "m")),
        ({"error": {}}, 503, (503, "server_error", None, "The upstream answered with status 503.")),
        (
            {"error": {"message": None}},
            429,
            (429, "rate_limit_error", "rate_limit_exceeded", "The upstream answered with status 429."),
        ),
        (
            {"error": {"message": {"msg": "m"}, "type": 3, "code": False}},
            400,
            (400, "invalid_request_error", None, "m"),
        ),
    ],
)
def test_a_body_with_an_error_status_is_read_in_every_form(body, status, expected):
    assert fields(body, status) == expected


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "m"}}, 502),
        ({"error": {"message": "m", "code": 429}}, 429),
        ({"error": {"message": "m", "code": "503"}}, 503),
        ({"error": {"message": "m", "status": 404}}, 404),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, 429),
        ({"error": {"message": "m", "type": "invalid_request_error"}}, 400),
        ({"error": {"message": "m", "code": "context_length_exceeded"}}, 400),
        ({"error": {"message": "m", "type": "overloaded_error"}}, 503),
        ({"error": {"message": "m", "code": 7}}, 502),
        ({"error": {"message": "m", "code": "foo"}}, 502),
        ({"error": "m"}, 502),
        ({"error": True, "message": "m"}, 502),
        ({"type": "error", "code": "server_error", "message": "m", "param": None}, 502),
        ({"object": "error", "message": "m", "code": 400}, 400),
        ({"detail": "m"}, 502),
        ({"code": "InvalidParameter", "message": "m", "request_id": "r"}, 502),
        ([{"error": {"message": "m", "code": 500}}], 500),
    ],
)
def test_an_error_inside_a_stream_says_its_own_status(body, status):
    error = read_upstream_error(body)
    assert error is not None
    assert (error.status, error.message) == (status, "m")
    assert error.type != "error"


@pytest.mark.parametrize("code", [401, 403, "401"])
def test_an_inner_refusal_is_not_about_the_client(code):
    """The gateway's request was accepted, so the rejected credentials are the upstream's own."""
    error = read_upstream_error({"error": {"message": "m", "code": code}})
    assert error is not None
    assert error.status == 502


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        "error",
        [],
        [1, 2],
        {},
        {"error": None},
        {"error": {}},
        {"error": ""},
        {"error": False},
        {"message": "keep-alive"},
        {"choices": [], "error": None},
        {"code": 0, "message": "ok", "choices": [{}]},
        {"errors": []},
    ],
)
def test_what_is_no_error_is_none(body):
    assert read_upstream_error(body) is None


def test_a_message_is_bounded():
    error = read_upstream_error({"error": {"message": "x" * 100_000}}, 400)
    assert error is not None
    assert len(error.message) == MAX_MESSAGE


def test_values_nested_without_end_are_no_message():
    deep: list = []
    for _ in range(900):
        deep = [deep]
    for body in ({"detail": deep}, {"error": {"message": deep, "type": deep, "code": deep}}):
        error = read_upstream_error(body, 400)
        assert error is not None
        assert error.message == "The upstream answered with status 400."


def test_a_body_that_is_no_error_is_quoted_in_part():
    assert plain_error("  <html>gateway</html> ", 502).message == "<html>gateway</html>"
    assert len(plain_error("x" * 9000, 500).message) == 500
    assert plain_error("", 503).message == "The upstream answered with status 503."
    assert plain_error("slow down", 429).type == "rate_limit_error"


def outer(raw):
    return {"error": {"message": "outer", "metadata": {"raw": raw}}}


DEEPER = {"error": {"message": "inner", "code": "context_length_exceeded"}}


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (outer(encode(DEEPER).decode()), "outer: inner", CONTEXT),
        (outer(DEEPER), "outer: inner", CONTEXT),
        (outer("some words"), "outer: some words", None),
        (outer("outer"), "outer", None),
        (outer(None), "outer", None),
        ({"error": {"message": encode(DEEPER).decode()}}, "inner", CONTEXT),
        ({"error": {"message": "{broken"}}, "{broken", None),
        ({"error": {"message": DEEPER}}, "inner", CONTEXT),
        ({"error": DEEPER}, "inner", CONTEXT),
        ({"error": encode(DEEPER).decode()}, "inner", CONTEXT),
        ({"detail": DEEPER}, "inner", CONTEXT),
        ({"detail": {"reason": "words"}}, "words", None),
        ({"detail": {"odd": "words"}}, '{"odd":"words"}', None),
        ({"data": DEEPER}, "inner", CONTEXT),
        ({"error_code": 17, "error_msg": "words"}, "words", "17"),
        ({"code": "c", "msg": "words"}, "words", "c"),
        ({"Message": "words"}, "words", None),
        ({"error": {"message": "m", "failed_generation": "<f>"}}, "m\nfailed_generation: <f>", None),
        ({"error": {"message": "m", "failed_generation": {"a": 1}}}, 'm\nfailed_generation: {"a":1}', None),
        ({"error": {"message": "m", "code": "mine", "metadata": {"raw": DEEPER}}}, "m: inner", CONTEXT),
        ({"error": {"message": "m", "code": "mine", "metadata": {"raw": {"message": "n", "code": "its"}}}},
         "m: n", "mine"),
        ({"error": {"message": "upstream said: code=context_length_exceeded"}},
         "upstream said: code=context_length_exceeded", CONTEXT),
    ],
)  # fmt: skip
def test_words_and_codes_are_found_where_they_stand(body, message, code):
    error = read_upstream_error(body, 400)
    assert error is not None
    assert (error.message, error.code) == (message, code)


def test_base_resp_is_an_error_where_there_is_no_answer():
    failed = {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "slow down"}}
    assert fields(failed) == (429, "rate_limit_error", "rate_limit_exceeded", "slow down")
    assert fields({"base_resp": {"status_code": 1004, "status_msg": "m"}}) == (
        502,
        "server_error",
        "1004",
        "m",
    )
    for fine in ({"status_code": 0, "status_msg": "success"}, {"status_code": "x"}, {}, None):
        assert read_upstream_error({"choices": None, "base_resp": fine}) is None
    assert read_upstream_error({**failed, "choices": [{}]}) is None


@pytest.mark.parametrize(
    ("payload", "status", "message"),
    [
        (b'{"message": "m"}', 502, "m"),
        (b'{"error": {"message": "m", "code": 429}}', 429, "m"),
        (b'{"message": "m", "status": 503}', 503, "m"),
        (b"mere words", 502, "mere words"),
        (b'"a text"', 502, "a text"),
        (b"{}", 502, "The upstream reported an error."),
        (b"null", 502, "The upstream reported an error."),
        (b'["a", "b"]', 502, "a; b"),
        (b"\xff", 502, "\ufffd"),
        (b"x" * 9000, 502, "x" * 500),
    ],
)
def test_an_event_named_error_is_one_whatever_it_says(payload, status, message):
    error = read_error_event(payload)
    assert (error.status, error.message) == (status, message)


def test_an_error_of_very_many_words_is_read_in_linear_time_and_bounded():
    bodies: list[dict[str, Any]] = [
        {"error": {"message": [{"message": "x"}] * 100_000}},
        {"error": {"metadata": {"raw": "[" * 100_000}}},
        {"error": {name: {"error": {"detail": {}}} for name in map(str, range(10_000))}},
    ]
    for body in bodies:
        error = read_upstream_error(body, 400)
        assert error is not None
        assert len(error.message) <= MAX_MESSAGE
