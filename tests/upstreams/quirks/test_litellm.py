"""A LiteLLM proxy before Anthropic: `thinking_blocks`, signed or redacted, come back verbatim and in order."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, events_of, tool_call, whole

CALL = tool_call("toolu_01")
BLOCKS = [
    {"type": "thinking", "thinking": "They ask about Oslo.", "signature": "EqoBCkg="},
    {"type": "redacted_thinking", "data": "EmwKAhgB"},
]
USAGE = {
    "completion_tokens": 40,
    "prompt_tokens": 100,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 60},
}


class TestLiteLlm(VendorStage):
    profile = "litellm"
    transcript = rb"""
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"They ask ","thinking_blocks":[{"type":"thinking","thinking":"They ask ","signature":null}],"content":"","role":"assistant"}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"about Oslo.","thinking_blocks":[{"type":"thinking","thinking":"about Oslo.","signature":null}],"content":""}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"","thinking_blocks":[{"type":"thinking","thinking":"","signature":"EqoBCkg="}],"content":""}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"thinking_blocks":[{"type":"redacted_thinking","data":"EmwKAhgB"}],"content":""}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"id":"toolu_01","function":{"arguments":"","name":"weather"},"type":"function","index":0}],"content":""}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{\"city\":\"Oslo\"}"},"type":"function","index":0}],"content":null}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"finish_reason":"tool_calls","index":0,"delta":{}}]}
{"id":"l1","created":1,"model":"claude","object":"chat.completion.chunk","choices":[{"index":0,"delta":{}}],"usage":{"completion_tokens":40,"prompt_tokens":100,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":60}}}
[DONE]
"""
    completion = whole(
        {
            "content": None,
            "reasoning_content": "They ask about Oslo.",
            "thinking_blocks": BLOCKS,
            "tool_calls": [CALL],
        },
        USAGE,
        "tool_calls",
    )
    expected_output = [("reasoning", "They ask about Oslo."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (100, 60, 40, 0)
    echoed = {"role": "assistant", "content": None, "thinking_blocks": BLOCKS, "tool_calls": [CALL]}

    def test_blocks_that_came_in_pieces_come_back_whole(self, upstream: Asking) -> None:
        response = self.streamed(events_of(self.transcript))
        assert self.history(upstream, response)[0] == self.echoed

    def test_row_31_two_signed_thoughts_stay_two(self, upstream: Asking) -> None:
        blocks = [{"type": "thinking", "thinking": each, "signature": f"s{each}"} for each in "ab"]
        answer = self.read_whole(whole({"content": "Yes.", "thinking_blocks": blocks}, USAGE))
        assert self.history(upstream, answer)[0]["thinking_blocks"] == blocks

    def test_row_31_no_signature_is_ever_invented(self, upstream: Asking) -> None:
        shown = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
        body, _ = self.body(upstream, shown, {"type": "message", "role": "assistant", "content": "Yes."})
        assert "thinking_blocks" not in body["messages"][1]
