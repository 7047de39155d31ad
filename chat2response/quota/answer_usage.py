"""Reads the usage that an upstream reports, and estimates it where none is reported."""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.usage import from_chat, read
from chat2response.quota.request_estimate import BYTES_PER_TOKEN, MEDIA_TOKENS
from chat2response.wire.json import JSONError, decode
from chat2response.wire.request_peek import peek_answer
from chat2response.wire.responses import RUNNING, Usage

_SKIPPED_FIELDS = frozenset(
    {"id", "type", "role", "status", "object", "finish_reason", "call_id", "logprobs", "annotations", "index"}
)
_MEDIA_FIELDS = frozenset({"result", "data", "b64_json", "encrypted_content"})


def reported_usage(body: bytes) -> Usage | None:
    """The usage that a whole answer of either API reports."""
    answer = peek_answer(body)
    return usage_of(answer.usage, response=answer.object == "response")


def usage_of(usage: Any, *, response: bool) -> Usage | None:
    """An upstream's usage in the Responses form; None if it reports none."""
    return nonzero_usage(
        read(usage) if response or (type(usage) is dict and "input_tokens" in usage) else from_chat(usage)
    )


def nonzero_usage(usage: Usage | None) -> Usage | None:
    """None for a usage of zero tokens: the upstream does not count, since no call uses nothing."""
    if usage is None or not (usage["total_tokens"] or usage["input_tokens"] or usage["output_tokens"]):
        return None
    return usage


def still_running(body: bytes) -> bool:
    """Whether a whole answer is a response that goes on in the background; its end will not be seen."""
    answer = peek_answer(body)
    return answer.object == "response" and answer.status in RUNNING


def estimated_usage(input_tokens: int, output_tokens: int) -> Usage:
    """A usage from two estimates."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {},
        "output_tokens": output_tokens,
        "output_tokens_details": {},
        "total_tokens": input_tokens + output_tokens,
    }


def answer_tokens(body: bytes) -> int:
    """The output tokens of a whole answer; one per four bytes if it is not JSON."""
    try:
        answer = decode(body)
    except JSONError:
        return -(-len(body) // BYTES_PER_TOKEN)
    return output_tokens(answer) if type(answer) is dict else 0


def output_tokens(answer: Mapping[str, Any]) -> int:
    """The estimated tokens of a response's output, or of a completion's choices."""
    size, media, waiting = 0, 0, [answer.get("output"), answer.get("choices")]
    while waiting:
        value = waiting.pop()
        if type(value) is str:
            size += len(value.encode("utf-8", "replace"))
        elif type(value) is list:
            waiting += value
        elif type(value) is dict:
            for name, each in value.items():
                if name in _MEDIA_FIELDS and type(each) is str:
                    media += 1
                elif name not in _SKIPPED_FIELDS:
                    waiting.append(each)
    return -(-size // BYTES_PER_TOKEN) + MEDIA_TOKENS * media
