"""Which errors are about system messages, in the words of various servers."""

import pytest

from chat2response.convert.dialects.chat.request.merged_system_messages import is_about_system_messages


@pytest.mark.parametrize(
    "message",
    [
        "System message must be at the beginning.",
        'Error rendering prompt with jinja template: "System message must be at the beginning."',
        "Unexpected role 'system' after role 'user'",
        "System role not supported",
        "invalid params, invalid message role: system (2013)",
        "Only one system prompt is allowed.",
        "messages[2].role: 'developer' is not one of ['system', 'assistant', 'user', 'tool']",
        "Multiple system messages are not supported",
    ],
)
def test_these_name_them(message: str) -> None:
    assert is_about_system_messages(message)


@pytest.mark.parametrize(
    "message",
    [
        "An internal system error occurred.",
        "The operating system is out of memory.",
        "This model's maximum context length is 8192 tokens.",
        "Unexpected role 'user' after role 'tool'",
        "Invalid value for 'temperature'.",
        "",
    ],
)
def test_these_do_not(message: str) -> None:
    assert not is_about_system_messages(message)
