"""What a call would use."""

import json
from typing import Any

import pytest

from chat2response.keys.ask import MEDIA_TOKENS, Ask, input_estimate, read_ask


def asked(**fields: Any) -> Ask:
    body = json.dumps(fields).encode()
    return read_ask(body, fields, "chat")


@pytest.mark.parametrize("name", ["max_output_tokens", "max_completion_tokens", "max_tokens"])
def test_the_output_limit_under_the_clients_name(name: str) -> None:
    ask = asked(model="m", **{name: 50})
    assert (ask.model, ask.upstream, ask.output_tokens, ask.output_field) == ("m", "chat", 50, name)


def test_the_limit_that_wins_upstream_wins_here() -> None:
    assert asked(max_tokens=5, max_completion_tokens=9).output_tokens == 9


def test_each_choice_may_be_as_long() -> None:
    assert asked(max_tokens=5, n=3).output_tokens == 15
    assert (asked(n=3).output_tokens, asked(n=3).choices) == (None, 3)


@pytest.mark.parametrize("odd", [None, "5", True, 1.5, {}, -3])
def test_what_is_no_number_is_the_upstreams_to_refuse(odd: Any) -> None:
    ask = asked(model=odd, max_tokens=odd, n=odd, tools=odd)
    assert ask.output_tokens in (None, 0)
    assert (ask.choices, ask.tools) == (1, ())


def test_hosted_tools_by_type_and_the_clients_own_not_at_all() -> None:
    tools = [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "c"},
        {"type": "web_search"},
        {"type": "mcp", "server_label": "files"},
        {"type": "namespace", "tools": [{"type": "function"}, {"type": "image_generation"}]},
        "no tool",
    ]
    assert asked(tools=tools).tools == ("web_search", "mcp.files", "image_generation")


def test_text_counts_by_its_length_and_media_do_not() -> None:
    assert input_estimate(b"x" * 401) == 101
    picture = b'{"url": "data:image/png;base64,%b"}' % (b"A/+" * 100_000)
    assert MEDIA_TOKENS < input_estimate(picture) < MEDIA_TOKENS + 20
    escaped = picture.replace(b"/", b"\\/")
    assert MEDIA_TOKENS < input_estimate(escaped) < MEDIA_TOKENS + 20
