"""Gemini's OpenAI-compatible API: reasoning between tags, and a signature on a call that must come back."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

SIGNED = {"google": {"thought_signature": "CvcQAdHtim8="}}
ONE = tool_call("function-call-1", extra_content=SIGNED)
TWO = tool_call("function-call-2", '{"city":"Bergen"}')
USAGE = {"prompt_tokens": 33, "completion_tokens": 28, "total_tokens": 90}
USAGE_DETAILS = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 29}}


class TestGemini(VendorStage):
    profile = "gemini"
    transcript = rb"""
{"choices":[{"delta":{"content":"<thought>Two cities.","role":"assistant","extra_content":{"google":{"thought":true}}},"index":0}],"created":1,"id":"g1","model":"gemini-3-pro","object":"chat.completion.chunk"}
{"choices":[{"delta":{"content":"</thought>","role":"assistant"},"index":0}],"created":1,"id":"g1","model":"gemini-3-pro","object":"chat.completion.chunk"}
{"choices":[{"delta":{"role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"CvcQAdHtim8="}},"function":{"arguments":"{\"city\":\"Oslo\"}","name":"weather"},"id":"function-call-1","index":0,"type":"function"}]},"finish_reason":null,"index":0}],"created":1,"id":"g1","model":"gemini-3-pro","object":"chat.completion.chunk"}
{"choices":[{"delta":{"role":"assistant","tool_calls":[{"function":{"arguments":"{\"city\":\"Bergen\"}","name":"weather"},"id":"function-call-2","index":0,"type":"function"}]},"finish_reason":"stop","index":0}],"created":1,"id":"g1","model":"gemini-3-pro","object":"chat.completion.chunk","usage":{"completion_tokens":28,"prompt_tokens":33,"total_tokens":90,"completion_tokens_details":{"reasoning_tokens":29}}}
[DONE]
"""
    completion = whole(
        {
            "content": "<thought>Two cities.</thought>",
            "extra_content": {"google": {"thought": True}},
            "tool_calls": [ONE, TWO],
        },
        USAGE_DETAILS,
        "tool_calls",
    )
    expected_output = [
        ("reasoning", "Two cities."),
        ("call", "weather", '{"city":"Oslo"}'),
        ("call", "weather", '{"city":"Bergen"}'),
    ]
    usage = (33, 0, 57, 29)
    echoed = {"role": "assistant", "content": None, "tool_calls": [ONE, TWO]}

    def test_a_call_without_its_signature_gets_the_word_for_that(self, upstream: Asking) -> None:
        """For clients that echo no reasoning, and histories of other models: without one it is a 400."""
        items = [
            {"type": "function_call", "call_id": each, "name": "weather", "arguments": "{}"} for each in "ab"
        ]
        outputs = [{"type": "function_call_output", "call_id": each, "output": "rain"} for each in "ab"]
        body, _ = self.body(upstream, *items, *outputs)
        first, second = body["messages"][1]["tool_calls"]
        assert first["extra_content"] == {"google": {"thought_signature": "skip_thought_signature_validator"}}
        assert "extra_content" not in second

    def test_ids_that_do_not_come_do_not_lose_the_signature(self, upstream: Asking) -> None:
        nameless = {
            **self.completion["choices"][0]["message"],
            "tool_calls": [{**ONE, "id": ""}, {**TWO, "id": ""}],
        }
        message = self.history(upstream, self.read_whole(whole(nameless, USAGE)))[0]
        assert [call.get("extra_content") for call in message["tool_calls"]] == [SIGNED, None]

    def test_a_signed_text_gets_its_signature_back(self, upstream: Asking) -> None:
        answer = self.read_whole(whole({"content": "Rain.", "extra_content": SIGNED}, USAGE))
        message = self.history(upstream, answer)[0]
        assert message == {"role": "assistant", "content": "Rain.", "extra_content": SIGNED}

    def test_what_it_does_not_know_is_not_sent(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, prompt_cache_key="k", parallel_tool_calls=True)
        assert (lost, "parallel_tool_calls" in body) == (["prompt_cache_key"], False)
