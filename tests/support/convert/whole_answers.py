"""Whole answers with nearly every field that an upstream may send, and bodies that are errors."""

from typing import Any

COMPLETION: dict[str, Any] = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "service_tier": "x",
    "usage": {
        "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "moderation": {"input": {"type": "moderation_results", "model": "m", "results": [{"flagged": True}]}},
    "x_groq": {"usage": {"prompt_tokens": 1}},
    "choices": [
        {
            "index": 0, "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {"token": "a", "logprob": -1, "bytes": [1], "top_logprobs": [{"token": "b"}]}
                ],
            },
            "message": {
                "role": "assistant", "refusal": "r", "reasoning_content": "z",
                "content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": [{"text": "x"}]}],
                "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s", "index": 0}],
                "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
                "extra_content": {"google": {"thought_signature": "x"}},
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0}}],
                "tool_calls": [
                    {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "call_2", "type": "custom", "custom": {"name": "g", "input": "x"}},
                ],
                "function_call": {"name": "f", "arguments": "{}"}, "audio": {"id": "a"},
            },
        }
    ],
}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "id": "resp", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": None,
    "incomplete_details": {"reason": "max_output_tokens"}, "conversation": {"id": "c"}, "service_tier": "x",
    "moderation": {"input": {"type": "moderation_result", "model": "m"}},
    "usage": {
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 2,
    },
    "output": [
        {
            "type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "a"}],
            "content": [{"type": "reasoning_text", "text": "b"}], "encrypted_content": "x",
        },
        {
            "type": "message", "id": "m", "role": "assistant", "status": "completed",
            "content": [
                {
                    "type": "output_text", "text": "t",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
                        {"type": "container_file_citation", "container_id": "c"},
                    ],
                    "logprobs": [{"token": "a", "bytes": [1], "top_logprobs": [{"token": "a"}]}],
                },
                {"type": "refusal", "refusal": "r"},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "", "namespace": "n"},
        {"type": "custom_tool_call", "id": "ct", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}},
        {"type": "code_interpreter_call", "id": "ci", "container_id": "x", "code": "1", "outputs": [{}]},
        {"type": "shell_call", "id": "sc", "call_id": "c", "environment": {"container_id": "x"}},
    ],
}  # fmt: skip
ERROR = {"message": "m", "type": "t", "code": "c", "param": "p", "status": 400}
ERRORS: list[Any] = [
    {"error": ERROR}, {"error": "x"}, {"detail": [{"msg": "x", "loc": []}]}, {"errors": [{"message": "x"}]},
    [{"error": {"message": "x", "code": 400}}], {"message": "x", "code": 1},
    {"type": "error", "error": ERROR}, {**ERROR, "object": "error"},
]  # fmt: skip
