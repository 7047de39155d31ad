"""A checker for Open Responses 2026-04-24, written from its public tables: every
required key with its type, every type of event, item and part. Additional keys are allowed.

    check_response(body); check_event(event)      # AssertionError says where and what
"""

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]


def check_response(response: Any) -> None:
    """Checks a response, whole or as a snapshot in an event."""
    RESPONSE(response, "response")


def check_event(event: Any) -> None:
    """Checks an event of a stream."""
    assert event.get("type") in EVENTS, f"no such event: {event.get('type')}"
    EVENTS[event["type"]](event, event["type"])


# -- helpers -------------------------------------------------------------------------------------------


def kind(*types: type) -> Check:
    def check(value: Any, at: str) -> None:
        assert type(value) in types, f"{at} is {value!r}"

    return check


def one_of(*words: str) -> Check:
    def check(value: Any, at: str) -> None:
        assert value in words, f"{at} is {value!r}"

    return check


def nullable(inner: Check) -> Check:
    def check(value: Any, at: str) -> None:
        if value is not None:
            inner(value, at)

    return check


def each(inner: Check) -> Check:
    def check(value: Any, at: str) -> None:
        assert type(value) is list, f"{at} is {value!r}"
        for number, item in enumerate(value):
            inner(item, f"{at}[{number}]")

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Checks an object. An optional key may be absent; if present, its value is checked."""

    def check(value: Any, at: str) -> None:
        assert type(value) is dict, f"{at} is {value!r}"
        for name, inner in required.items():
            assert name in value, f"{at} has no {name}"
            inner(value[name], f"{at}.{name}")
        for name, inner in (optional or {}).items():
            if name in value:
                inner(value[name], f"{at}.{name}")

    return check


def by_type(kinds: Mapping[str, Check]) -> Check:
    def check(value: Any, at: str) -> None:
        assert type(value) is dict and value.get("type") in kinds, f"{at} is {value!r}"
        kinds[value["type"]](value, at)

    return check


STRING, INT, BOOL, NUMBER, ANY = kind(str), kind(int), kind(bool), kind(int, float), lambda value, at: None
STATUS = one_of("in_progress", "incomplete", "completed")

# -- parts and items -----------------------------------------------------------------------------------

LOGPROBS = each(shape({"token": STRING, "logprob": NUMBER, "bytes": each(INT), "top_logprobs": each(ANY)}))
ANNOTATION = by_type(
    {"url_citation": shape({"url": STRING, "title": STRING, "start_index": INT, "end_index": INT})}
)
PART = by_type(
    {
        "output_text": shape({"text": STRING, "annotations": each(ANNOTATION)}, {"logprobs": LOGPROBS}),
        "refusal": shape({"refusal": STRING}),
        "reasoning_text": shape({"text": STRING}),
        "summary_text": shape({"text": STRING}),
        "text": shape({"text": STRING}),
        "input_text": shape({"text": STRING}),
        "input_image": shape({"image_url": nullable(STRING)}),
        "input_file": shape({}),
    }
)
ITEM = by_type(
    {
        "message": shape(
            {
                "id": STRING,
                "status": STATUS,
                "role": one_of("user", "assistant", "system", "developer"),
                "content": each(PART),
            },
            {"phase": one_of("commentary", "final_answer")},
        ),
        "function_call": shape(
            {"id": STRING, "call_id": STRING, "name": STRING, "arguments": STRING, "status": STATUS}
        ),
        "function_call_output": shape({"id": STRING, "call_id": STRING, "output": ANY, "status": STATUS}),
        "reasoning": shape(
            {"id": STRING, "summary": each(PART)}, {"content": each(PART), "encrypted_content": STRING}
        ),
        "compaction": shape({"id": STRING, "encrypted_content": STRING}, {"created_by": STRING}),
    }
)

# -- the resource --------------------------------------------------------------------------------------

FUNCTION = shape(
    {
        "name": STRING,
        "description": nullable(STRING),
        "parameters": nullable(kind(dict)),
        "strict": nullable(BOOL),
    }
)
ERROR = shape({"code": STRING, "message": STRING})
USAGE = shape(
    {
        "input_tokens": INT,
        "output_tokens": INT,
        "total_tokens": INT,
        "input_tokens_details": shape({"cached_tokens": INT}),
        "output_tokens_details": shape({"reasoning_tokens": INT}),
    }
)


def _tool_choice(value: Any, at: str) -> None:
    if type(value) is str:
        one_of("none", "auto", "required")(value, at)
    else:
        by_type({"function": shape({"name": STRING}), "allowed_tools": shape({"tools": each(ANY)})})(
            value, at
        )


RESPONSE = shape(
    {
        "id": STRING, "object": one_of("response"), "created_at": INT, "completed_at": nullable(INT),
        "status": STRING, "incomplete_details": nullable(shape({"reason": STRING})), "model": STRING,
        "previous_response_id": nullable(STRING), "instructions": nullable(STRING), "output": each(ITEM),
        "error": nullable(ERROR), "tools": each(by_type({"function": FUNCTION})), "tool_choice": _tool_choice,
        "truncation": one_of("auto", "disabled"), "parallel_tool_calls": BOOL,
        "text": shape({"format": shape({"type": STRING})}, {"verbosity": one_of("low", "medium", "high")}),
        "top_p": NUMBER, "presence_penalty": NUMBER, "frequency_penalty": NUMBER, "top_logprobs": INT,
        "temperature": NUMBER, "usage": nullable(USAGE), "max_output_tokens": nullable(INT),
        "max_tool_calls": nullable(INT), "store": BOOL, "background": BOOL, "service_tier": STRING,
        "metadata": ANY, "safety_identifier": nullable(STRING), "prompt_cache_key": nullable(STRING),
        "reasoning": nullable(shape({
            "effort": nullable(one_of("none", "low", "medium", "high", "xhigh")), "summary": nullable(STRING),
        })),
    }
)  # fmt: skip

# -- events --------------------------------------------------------------------------------------------

_NUMBER = {"sequence_number": INT}
_ITEM = {**_NUMBER, "output_index": INT}
_INSIDE = {**_ITEM, "item_id": STRING}
_PART = {**_INSIDE, "content_index": INT}
_SUMMARY = {**_INSIDE, "summary_index": INT}
EVENTS: dict[str, Check] = {
    **{
        f"response.{name}": shape({**_NUMBER, "response": RESPONSE})
        for name in ("created", "queued", "in_progress", "completed", "failed", "incomplete")
    },
    **{f"response.output_item.{end}": shape({**_ITEM, "item": ITEM}) for end in ("added", "done")},
    **{f"response.content_part.{end}": shape({**_PART, "part": PART}) for end in ("added", "done")},
    "response.output_text.delta": shape({**_PART, "delta": STRING}, {"logprobs": LOGPROBS}),
    "response.output_text.done": shape({**_PART, "text": STRING}, {"logprobs": LOGPROBS}),
    "response.output_text.annotation.added": shape(
        {**_PART, "annotation_index": INT, "annotation": ANNOTATION}
    ),
    "response.refusal.delta": shape({**_PART, "delta": STRING}),
    "response.refusal.done": shape({**_PART, "refusal": STRING}),
    "response.reasoning.delta": shape({**_PART, "delta": STRING}),
    "response.reasoning.done": shape({**_PART, "text": STRING}),
    "response.function_call_arguments.delta": shape({**_INSIDE, "delta": STRING}),
    "response.function_call_arguments.done": shape({**_INSIDE, "arguments": STRING}),
    **{
        f"response.reasoning_summary_part.{end}": shape({**_SUMMARY, "part": PART})
        for end in ("added", "done")
    },
    "response.reasoning_summary_text.delta": shape({**_SUMMARY, "delta": STRING}),
    "response.reasoning_summary_text.done": shape({**_SUMMARY, "text": STRING}),
    "error": shape(
        {
            **_NUMBER,
            "error": shape(
                {
                    "type": STRING,
                    "code": nullable(STRING),
                    "message": STRING,
                    "param": nullable(STRING),
                }
            ),
        }
    ),
}
