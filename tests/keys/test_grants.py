"""Grants among a key's scopes: what they allow, and warnings for mistyped ones."""

import pytest

from chat2response.errors import Forbidden
from chat2response.keys.grants import Grants, grants_of, scope_error, scope_warnings


def refused(grants: Grants, check: str, value: object) -> Forbidden | None:
    try:
        getattr(grants, check)(value)
    except Forbidden as error:
        return error
    return None


@pytest.mark.parametrize("scopes", [None, (), ("team-a", "prod", "read:all", "https://x")])
def test_labels_restrict_nothing_and_make_nobody_an_admin(scopes: tuple[str, ...] | None) -> None:
    grants = grants_of(scopes)
    grants.check_endpoint("chat")
    grants.check_model("any")
    grants.check_upstream("chat")
    grants.check_tools(["web_search"])
    grants.check_address(None)
    assert not grants.restrict_body
    assert not grants.allows_admin("keys")


@pytest.mark.parametrize(
    ("scope", "check", "good", "bad"),
    [
        ("endpoint:chat", "check_endpoint", ["chat"], ["responses", "models"]),
        ("model:gpt-*", "check_model", ["gpt-5", "gpt-"], ["GPT-5", "o3", ""]),
        ("model:qwen", "check_model", ["qwen"], ["qwen3"]),
        ("upstream:chat", "check_upstream", ["chat"], ["responses"]),
        ("tool:web_*", "check_tools", [["web_search"], []], [["web_search", "mcp.x"]]),
        ("net:10.0.0.0/8", "check_address", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::1", None, "x"]),
        ("net:2001:db8::/32", "check_address", ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
        ("net:127.0.0.1", "check_address", ["127.0.0.1"], ["127.0.0.2"]),
    ],
)
def test_a_grant_allows_what_it_names_and_nothing_else_of_its_kind(
    scope: str, check: str, good: list[object], bad: list[object]
) -> None:
    grants = grants_of((scope, "a label"))
    for value in good:
        assert refused(grants, check, value) is None
    for value in bad:
        error = refused(grants, check, value)
        assert error is not None
        assert (error.status, error.code) == (403, "insufficient_scope")
        assert scope.partition(":")[0] + ":" in error.message  # it names what is missing


def test_several_grants_of_a_kind_add_up() -> None:
    grants = grants_of(("model:a", "model:b*"))
    assert [refused(grants, "check_model", name) is None for name in ("a", "b1", "c")] == [True, True, False]


def test_a_grant_that_cannot_be_read_restricts_and_grants_nothing() -> None:
    assert refused(grants_of(("net:nowhere",)), "check_address", "127.0.0.1") is not None
    assert refused(grants_of(("endpoint:everything",)), "check_endpoint", "chat") is not None


def test_admin_is_never_implied() -> None:
    grants = grants_of(("admin:usage", "admin:audit"))
    assert [grants.allows_admin(area) for area in ("usage", "audit", "keys")] == [True, True, False]
    assert grants_of(("admin:*",)).allows_admin("keys")


@pytest.mark.parametrize(
    "scope",
    ["endpoint:all", "net:10.0.0.0/40", "model:", "admin:root", "upstream:x"],
)
def test_what_looks_like_a_grant_and_is_none_is_a_mistake(scope: str) -> None:
    text = scope_error(scope)
    assert text is not None and scope in text


@pytest.mark.parametrize("scope", ["team", "read:all", "model:gpt-*", "net:::1", "admin:*", "tool:mcp.x"])
def test_good_grants_and_labels_are_none(scope: str) -> None:
    assert scope_error(scope) is None


@pytest.mark.parametrize(
    ("scope", "suggestion"),
    [
        ("models:gpt-4", "model:gpt-4"),
        ("Model:gpt-4", "model:gpt-4"),
        ("modle:gpt-4", "model:gpt-4"),
        ("model=gpt-4", "model:gpt-4"),
        ("model :gpt-4", "model:gpt-4"),
        ("endpoints: chat", "endpoint:chat"),
        ("tools=web_search", "tool:web_search"),
        ("upsteam:chat", "upstream:chat"),
        ("admins:keys", "admin:keys"),
    ],
)
def test_a_label_that_is_nearly_a_grant_is_doubted(scope: str, suggestion: str) -> None:
    (text,) = scope_warnings([scope, "model:x"])
    assert text == f"'{scope}' is a label and restricts nothing. Did you mean '{suggestion}'?"


@pytest.mark.parametrize(
    "scope", ["team", "team:a", "read:all", "env=prod", "model:a=b", "net:::1", "admin:*", "", ":"]
)
def test_good_grants_and_other_labels_are_not_doubted(scope: str) -> None:
    assert list(scope_warnings([scope])) == []
