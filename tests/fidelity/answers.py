"""The rows about answers: completions converted to responses, and responses to completions."""

from typing import Any

from chat2response.convert.dialects.chat.answer.whole_answer import read_response, write_response
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from tests.fidelity.measure import Json, Probe
from tests.support.upstream_streams import Numbered, now


def to_response(body: Json, losses: Losses) -> Any:
    """Converts a completion. `body` has keys of its `message`, its `choice` and its `top` level."""
    message = {"role": "assistant", "content": "Hi", **body.get("message", {})}
    choice = {"index": 0, "finish_reason": "stop", **body.get("choice", {}), "message": message}
    completion = {
        "id": "c",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        **body.get("top", {}),
    }
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    return read_response(completion, echo, Numbered(), now, losses=losses)


def to_completion(body: Json, losses: Losses) -> Any:
    """Converts a response. `body` has `items` before the message, and keys of its `part` and of the `top`."""
    part = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": [], **body.get("part", {})}
    content = [part, *body.get("parts", ())]
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": content}
    response = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "created_at": 1}
    return write_response(
        {**response, "output": [*body.get("items", ()), message], **body.get("top", {})}, losses=losses
    )


def _field(label: str, note: str = "", **fields: Any) -> Probe:
    return Probe(label, {"message": fields}, note)


_TOKEN: Json = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
_CITATION: Json = {"url": "https://x.example", "title": "X", "start_index": 0, "end_index": 2}
_RESULT: Json = {"type": "moderation_result", "model": "m", "flagged": False}
_COUNTS: Json = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

CHAT_ANSWERS: tuple[Probe, ...] = (
    _field("content", content="Ho"),
    _field("refusal", content=None, refusal="no"),
    _field("reasoning_content", reasoning_content="y"),
    _field("reasoning_details", reasoning_details=[{"type": "reasoning.text", "text": "y"}]),
    _field("tool_calls, function", tool_calls=[{"id": "c", "function": {"name": "f", "arguments": "{}"}}]),
    _field(
        "tool_calls, custom",
        tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}],
    ),
    _field("function_call", function_call={"name": "f", "arguments": "{}"}),
    _field("annotations, url_citation", annotations=[{"type": "url_citation", "url_citation": _CITATION}]),
    _field("annotations, others", annotations=[{"type": "file_citation"}]),
    _field("audio", audio={"id": "a", "data": "eA=="}),
    _field("images", images=[{"type": "image_url", "image_url": {"url": "x"}}]),
    Probe("logprobs.content", {"choice": {"logprobs": {"content": [_TOKEN], "refusal": None}}}),
    Probe("logprobs.refusal", {"choice": {"logprobs": {"content": None, "refusal": [_TOKEN]}}}),
    Probe("finish_reason, length", {"choice": {"finish_reason": "length"}}),
    Probe("finish_reason, content_filter", {"choice": {"finish_reason": "content_filter"}}),
    Probe("usage", {"top": {"usage": _COUNTS}}),
    Probe("service_tier", {"top": {"service_tier": "flex"}}),
    Probe(
        "moderation",
        {"top": {"moderation": {"input": {"type": "moderation_results", "results": [_RESULT]}}}},
    ),
    Probe("system_fingerprint", {"top": {"system_fingerprint": "fp"}}, "a response has no field for it"),
)

_USAGE: Json = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 1},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 5,
}


def _item(kind: str, **fields: Any) -> Probe:
    return Probe(kind, {"items": [{"id": "i", "type": kind, "status": "completed", **fields}]})


RESPONSES_ANSWERS: tuple[Probe, ...] = (
    Probe("output_text", {"part": {"text": "Ho"}}),
    Probe("refusal", {"parts": [{"type": "refusal", "refusal": "no"}]}),
    Probe("a part of an unknown type", {"parts": [{"type": "hologram"}]}),
    Probe("annotations, url_citation", {"part": {"annotations": [{"type": "url_citation", **_CITATION}]}}),
    Probe("annotations, others", {"part": {"annotations": [{"type": "file_citation", "file_id": "f"}]}}),
    Probe("logprobs", {"part": {"logprobs": [_TOKEN]}}),
    _item("reasoning", summary=[{"type": "summary_text", "text": "y"}]),
    _item("function_call", call_id="c", name="f", arguments="{}"),
    _item("custom_tool_call", call_id="c", name="f", input="x"),
    *(
        _item(kind)
        for kind in (
            "web_search_call", "file_search_call", "code_interpreter_call", "computer_call",
            "image_generation_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_call",
            "mcp_list_tools", "mcp_approval_request", "tool_search_call", "compaction",
        )
    ),
    Probe(
        "incomplete, max_output_tokens",
        {"top": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}},
    ),
    Probe(
        "incomplete, content_filter",
        {"top": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}},
    ),
    Probe("usage", {"top": {"usage": _USAGE}}),
    Probe("service_tier", {"top": {"service_tier": "flex"}}),
    Probe("moderation", {"top": {"moderation": {"input": _RESULT}}}),
    Probe("metadata", {"top": {"metadata": {"a": "b"}}}, "a completion has no field for it"),
)  # fmt: skip
