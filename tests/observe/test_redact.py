"""Key-shaped strings are masked."""

import pytest

from chat2response.keys.tokens.token import new_token
from chat2response.observe.redact import masked_url, redact, secret_parts_of_url

OURS = f"sk_{'0123456789abcdef' * 2}.{'f' * 64}"


@pytest.mark.parametrize(
    "key",
    [
        OURS,
        OURS.upper().replace("SK_", "sk_"),
        "sk-abcdef123456",
        "sk-proj-AbC_dEf-123456",
        "sk-ant-api03-abcdef",
        "sk-ab****************wxyz",
        "sk-a.b.c.d.e.f",
        "gsk_" + "a1" * 12,
        "xai-" + "a1" * 12,
        "AIza" + "a1" * 12,
        "hf_" + "a1" * 12,
    ],
)
@pytest.mark.parametrize("around", ["{}", "key: {}.", '"{}"', "({}), again {}", "a={}&b=1", "{}\n"])
def test_a_key_is_replaced_wherever_it_stands(key: str, around: str) -> None:
    assert redact(around.replace("{}", key)) == around.replace("{}", "[key]")


@pytest.mark.parametrize("key", [OURS, "sk-abcdef123456"])
def test_a_name_before_it_does_not_hide_it(key: str) -> None:
    assert redact(f"OPENAI_API_KEY_{key}") == "OPENAI_API_KEY_[key]"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_what_follows_bearer_is_a_key(scheme: str) -> None:
    assert redact(f"Authorization: {scheme} abc.DEF~123+/==") == f"Authorization: {scheme} [key]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "task-force, risk-averse, desk-bound, sk-learn",
        "resp_0123456789abcdef0123456789abcdef",
        "the bearer of this letter",
        "msg_1, call_2, hf_small",
        "sk_short.and_not_ours",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/1", "redis://h:6379/1"),
        ("redis://u:pw@h/1", "redis://u:***@h/1"),
        ("redis://:pw@h", "redis://:***@h"),
        ("http://token@h:1", "http://***@h:1"),
        ("https://h/@x/v1", "https://h/@x/v1"),
        ("u:pw@h:1", "u:***@h:1"),
        ("redis://:hunter2/#@h", "redis://:***@h"),
        ("unix:///r.sock?db=1&password=pw", "unix:///r.sock?db=1&password=***"),
        (
            "redis+sentinel://u:pw@h/m?sentinel_password=p2&db=1",
            "redis+sentinel://u:***@h/m?sentinel_password=***&db=1",
        ),
    ],
)
def test_of_an_address_the_password_alone_is_masked(url: str, shown: str) -> None:
    assert masked_url(url) == shown
    _, password, options = secret_parts_of_url(url)
    assert all(each not in shown for each in (password, *options) if each)


def test_several_keys_are_all_replaced() -> None:
    assert redact(f"{OURS} and sk-abcdef123456 and {OURS}") == "[key] and [key] and [key]"


def test_every_token_we_issue_is_key_shaped() -> None:
    issued = new_token().text()
    assert redact(f"<{issued}>") == "<[key]>"
