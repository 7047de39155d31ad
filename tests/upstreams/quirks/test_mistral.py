"""Mistral: thinking as a part of the content, ids of nine characters, unknown fields are a 422."""
# ruff: noqa: E501, RUF012

from typing import Any

import pytest

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("D681PevKs")
USAGE = {"prompt_tokens": 44, "total_tokens": 64, "completion_tokens": 20}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "They ask about Oslo."}]}


class TestMistral(VendorStage):
    profile = "mistral"
    transcript = rb"""
{"id":"m1","object":"chat.completion.chunk","created":1,"model":"mistral-medium-3-5","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}
{"id":"m1","object":"chat.completion.chunk","created":1,"model":"mistral-medium-3-5","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"They ask "}]}]},"finish_reason":null}]}
{"id":"m1","object":"chat.completion.chunk","created":1,"model":"mistral-medium-3-5","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"about Oslo."}],"closed":true}]},"finish_reason":null}]}
{"id":"m1","object":"chat.completion.chunk","created":1,"model":"mistral-medium-3-5","choices":[{"index":0,"delta":{"content":"I look."},"finish_reason":null}]}
{"id":"m1","object":"chat.completion.chunk","created":1,"model":"mistral-medium-3-5","choices":[{"index":0,"delta":{"content":"","tool_calls":[{"id":"D681PevKs","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"},"index":0}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":44,"total_tokens":64,"completion_tokens":20}}
[DONE]
"""
    completion = whole(
        {"content": [THOUGHT, {"type": "text", "text": "I look."}], "tool_calls": [CALL], "prefix": False},
        USAGE,
        "tool_calls",
    )
    expected_output = [
        ("reasoning", "They ask about Oslo."),
        ("text", "I look."),
        ("call", "weather", '{"city":"Oslo"}'),
    ]
    usage = (44, 0, 20, 0)
    echoed = {
        "role": "assistant",
        "content": [THOUGHT, {"type": "text", "text": "I look."}],
        "tool_calls": [CALL],
    }

    def test_only_fields_it_knows_are_sent(self, upstream: Asking) -> None:
        body, lost = self.body(
            upstream, seed=3, user="ann", prompt_cache_key="k", temperature=0.5, max_output_tokens=9
        )
        assert lost == ["user", "prompt_cache_key"]
        assert set(body) == {
            *("model", "messages", "stream", "tools", "random_seed", "temperature", "max_tokens")
        }

    @pytest.mark.parametrize("effort", ["minimal", "low", "high", "none"])
    def test_an_effort_is_one_of_the_two_it_knows(self, upstream: Asking, effort: str) -> None:
        body, _ = self.body(upstream, reasoning={"effort": effort})
        assert body["reasoning_effort"] in ("none", "high")

    def test_a_thought_alone_is_a_message_too(self, upstream: Asking) -> None:
        shown: Any = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
        body, _ = self.body(upstream, shown, {"type": "message", "role": "user", "content": "So?"})
        part = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        assert body["messages"][1] == {"role": "assistant", "content": [part]}
