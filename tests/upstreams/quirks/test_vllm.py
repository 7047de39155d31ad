"""vLLM: `reasoning` since 0.11.1 (`reasoning_content` before), switched by the chat template."""
# ruff: noqa: E501, RUF012

import pytest

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("chatcmpl-tool-1f3a")


class TestVllm(VendorStage):
    profile = "vllm"
    transcript = rb"""
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"reasoning":"They ask ","reasoning_content":"They ask "},"logprobs":null,"finish_reason":null,"token_ids":null}]}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"reasoning":"about Oslo.","reasoning_content":"about Oslo."},"logprobs":null,"finish_reason":null,"token_ids":null}]}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"tool_calls":[{"id":"chatcmpl-tool-1f3a","type":"function","index":0,"function":{"name":"weather"}}]},"logprobs":null,"finish_reason":null,"token_ids":null}]}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"Oslo\"}"}}]},"logprobs":null,"finish_reason":null,"token_ids":null}]}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"tool_calls","stop_reason":null,"token_ids":null}]}
{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-32B","choices":[],"usage":{"prompt_tokens":40,"total_tokens":60,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":16}}}
[DONE]
"""
    completion = whole(
        {
            "content": None,
            "reasoning": "They ask about Oslo.",
            "reasoning_content": "They ask about Oslo.",
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            "tool_calls": [CALL],
        },
        {
            "prompt_tokens": 40,
            "total_tokens": 60,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 16},
        },
        "tool_calls",
    )
    expected_output = [("reasoning", "They ask about Oslo."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (40, 16, 20, 0)
    echoed = {
        "role": "assistant",
        "content": None,
        "reasoning": "They ask about Oslo.",
        "tool_calls": [CALL],
    }

    @pytest.mark.parametrize(("effort", "sent"), [("minimal", "low"), ("medium", "medium"), ("max", "high")])
    def test_an_effort_switches_the_template(self, upstream: Asking, effort: str, sent: str) -> None:
        body, _ = self.body(upstream, reasoning={"effort": effort})
        assert body["reasoning_effort"] == sent
        assert body["chat_template_kwargs"] == {"enable_thinking": True, "thinking": True}

    def test_none_switches_it_off_and_the_clients_own_kwargs_stay(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, reasoning={"effort": "none"}, chat_template_kwargs={"a": 1})
        assert "reasoning_effort" not in body
        assert body["chat_template_kwargs"] == {"a": 1, "enable_thinking": False, "thinking": False}
        assert lost == []

    def test_row_28_the_developer_speaks_as_system_at_the_head_and_marked_elsewhere(
        self, upstream: Asking
    ) -> None:
        late = {"type": "message", "role": "developer", "content": "Be brief."}
        body, lost = self.body(upstream, late, instructions="Help.")
        assert [message["role"] for message in body["messages"]] == ["system", "user", "user"]
        assert body["messages"][2]["content"].startswith("<system_message>")
        assert lost == ["input[1]"]

    def test_texts_are_one_string(self, upstream: Asking) -> None:
        parts = [{"type": "input_text", "text": each} for each in ("<env/>", "Go.")]
        body, _ = self.body(upstream, {"type": "message", "role": "user", "content": parts})
        assert body["messages"][-1]["content"] == "<env/>\n\nGo."
