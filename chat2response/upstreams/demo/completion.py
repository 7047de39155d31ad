"""The answer as a whole `chat.completion`, and what it shares with the chunks of a stream."""

from typing import Any

from chat2response.upstreams.demo.request import DemoRequest, Tool
from chat2response.upstreams.demo.script import Script
from chat2response.wire.chat import ChatUsage, FinishReason
from chat2response.wire.ids import Ids, completion_id


def write_completion(request: DemoRequest, script: Script, created: int, ids: Ids) -> dict[str, Any]:
    """The completion. Raises the error that the script ends with."""
    if script.error is not None:
        raise script.error
    return {
        "id": completion_id(ids("resp")),
        "object": "chat.completion",
        "created": created,
        "model": request.model,
        "choices": [
            {
                "index": index,
                "message": _message(request, script, ids),
                "logprobs": _all_logprobs(request, script) if request.logprobs else None,
                "finish_reason": finish_reason(request, script),
            }
            for index in range(request.choices)
        ],
        "usage": usage(request, script),
    }


def _message(request: DemoRequest, script: Script, ids: Ids) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": script.text("text"), "refusal": None}
    if reasoning := script.text("reasoning"):
        message["reasoning_content"] = reasoning
    calls = [
        call_entry(tool, arguments) if request.legacy else {"id": ids("call"), **call_entry(tool, arguments)}
        for tool, arguments in script.calls()
    ]
    if calls:
        message["content"] = None
        message |= {"function_call": calls[0]["function"]} if request.legacy else {"tool_calls": calls}
    return message


def _all_logprobs(request: DemoRequest, script: Script) -> dict[str, Any]:
    words = [step.text for step in script.steps if step.kind == "text"]
    return logprobs(words, alternatives=request.alternatives)


def call_entry(tool: Tool, arguments: str = "") -> dict[str, Any]:
    """A call of the tool, without its id."""
    if tool.custom:
        return {"type": "custom", "custom": {"name": tool.name, "input": arguments}}
    return {"type": "function", "function": {"name": tool.name, "arguments": arguments}}


def logprobs(words: list[str], *, alternatives: bool) -> dict[str, Any]:
    """The log probabilities of certain words: each is its own only alternative."""
    tokens = []
    for word in words:
        token = {"token": word, "logprob": 0.0, "bytes": list(word.encode())}
        tokens.append({**token, "top_logprobs": [token] if alternatives else []})
    return {"content": tokens, "refusal": None}


def finish_reason(request: DemoRequest, script: Script) -> FinishReason:
    """How every choice ends."""
    if script.cut:
        return "length"
    if script.called:
        return "function_call" if request.legacy else "tool_calls"
    return "stop"


def usage(request: DemoRequest, script: Script) -> ChatUsage:
    """A token for each word: of the conversation, and of all choices."""
    reasoning_words = sum(step.kind == "reasoning" for step in script.steps)
    words = len(script.steps) * request.choices
    return {
        "prompt_tokens": request.word_count,
        "completion_tokens": words,
        "total_tokens": request.word_count + words,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_words * request.choices,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
