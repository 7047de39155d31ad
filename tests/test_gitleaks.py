"""The published rules for secret scanners find what the gateway really makes, and nothing else."""

import re
import tomllib
from pathlib import Path

from chat2response.api.admin.token_file import read_or_create
from chat2response.keys import new_token
from tests.support.house.source import ROOT

RULES = {rule["id"]: rule for rule in tomllib.loads((ROOT / "deploy" / "gitleaks.toml").read_text())["rules"]}


def found(text: str) -> set[str]:
    """The rules that would fire: gitleaks looks for a keyword first, in any case, then for the pattern."""
    return {
        id
        for id, rule in RULES.items()
        if any(word in text.lower() for word in rule["keywords"]) and re.search(rule["regex"], text)
    }


def test_real_keys_are_found_wherever_they_stand() -> None:
    for _ in range(50):
        token = new_token().text()
        for text in (
            "{}",
            'key = "{}"',
            "Authorization: Bearer {}",
            "KEY={}\n",
            "?k={}&b=1",
            "`{}`,",
            "{};x",
        ):
            assert found(text.format(token)) == {"chat2response-api-key"}


def test_real_admin_tokens_are_found(tmp_path: Path) -> None:
    assert found(f"x-admin-token: {read_or_create(tmp_path).value}\n") == {"chat2response-admin-token"}


def test_what_is_no_key_is_not() -> None:
    token = new_token().text()
    for text in (
        token[3:35],  # an id is no secret
        token.replace(".", "_"),
        token[:-1],
        token + "0",
        f"x{token}",
        token.upper(),
        "sk_live_0123456789abcdefghijklmn",
        "sk-proj-abcdefghijklmnopqrstuvwxyz",
        "admin_user",
    ):
        assert found(text) == set(), text


def test_the_defaults_of_gitleaks_stay_on() -> None:
    assert "useDefault = true" in (ROOT / "deploy" / "gitleaks.toml").read_text()
