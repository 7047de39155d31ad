"""Outcomes: finish_reason, status, faults and errors of both dialects."""

import pytest

from chat2response.convert import outcome
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire.fault import CANCELLED, DRAINING, RESET, REVOKED, TIMEOUT, Fault


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("function_call", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        # vendors' words
        ("eos", "completed", None),
        ("end_turn", "completed", None),
        ("max_tokens", "incomplete", "max_output_tokens"),
        ("MAX_TOKENS", "incomplete", "max_output_tokens"),
        ("model_length", "incomplete", "max_output_tokens"),
        ("sensitive", "incomplete", "content_filter"),
        ("SAFETY", "incomplete", "content_filter"),
        ("COMPLETE", "completed", None),
        ("tool-calls", "completed", None),
        ("FINISH_REASON_STOP", "completed", None),
        ("model_context_window_exceeded", "incomplete", "max_output_tokens"),
        ("content_filtered", "incomplete", "content_filter"),
        ("PROHIBITED_CONTENT", "incomplete", "content_filter"),
        ("RECITATION", "incomplete", "content_filter"),
        ("content_filter: RECITATION", "incomplete", "content_filter"),
        ("unheard of", "incomplete", "max_output_tokens"),
        ("x" * 100_000, "incomplete", "max_output_tokens"),
        (":" * 100_000, "incomplete", "max_output_tokens"),
    ],
)
def test_row_27_a_finish_reason_is_a_status(finish, status, reason):
    assert outcome.from_finish_reason(finish, "flex") == Outcome(status, reason, None, "flex")


@pytest.mark.parametrize(
    "finish",
    [
        *("error", "insufficient_system_resource", "network_error", "abort", "cancelled", "USER_CANCEL"),
        *("MALFORMED_FUNCTION_CALL", "function_call_filter: MALFORMED_FUNCTION_CALL", "malformed_tool_use"),
    ],
)
def test_some_finish_reasons_are_failures(finish):
    ended = outcome.from_finish_reason(finish)
    assert ended.status == "failed"
    assert isinstance(ended.error, UpstreamError)
    assert finish in ended.error.message


def test_a_word_that_nobody_knows_is_a_loss():
    losses = Losses()
    outcome.from_finish_reason("repetition", losses=losses)
    assert losses.header() == "finish_reason; unknown word 'repetition' shown as incomplete"
    known = Losses()
    for finish in ("stop", "length", "RECITATION", "cancelled", "Tool_Calls"):
        outcome.from_finish_reason(finish, losses=known)
    assert not known


@pytest.mark.parametrize(("finish", "lost"), [("tool_calls", True), ("TOOL_USE", True), ("stop", False)])
def test_an_ending_with_a_call_and_no_call_is_a_loss(finish, lost):
    losses = Losses()
    assert outcome.from_finish_reason(finish, losses=losses, called=False).status == "completed"
    assert [loss.field for loss in losses] == ["message.tool_calls"] * lost


@pytest.mark.parametrize(
    ("fault", "status"), [(RESET, 502), (TIMEOUT, 504), (DRAINING, 503), (REVOKED, 401), (CANCELLED, 502)]
)
def test_a_fault_is_a_failure_with_its_status_and_message(fault: Fault, status: int):
    ended = outcome.from_fault(fault)
    assert ended.status == "failed"
    assert ended.error is not None
    assert (ended.error.status, ended.error.message) == (status, fault.message)


CALL = {"type": "function_call"}


@pytest.mark.parametrize(
    ("response", "finish"),
    [
        ({"status": "completed", "output": [{"type": "message"}]}, "stop"),
        ({"status": "completed", "output": [{"type": "message"}, CALL]}, "tool_calls"),
        ({"status": "completed", "output": [{"type": "web_search_call"}]}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "length"),
        ({"status": "incomplete", "incomplete_details": None, "output": [CALL]}, "length"),
        (
            {"status": "incomplete", "output": [CALL], "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
        ),
        ({"status": "completed", "output": None}, "stop"),
        ({"status": "completed", "output": ["x", CALL]}, "tool_calls"),
    ],
)
def test_row_27_a_response_is_a_finish_reason(response, finish):
    assert outcome.finish_reason(response) == finish


@pytest.mark.parametrize(
    ("reason", "finish", "lost"),
    [
        ("max_tokens", "length", False),
        ("safety", "content_filter", False),
        ("max_messages", "length", True),
        ("stop", "length", True),
        ("", "length", False),
        (7, "length", False),
    ],
)
def test_a_reason_that_chat_has_no_word_for_is_no_success(reason, finish, lost):
    losses = Losses()
    cut = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    assert outcome.finish_reason(cut, losses) == finish
    assert [loss.field for loss in losses] == ["incomplete_details.reason"] * lost


def test_a_response_tells_how_it_ended():
    assert outcome.from_response({"status": "completed", "service_tier": "flex"}) == Outcome(
        service_tier="flex"
    )
    assert outcome.from_response({"output": []}) == Outcome()
    cut = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    assert outcome.from_response(cut) == Outcome("incomplete", "content_filter")


@pytest.mark.parametrize(
    ("response", "status", "code", "message"),
    [
        (
            {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "m"}},
            429,
            "rate_limit_exceeded",
            "m",
        ),
        (
            {"status": "failed", "error": {"code": "invalid_prompt", "message": "m"}},
            400,
            "invalid_prompt",
            "m",
        ),
        (
            {"status": "failed", "error": None},
            502,
            None,
            "The upstream's response ended with the status 'failed'.",
        ),
        ({"status": "cancelled"}, 400, "response_cancelled", "The response was cancelled."),
        ({"status": "queued"}, 502, None, "The upstream's response ended with the status 'queued'."),
        ({"status": ["x"]}, 502, None, "The upstream's response ended with an unknown status."),
        (
            {"status": "completed", "error": {"code": "server_error", "message": "m"}},
            502,
            "server_error",
            "m",
        ),
    ],
)
def test_what_is_no_answer_is_a_failure(response, status, code, message):
    error = outcome.from_response(response).error
    assert error is not None
    assert (error.status, error.code, error.message) == (status, code, message)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamError("m", status=429), "rate_limit_exceeded"),
        (UpstreamError("m", status=429, code="insufficient_quota"), "insufficient_quota"),
        (UpstreamError("m", status=400, code="context_length_exceeded"), "context_length_exceeded"),
        (UpstreamError("m", status=400, code="invalid_prompt"), "invalid_prompt"),
        (UpstreamError("m", status=400, code="whatever"), "server_error"),
        (BridgeError("m"), "server_error"),
    ],
)
def test_an_error_is_a_code_that_clients_act_on(error, code):
    assert outcome.response_error(error) == {"code": code, "message": "m"}
