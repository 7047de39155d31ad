"""OpenRouter: comments while it waits, `reasoning` beside `reasoning_details`, which come back unchanged."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, events_of, tool_call, whole

CALL = tool_call("toolu_01")
DETAILS = [
    {
        "type": "reasoning.text",
        "text": "They ask about Oslo.",
        "format": "anthropic-claude-v1",
        "index": 0,
        "signature": "EqQBCg==",
    },
    {
        "type": "reasoning.encrypted",
        "data": "gAAAB",
        "id": "rs_1",
        "format": "openai-responses-v1",
        "index": 1,
    },
]
USAGE = {
    "prompt_tokens": 55,
    "completion_tokens": 21,
    "total_tokens": 76,
    "cost": 0.0004,
    "prompt_tokens_details": {"cached_tokens": 32},
    "completion_tokens_details": {"reasoning_tokens": 9},
}


class TestOpenRouter(VendorStage):
    profile = "openrouter"
    transcript = rb"""
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"They ask ","reasoning_details":[{"type":"reasoning.text","text":"They ask ","format":"anthropic-claude-v1","index":0}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"about Oslo.","reasoning_details":[{"type":"reasoning.text","text":"about Oslo.","format":"anthropic-claude-v1","index":0}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":null,"reasoning_details":[{"type":"reasoning.text","signature":"EqQBCg==","format":"anthropic-claude-v1","index":0}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"toolu_01","type":"function","function":{"name":"weather","arguments":""}}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"type":"function","function":{"arguments":"{\"city\":\"Oslo\"}"}}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"gAAAB","id":"rs_1","format":"openai-responses-v1","index":1}]},"finish_reason":"tool_calls","native_finish_reason":"tool_use","logprobs":null}]}
{"id":"gen-1","provider":"Anthropic","model":"anthropic/claude","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null,"logprobs":null}],"usage":{"prompt_tokens":55,"completion_tokens":21,"total_tokens":76,"cost":0.0004,"prompt_tokens_details":{"cached_tokens":32},"completion_tokens_details":{"reasoning_tokens":9}}}
[DONE]
"""
    completion = whole(
        {
            "content": "",
            "refusal": None,
            "reasoning": "They ask about Oslo.",
            "reasoning_details": DETAILS,
            "tool_calls": [{**CALL, "index": 0}],
        },
        USAGE,
        "tool_calls",
        provider="Anthropic",
    )
    expected_output = [("reasoning", "They ask about Oslo."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (55, 32, 21, 9)
    echoed = {"role": "assistant", "content": None, "reasoning_details": DETAILS, "tool_calls": [CALL]}

    def test_details_that_came_in_pieces_come_back_as_they_would_have_come_whole(
        self, upstream: Asking
    ) -> None:
        """One reasoning item comes before the call, and one after it."""
        stream = events_of(self.transcript)
        response = self.streamed(b": OPENROUTER PROCESSING\n\n" + stream)
        assert [item["type"] for item in response["output"]] == ["reasoning", "function_call", "reasoning"]
        assert self.history(upstream, response)[0] == self.echoed

    def test_effort_goes_into_its_object_with_its_own_members(self, upstream: Asking) -> None:
        body, lost = self.body(upstream, reasoning={"effort": "max", "exclude": False, "summary": "auto"})
        assert body["reasoning"] == {"exclude": False, "effort": "xhigh"}
        assert ("reasoning_effort" in body, lost) == (False, ["reasoning.effort"])
