"""Rich request bodies and answers, which the loops modify."""

from typing import Any

from tests.support.e2e.scripted_model import Call, ModelReply

_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_IMAGE = "data:image/png;base64,iVBORw0KGgo="

CHAT: dict[str, Any] = {
    "model": "asked-model",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [
            {"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": _IMAGE}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": "b"}'}},
            {"id": "call_2", "type": "custom", "custom": {"name": "patch", "input": "x"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "done"}]},
        {"role": "user", "content": "And now?", "name": "ann"},
    ],
    "tools": [
        {"type": "function", "function": {
            "name": "look", "description": "Looks", "parameters": _SCHEMA, "strict": True,
        }},
        {"type": "custom", "custom": {"name": "patch", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "response_format": {
        "type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True},
    },
    "stream": True, "stream_options": {"include_usage": True}, "stop": ["END"], "n": 1, "seed": 3,
    "logit_bias": {"50256": -100}, "temperature": 0.5, "max_completion_tokens": 50, "reasoning_effort": "low",
    "metadata": {"a": "b"}, "user": "ann", "store": False, "parallel_tool_calls": True,
}  # fmt: skip

RESPONSES: dict[str, Any] = {
    "model": "asked-model",
    "instructions": "Be short.",
    "input": [
        {"type": "message", "role": "developer", "content": "x"},
        {"role": "user", "content": [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": _IMAGE, "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        ]},
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
         "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
         "content": [{"type": "output_text", "text": "Yes", "annotations": []}]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
        {"type": "custom_tool_call_output", "call_id": "call_2",
         "output": [{"type": "input_text", "text": "done"}]},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", "name": "look", "parameters": _SCHEMA, "strict": True},
        {"type": "custom", "name": "patch",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "namespace", "name": "mcp",
         "tools": [{"type": "function", "name": "go", "parameters": _SCHEMA}]},
        {"type": "web_search"},
    ],
    "tool_choice": "auto",
    "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"],
    "stream": True, "store": False, "metadata": {"a": "b"}, "max_output_tokens": 50, "truncation": "disabled",
    "parallel_tool_calls": True, "service_tier": "auto", "prompt_cache_key": "k", "top_p": 1,
}  # fmt: skip

ANSWER = ModelReply(
    text=("Hel", "lo ", "there"),
    reasoning=("I ", "think."),
    calls=(Call("look", ('{"a":', '"b"}')), Call("look", ("{}",), "call_b")),
    citation="https://example.com/",
    logprobs=True,
)
"""An answer with every kind of content except a refusal."""
REFUSED = ModelReply(refusal=("I ", "cannot."), ended="content_filter")
