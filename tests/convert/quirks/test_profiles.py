"""The profiles: their names, and rules that all of them follow."""

import re

import pytest

from chat2response.convert.quirks.profiles import GENERIC, OPENAI, PROFILES, profile, resolve_quirks
from chat2response.convert.quirks.quirks import Quirks, QuirksError
from tests.support.convert.requests import USER, resp_body, to_chat

PROMISED = {
    *("openai", "vllm", "ollama", "llama.cpp", "sglang", "lmstudio", "deepseek", "moonshot", "qwen", "glm"),
    *("openrouter", "groq", "mistral", "gemini", "generic"),
}


def test_the_promised_backends_are_known():
    assert set(PROFILES) >= PROMISED
    assert {GENERIC, OPENAI} <= set(PROFILES)


def test_a_profile_is_found_by_its_name_and_may_be_changed():
    assert profile(" DeepSeek ") is PROFILES["deepseek"]
    assert profile("deepseek", {"developer_role": True}).developer_role
    assert resolve_quirks("vllm") is PROFILES["vllm"]
    own = Quirks(max_tokens="x")
    assert resolve_quirks(own) is own


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(QuirksError, match=r"Unknown profile: 'deepsek'. Did you mean 'deepseek'\?"):
        profile("deepsek")


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_write_a_plain_request(name: str):
    body, losses = to_chat(
        resp_body(input=[USER], max_output_tokens=50, temperature=0.5, stream=True), PROFILES[name]
    )
    assert body[PROFILES[name].max_tokens] == 50
    assert body["temperature"] == 0.5
    assert list(body)[-1] == "messages"
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert losses == []


@pytest.mark.parametrize("name", sorted(set(PROFILES) - {"openai", "openrouter", "litellm"}))
def test_all_but_openais_own_are_spared_the_developer(name: str):
    body, losses = to_chat(resp_body(input=[{"role": "developer", "content": "x"}, USER]), PROFILES[name])
    assert body["messages"][0] == {"role": "system", "content": "x"}
    assert losses == []


@pytest.mark.parametrize("quirks", PROFILES.values())
def test_what_a_profile_says_of_ids_and_tags_can_be_used(quirks: Quirks):
    if quirks.call_id_form:
        assert quirks.max_call_id
        assert re.fullmatch(quirks.call_id_form, "a" * quirks.max_call_id)
    assert all(opening and closing for opening, closing in quirks.think_tags)
    assert not (quirks.think_open and not quirks.think_tags)
