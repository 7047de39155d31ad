"""The meanings of `finish_reason` in Chat and of the reasons of `incomplete` in Responses, as data.

Values for success are listed too: an unlisted value is not a success. Values are compared regardless of case
and separators (`tool-calls`, `TOOL_CALLS`). If a vendor's value is missing here, or means something else, add
it to the vendor's profile (`Quirks.finish_reasons`).
"""

import re
from typing import Any, Literal

from chat2response.wire.json import encode

Ending = Literal["completed", "incomplete", "failed"]
Meaning = tuple[Ending, str | None]
"""A status, and the reason if the status is `incomplete`."""

_SUCCESS: Meaning = ("completed", None)
_LENGTH: Meaning = ("incomplete", "max_output_tokens")
_FILTER: Meaning = ("incomplete", "content_filter")
_FAILURE: Meaning = ("failed", None)

CALLS = frozenset(
    {
        *("tool_calls", "function_call"),  # OpenAI
        *("tool_call", "tool_use", "function_calls", "toolcalls", "toolcall"),  # Cohere, Anthropic, others
    }
)
"""Values for success that announce a tool call."""

_MEANINGS: dict[str, Meaning] = {
    **dict.fromkeys(CALLS, _SUCCESS),
    **dict.fromkeys(
        (
            *("stop", "eos", "eos_token", "stop_token", "stop_sequence", "stop_string", "stop_str"),
            *("end_turn", "end", "end_of_turn", "end_of_text", "endoftext", "eot", "im_end"),
            *("complete", "completed", "done", "finish", "finished", "success", "normal"),
            *("word", "eosfound", "stopstringfound"),  # llama.cpp, LM Studio, in their own APIs
        ),
        _SUCCESS,
    ),
    **dict.fromkeys(
        (
            *("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens"),
            *("max_output", "max_length", "max_len", "token_limit", "length_limit", "limit", "time_limit"),
            *("model_length", "max_context", "context_length", "context_length_exceeded"),
            *("model_context_window_exceeded", "context_window_exceeded"),  # Anthropic, Bedrock, GLM
            *("maxpredictedtokensreached", "contextlengthreached"),
        ),
        _LENGTH,
    ),
    **dict.fromkeys(
        (
            *("content_filter", "content_filtered", "content_filtering", "contentfilter", "filtered"),
            *("safety", "sensitive", "refusal", "moderation", "content_policy", "content_policy_violation"),
            *("guardrail_intervened", "guardrails", "data_inspection_failed", "error_toxic", "blocked"),
            *("recitation", "language", "blocklist", "prohibited_content", "spii"),  # Gemini
            *("image_safety", "image_prohibited_content", "image_recitation", "model_armor"),
        ),
        _FILTER,
    ),
    **dict.fromkeys(
        (
            *("error", "failed", "failure", "internal_error", "server_error", "read_upstream_error"),
            *("network_error", "insufficient_system_resource", "timeout", "error_limit", "modelunloaded"),
            *("abort", "aborted", "cancel", "cancelled", "canceled", "user_cancel", "userstopped"),
            *("malformed_function_call", "malformed_tool_call", "malformed_tool_use", "malformed_response"),
            *("malformed_model_output", "unexpected_tool_call", "too_many_tool_calls"),
            "missing_thought_signature",
        ),
        _FAILURE,
    ),
}
_PREFIX = "finish_reason_"  # of the enumeration names of some vendors
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_MAX_LENGTH = 100  # characters; the rest is ignored


def finish_meaning(reason: str) -> Meaning | None:
    """The meaning of a finish reason; None for an unknown one.

    Gemini's Chat API joins two, of which the second is the reason (`content_filter: RECITATION`).
    """
    return _MEANINGS.get(reason) or _meaning_of(reason[:_MAX_LENGTH])


def announces_call(reason: str) -> bool:
    """Whether the finish reason announces a tool call."""
    return reason in CALLS or (reason not in _MEANINGS and _normalize(reason) in CALLS)


def finish_reason_text(finish: Any) -> str:
    """The text of a `finish_reason`; empty if there is none.

    Some backends send an empty text, or the text `null`, for none. A value of another type becomes its JSON,
    which is an unknown finish reason.
    """
    if type(finish) is str:
        return "" if finish.strip().lower() in ("", "null", "none") else finish
    return encode(finish)[:_MAX_LENGTH].decode("utf-8", "ignore") if finish else ""


def _meaning_of(reason: str) -> Meaning | None:
    for each in (reason, *reversed(reason.split(":"))):
        if known := _MEANINGS.get(_normalize(each)):
            return known
    return None


def _normalize(reason: str) -> str:
    return _SEPARATORS.sub("_", reason[:_MAX_LENGTH].lower()).strip("_").removeprefix(_PREFIX)
