"""The words for how an answer ended, as data: `finish_reason` of Chat, and the reasons of `incomplete`.

Words for success are known words too: an ending that is in no table is no success. Words are compared
without regard to case and to what stands between their parts (`tool-calls`, `TOOL_CALLS`). A vendor whose
word is missing here, or means something else, has it in its profile (`Quirks.finish_reasons`).
"""

import re
from typing import Any, Literal

from chat2response.wire.json import encode

Ending = Literal["completed", "incomplete", "failed"]
Meaning = tuple[Ending, str | None]
"""A status, and the reason where it is `incomplete`."""

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
"""The successes that announce a call."""

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
            *("error", "failed", "failure", "internal_error", "server_error", "upstream_error"),
            *("network_error", "insufficient_system_resource", "timeout", "error_limit", "modelunloaded"),
            *("abort", "aborted", "cancel", "cancelled", "canceled", "user_cancel", "userstopped"),
            *("malformed_function_call", "malformed_tool_call", "malformed_tool_use", "malformed_response"),
            *("malformed_model_output", "unexpected_tool_call", "too_many_tool_calls"),
            "missing_thought_signature",
        ),
        _FAILURE,
    ),
}
_PREFIX = "finish_reason_"  # of the enumeration's names
_BETWEEN = re.compile(r"[^a-z0-9]+")
_LONGEST = 100  # characters that are looked at


def finish_meaning(word: str) -> Meaning | None:
    """What a word says of the ending; None for a word that is in no table.

    Gemini's Chat API writes two, the second of which is the reason (`content_filter: RECITATION`).
    """
    return _MEANINGS.get(word) or _meaning_of(word[:_LONGEST])


def announces_call(word: str) -> bool:
    """Whether the word says that the answer has a call."""
    return word in CALLS or _plain(word) in CALLS


def finish_reason_text(finish: Any) -> str:
    """The word in a `finish_reason`; empty where there is none.

    Some backends write an empty text, or `null` as a text, for none. What is no text is nobody's word: it
    stands as JSON, and so in no table.
    """
    if type(finish) is str:
        return "" if finish.strip().lower() in ("", "null", "none") else finish
    return encode(finish)[:_LONGEST].decode("utf-8", "ignore") if finish else ""


def _meaning_of(word: str) -> Meaning | None:
    for each in (word, *reversed(word.split(":"))):
        if known := _MEANINGS.get(_plain(each)):
            return known
    return None


def _plain(word: str) -> str:
    return _BETWEEN.sub("_", word[:_LONGEST].lower()).strip("_").removeprefix(_PREFIX)
