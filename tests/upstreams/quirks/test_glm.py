"""GLM (Z.ai): usage in the last chunk by default, streamed arguments only on request, `tool_choice` only `auto`."""
# ruff: noqa: E501, RUF012

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, tool_call, whole

CALL = tool_call("call_8231")
USAGE = {
    "prompt_tokens": 70,
    "completion_tokens": 18,
    "total_tokens": 88,
    "prompt_tokens_details": {"cached_tokens": 43},
}


class TestGlm(VendorStage):
    profile = "glm"
    transcript = rb"""
{"id":"2026","created":1,"object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Weather"}}]}
{"id":"2026","created":1,"object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":" it is."}}]}
{"id":"2026","created":1,"object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"id":"call_8231","index":0,"type":"function","function":{"name":"weather","arguments":"{\"city\":"}}]}}]}
{"id":"2026","created":1,"object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"type":"function","function":{"arguments":"\"Oslo\"}"}}]}}]}
{"id":"2026","created":1,"object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"finish_reason":"tool_calls","delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":70,"completion_tokens":18,"total_tokens":88,"prompt_tokens_details":{"cached_tokens":43}}}
[DONE]
"""
    completion = whole(
        {"content": "", "reasoning_content": "Weather it is.", "tool_calls": [{**CALL, "index": 0}]},
        USAGE,
        "tool_calls",
        request_id="2026",
    )
    expected_output = [("reasoning", "Weather it is."), ("call", "weather", '{"city":"Oslo"}')]
    usage = (70, 43, 18, 0)
    echoed = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Weather it is.",
        "tool_calls": [CALL],
    }

    def test_the_request_has_what_it_takes_and_no_more(self, upstream: Asking) -> None:
        body, lost = self.body(
            upstream,
            max_output_tokens=9,
            presence_penalty=0.5,
            tool_choice="required",
            reasoning={"effort": "none"},
        )
        assert lost == ["reasoning.effort", "tool_choice", "presence_penalty"]
        assert (body["max_tokens"], body["tool_stream"], body["thinking"]) == (9, True, {"type": "enabled"})
        assert body["reasoning_effort"] == "low"  # the newest models cannot turn thinking off
        assert not {"stream_options", "tool_choice", "presence_penalty"} & set(body)
