"""`chat2response settings` and `chat2response check-config`: output and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chat2response.cli.commands import cli
from chat2response.compose import load
from chat2response.settings import Settings
from tests.support.cli.process import environment
from tests.support.house.source import ROOT

SECRETS = {
    "OPENAI_API_KEY": "sk-test-canary-0123456789",
    "CHAT2RESPONSE_ADMIN_TOKEN": "canary-admin-token",
    "CHAT2RESPONSE_REDIS_URL": "redis://:canary-redis@h/1",
    "CHAT2RESPONSE_PROXY_URL": "http://u:canary-proxy@h:1",
    "CHAT2RESPONSE_SEAL_KEY": "canary-seal-" + "0123456789" * 3,
    "OPENAI_BASE_URL": "http://u:canary-url@h:8000/v1",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment())


def run(*args: str, **settings: str) -> Any:
    return CliRunner().invoke(cli, args, env=settings)


def test_the_manual_shows_the_same_table() -> None:
    table = run("settings").stdout
    assert table in (ROOT / "docs/settings.md").read_text(), (
        "docs/settings.md ends with what `chat2response settings` prints"
    )
    assert all(line.count("|") == 4 for line in table.splitlines())


def test_every_setting_says_what_it_does() -> None:
    schema = json.loads(run("settings", "--schema").stdout)
    assert set(schema["properties"]) == {name.upper() for name in Settings.model_fields}
    for name, described in schema["properties"].items():
        assert described["description"].endswith("."), name
        assert "default" in described, name
    assert schema["properties"]["OPENAI_API_KEY"]["anyOf"][0]["writeOnly"] is True
    assert schema["properties"]["CHAT2RESPONSE_WORKERS"]["maximum"] == 256
    assert schema["$defs"]["UpstreamMode"]["enum"] == ["responses", "chat", "both", "demo"]


def test_what_is_in_effect_is_shown_without_secrets() -> None:
    result = run("check-config", UPSTREAM_MODE="chat", CHAT2RESPONSE_DRAIN_SECONDS="5", **SECRETS)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert {"UPSTREAM_MODE=chat", "CHAT2RESPONSE_DRAIN_SECONDS=5", "OPENAI_API_KEY=[set]"} <= set(lines)
    assert {
        "OPENAI_BASE_URL=http://u:***@h:8000/v1",
        "CHAT2RESPONSE_REDIS_URL=redis://:***@h/1",
        "CHAT2RESPONSE_PROXY_URL=http://u:***@h:1",
    } <= set(lines)
    assert "#BIND_ADDR=0.0.0.0:8088" in lines
    assert lines[-1] == "# These settings are valid. Keys are stored in redis://h/1."
    assert "canary" not in result.output


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    shown = run("check-config", BIND_ADDR="127.0.0.1:9", CORS_ALLOWED_ORIGINS="https://a.example").stdout
    (tmp_path / "again.env").write_text(shown)
    settings = load(tmp_path / "again.env")
    assert (settings.bind_addr, settings.cors_allowed_origins) == ("127.0.0.1:9", "https://a.example")
    assert not (tmp_path / "data").exists(), "check-config must create nothing"


def test_the_store_is_told_by_its_absolute_path(tmp_path: Path) -> None:
    for args, path in (((), "data/keys.db"), (("--keys-backend", "sqlite:k.db"), "k.db")):
        result = run("check-config", *args)
        assert result.stdout.splitlines()[-1].endswith(f"Keys are stored in sqlite:{tmp_path}/{path}.")


def test_what_looks_like_a_mistake_is_told_beside_the_settings() -> None:
    result = run("check-config", UPSTREM_MODE="chat")
    assert result.exit_code == 0
    assert result.stderr.startswith("chat2response: WARNING: UPSTREM_MODE is not a setting")
    assert "UPSTREM_MODE" not in result.stdout


def test_a_file_may_be_checked(tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text("UPSTREAM_MODE=demo\n")
    result = run("check-config", "--env-file", "my.env", "--keys-backend", "memory")
    assert "UPSTREAM_MODE=demo" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("Keys are stored in memory.")


@pytest.mark.parametrize(
    ("settings", "args", "expected"),
    [
        ({"CHAT2RESPONSE_HTTP_TIMEOUT_SECOND": "1"}, (), "Did you mean CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS"),
        ({"UPSTREAM_MODE": "gemini"}, (), "UPSTREAM_MODE: "),
        ({"BIND_ADDR": "8088"}, (), "BIND_ADDR must be host:port"),
        ({"ALL_PROXY": "socks5://h:1"}, (), "ALL_PROXY: SOCKS"),
        ({"CHAT2RESPONSE_PRICES_FILE": "nowhere.json"}, (), "CHAT2RESPONSE_PRICES_FILE: "),
        ({"CHAT2RESPONSE_MODELS_FILE": "nowhere.json"}, (), "CHAT2RESPONSE_MODELS_FILE: "),
        ({}, ("--keys-backend", "sled:x"), "--keys-backend: sled"),
        ({}, ("--bind", "8088"), "--bind must be host:port"),
        ({}, ("--workers", "0"), "--workers"),
    ],
)
def test_what_cannot_be_used_is_code_2(
    settings: dict[str, str], args: tuple[str, ...], expected: str
) -> None:
    result = run("check-config", *args, **settings)
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr


@pytest.mark.parametrize(
    ("settings", "args"),
    [
        ({}, ("--workers", "2", "--keys-backend", "memory")),
        ({"CHAT2RESPONSE_WORKERS": "2"}, ("--keys-backend", "memory")),
    ],
)
def test_what_a_start_would_refuse_is_refused_with_its_code(
    settings: dict[str, str], args: tuple[str, ...]
) -> None:
    result = run("check-config", *args, **settings)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "2 workers cannot share keys in memory" in result.stderr


def test_the_options_of_a_start_are_in_what_is_shown() -> None:
    result = run("--workers", "3", "check-config", "--bind", "127.0.0.1:9", "--keys-backend", "sqlite:k.db")
    assert {"CHAT2RESPONSE_WORKERS=3", "BIND_ADDR=127.0.0.1:9"} <= set(result.stdout.splitlines())
    assert result.exit_code == 0, result.output
    assert run("check-config", "--workers", "1", "--keys-backend", "memory").exit_code == 0
