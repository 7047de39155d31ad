"""MiniMax: `reasoning_split` puts reasoning into details; without it, it stands between tags."""
# ruff: noqa: E501, RUF012

from typing import Any

from tests.support.upstreams.asking import Asking
from tests.support.upstreams.vendor_answer import VendorStage, whole

DETAILS = [
    {
        "type": "reasoning.text",
        "id": "reasoning-text-1",
        "format": "MiniMax-response-v1",
        "index": 0,
        "text": "Grey sky.",
    }
]
USAGE = {"total_tokens": 30, "prompt_tokens": 20, "completion_tokens": 10}


class TestMiniMax(VendorStage):
    profile = "minimax"
    transcript = rb"""
{"id":"05","choices":[{"index":0,"delta":{"content":"","role":"assistant","name":"MiniMax AI","audio_content":"","reasoning_details":[{"type":"reasoning.text","id":"reasoning-text-1","format":"MiniMax-response-v1","index":0,"text":"Grey "}]}}],"created":1,"model":"MiniMax-M3","object":"chat.completion.chunk","usage":null,"input_sensitive":false}
{"id":"05","choices":[{"index":0,"delta":{"content":"","role":"assistant","name":"MiniMax AI","audio_content":"","reasoning_details":[{"type":"reasoning.text","id":"reasoning-text-1","format":"MiniMax-response-v1","index":0,"text":"sky."}]}}],"created":1,"model":"MiniMax-M3","object":"chat.completion.chunk","usage":null,"input_sensitive":false}
{"id":"05","choices":[{"index":0,"delta":{"content":"Rain.","role":"assistant","name":"MiniMax AI","audio_content":""}}],"created":1,"model":"MiniMax-M3","object":"chat.completion.chunk","usage":null,"input_sensitive":false}
{"id":"05","choices":[{"finish_reason":"stop","index":0,"delta":{"content":"","role":"assistant","name":"MiniMax AI","audio_content":""}}],"created":1,"model":"MiniMax-M3","object":"chat.completion.chunk","usage":{"total_tokens":30,"prompt_tokens":20,"completion_tokens":10}}
[DONE]
"""
    completion = whole(
        {"content": "Rain.", "name": "MiniMax AI", "audio_content": "", "reasoning_details": DETAILS},
        USAGE,
        base_resp={"status_code": 0, "status_msg": ""},
    )
    expected_output = [("reasoning", "Grey sky."), ("text", "Rain.")]
    usage = (20, 0, 10, 0)
    echoed = {"role": "assistant", "content": "Rain.", "reasoning_details": DETAILS}

    def test_it_is_asked_to_split_and_both_of_its_tags_are_known(self, upstream: Asking) -> None:
        body, _ = self.body(upstream, reasoning={"effort": "low"})
        assert (body["reasoning_split"], body["thinking"]) == (True, {"type": "adaptive"})
        for tag in ("think", "mm:think"):
            raw = whole({"content": f"<{tag}>Hm.</{tag}>Yes."}, USAGE)
            output = self.read_whole(raw)["output"]
            assert [item["type"] for item in output] == ["reasoning", "message"]

    def test_a_forced_choice_is_kept_where_thinking_is_off(self, upstream: Asking) -> None:
        choice: Any = "required"
        for fields in ({}, {"reasoning": {"effort": "high"}}, {"thinking": {"type": "adaptive"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert "tool_choice" not in body
            assert "tool_choice" in lost
        for fields in ({"reasoning": {"effort": "none"}}, {"thinking": {"type": "disabled"}}):
            body, lost = self.body(upstream, tool_choice=choice, **fields)
            assert body["tool_choice"] == "required"
            assert "tool_choice" not in lost
