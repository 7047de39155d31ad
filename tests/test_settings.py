"""Every variable, where it may stand, what it becomes, and the error when it is wrong."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from chat2response.api.admin.rules import AdminRules
from chat2response.api.bridge.timed_sink import StreamTimeouts
from chat2response.api.http.client_address import LOOPBACK
from chat2response.compose import load
from chat2response.compose.api import admin_rules, stream_timeouts
from chat2response.compose.keys import key_policy, peppers, prices, seal_keys
from chat2response.compose.upstreams import (
    catalog,
    conversion_policy,
    engine_options,
    profile_name,
    proxies,
    routes,
    transport_options,
    upstream_proxy,
)
from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.dialects.surfaces import CHAT_SURFACE, PROXY, RESPONSES_SURFACE
from chat2response.convert.policy import Policy
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.quirks.quirks import Quirks
from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.net.proxies import Proxies, Proxy
from chat2response.settings import AuthMode, Settings, SettingsError, UpstreamMode, listen_address
from chat2response.settings.warnings import warnings
from chat2response.upstreams.base import Target
from tests.support.outbound_proxy import Certificates

PROFILE, QUIRKS = "CHAT2RESPONSE_UPSTREAM_PROFILE", "CHAT2RESPONSE_QUIRKS"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates) -> None:
    """No variable of ours, and a working folder without a `.env`, but with the certificate of a CA."""
    for name in tuple(os.environ):
        if name.upper().startswith(("OPENAI_", "CHAT2RESPONSE_", "UPSTREAM_MODE", "BIND_ADDR", "ENV_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("ca.pem").write_bytes(certificates.ca.read_bytes())


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`env(NAME="value")` sets variables and loads the settings."""

    def set_and_load(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load()

    return set_and_load


# -- every variable ----------------------------------------------------------------------------------

VARIABLES: dict[str, tuple[str, Any, Any]] = {
    # variable: a value, what it becomes, the default
    "OPENAI_BASE_URL": ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", None),
    "OPENAI_API_KEY": ("sk-operator", "sk-operator", None),
    "UPSTREAM_MODE": ("chat", UpstreamMode.CHAT, UpstreamMode.RESPONSES),
    "BIND_ADDR": ("127.0.0.1:9000", "127.0.0.1:9000", "0.0.0.0:8088"),
    "CHAT2RESPONSE_SQLITE_PATH": ("/var/lib/c2r/keys.db", Path("/var/lib/c2r/keys.db"), Path("data/keys.db")),
    "CHAT2RESPONSE_REDIS_URL": ("redis://:secret@h/1", "redis://:secret@h/1", None),
    "CHAT2RESPONSE_REDIS_POOL_MAX": ("4", 4, 16),
    "CHAT2RESPONSE_STATE_DIR": ("/var/lib/c2r", Path("/var/lib/c2r"), None),
    "CHAT2RESPONSE_ADMIN_TOKEN": ("a-long-secret-word", "a-long-secret-word", None),
    "CHAT2RESPONSE_ADMIN_ALLOW": ("loopback, 172.17.0.0/16", "loopback, 172.17.0.0/16", None),
    "CHAT2RESPONSE_ADMIN_HOSTS": ("gateway, keys.example", "gateway, keys.example", None),
    "CHAT2RESPONSE_ADMIN_BIND_ADDR": ("127.0.0.1:9099", "127.0.0.1:9099", None),
    "CHAT2RESPONSE_TRUSTED_PROXIES": ("10.0.0.0/8", "10.0.0.0/8", None),
    "CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION": ("false", False, True),
    "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION": ("1", True, None),
    "CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS": ("3600", 3600, 86400),
    "CHAT2RESPONSE_KEYS_PEPPER_FILE": ("/run/secrets/pepper", Path("/run/secrets/pepper"), None),
    "CHAT2RESPONSE_KEYS_END_RUNS": ("0", False, True),
    "CHAT2RESPONSE_KEYS_SERVE_STALE_SECONDS": ("30", 30.0, 0.0),
    "CHAT2RESPONSE_AUDIT_DAYS": ("30", 30, 400),
    "CHAT2RESPONSE_PRICES_FILE": ("prices.json", Path("prices.json"), None),
    "CHAT2RESPONSE_USAGE_DAYS": ("30", 30, 90),
    "CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS": ("12.5", 12.5, 60.0),
    "CHAT2RESPONSE_CONNECT_TIMEOUT_SECONDS": ("2", 2.0, 10.0),
    "CHAT2RESPONSE_PROXY_URL": ("http://u:p@h:1", "http://u:p@h:1", None),
    "HTTP_PROXY": ("http://h:1", "http://h:1", None),
    "HTTPS_PROXY": ("h:1", "h:1", None),
    "ALL_PROXY": ("https://h", "https://h", None),
    "NO_PROXY": ("localhost, .internal", "localhost, .internal", None),
    "CHAT2RESPONSE_NO_PROXY": ("1", True, False),
    "CHAT2RESPONSE_CA_FILE": ("ca.pem", Path("ca.pem"), None),
    "CHAT2RESPONSE_AUTH_MODE": ("open", "open", "auto"),
    "CHAT2RESPONSE_FIDELITY": ("Strict", "strict", "warn"),
    "CHAT2RESPONSE_WORKERS": ("4", 4, 1),
    "CHAT2RESPONSE_DRAIN_SECONDS": ("30", 30.0, 600.0),
    "CHAT2RESPONSE_UPSTREAM_INPUT": ("1", True, False),
    "CHAT2RESPONSE_UPSTREAM_MODEL": ("big", "big", None),
    "CHAT2RESPONSE_UPSTREAM_PROFILE": ("vllm", "vllm", None),
    "CHAT2RESPONSE_SEAL_KEY": ("0123456789abcdef" * 2, "0123456789abcdef" * 2, None),
    "CHAT2RESPONSE_QUIRKS": ('{"developer_role":true}', '{"developer_role":true}', None),
    "CHAT2RESPONSE_LOG_LEVEL": ("debug", "debug", "info"),
    "RUST_LOG": ("warn,hyper=off", "warn,hyper=off", None),
    "CORS_ALLOWED_ORIGINS": ("https://app.example", "https://app.example", "*"),
    "CORS_ALLOWED_METHODS": ("POST", "POST", "*"),
    "CORS_ALLOWED_HEADERS": ("x-a, x-b", "x-a, x-b", "*"),
    "CORS_ALLOW_CREDENTIALS": ("0", False, False),
    "CORS_MAX_AGE": ("60", 60, 3600),
    "CHAT2RESPONSE_MAX_BODY_BYTES": ("2048", 2048, 32 * 1024 * 1024),
    "CHAT2RESPONSE_MAX_BUFFERED_BYTES": ("536870912", 536_870_912, None),
    "CHAT2RESPONSE_BODY_TIMEOUT_SECONDS": ("5", 5.0, 30.0),
    "CHAT2RESPONSE_BODY_MIN_BYTES_PER_SECOND": ("0", 0, 1000),
    "CHAT2RESPONSE_WRITE_TIMEOUT_SECONDS": ("0", 0.0, 600.0),
    "CHAT2RESPONSE_MAX_OUTPUT_BYTES": ("65536", 65536, 32 * 1024 * 1024),
    "CHAT2RESPONSE_REASONING": ("hide", "hide", "auto"),
    "CHAT2RESPONSE_HOSTED_TOOLS": ("refuse", "refuse", "drop"),
    "CHAT2RESPONSE_HEARTBEAT_SECONDS": ("20, proxy=0", "20, proxy=0", "15"),
    "CHAT2RESPONSE_STALL_SECONDS": ("90", "90", None),
    "CHAT2RESPONSE_MODELS_FILE": ("/etc/c2r/models.json", Path("/etc/c2r/models.json"), None),
    "CHAT2RESPONSE_CLIENT_PROFILE": ("open-responses", "open-responses", "default"),
    "CHAT2RESPONSE_ORPHANS": ("repair", "repair", "refuse"),
}


def plain(value: Any) -> Any:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_every_setting_is_in_this_table() -> None:
    assert set(VARIABLES) == {name.upper() for name in Settings.model_fields}


def test_the_defaults(env: Any) -> None:
    settings = env()
    assert {name: plain(getattr(settings, name.lower())) for name in VARIABLES} == {
        name: default for name, (_, _, default) in VARIABLES.items()
    }


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("spelled", [str.upper, str.lower])
def test_a_variable_sets_it(env: Any, name: str, spelled: Any) -> None:
    text, value, _ = VARIABLES[name]
    assert plain(getattr(env(**{spelled(name): text}), name.lower())) == value


@pytest.mark.parametrize("name", VARIABLES)
def test_a_line_in_the_env_file_sets_it(env: Any, name: str) -> None:
    text, value, _ = VARIABLES[name]
    Path(".env").write_text(f"# a comment\n{name}={text}\n")
    assert plain(getattr(env(), name.lower())) == value


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_is_one_that_is_not_set(env: Any, name: str) -> None:
    assert plain(getattr(env(**{name: ""}), name.lower())) == VARIABLES[name][2]


@pytest.mark.parametrize("name", [name for name, (_, _, default) in VARIABLES.items() if default is None])
def test_so_is_one_of_blanks_where_nothing_is_the_default(env: Any, name: str) -> None:
    assert getattr(env(**{name: "  "}), name.lower()) is None


def test_secrets_do_not_show(env: Any) -> None:
    settings = env(OPENAI_API_KEY="sk-operator-123", CHAT2RESPONSE_ADMIN_TOKEN="hunter2hunter2hunter2")
    assert "sk-operator-123" not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert "sk-operator-123" not in repr(routes(settings))


# -- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["chat", "CHAT", " chat ", "chat-completions", "chat_completions"])
@pytest.mark.parametrize("name", ["UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM"])
def test_the_mode_has_aliases(env: Any, name: str, text: str) -> None:
    assert env(**{name: text}).upstream_mode is UpstreamMode.CHAT


@pytest.mark.parametrize("mode", UpstreamMode)
def test_every_mode_is_known(env: Any, mode: UpstreamMode) -> None:
    assert env(UPSTREAM_MODE=mode.value).upstream_mode is mode


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CHAT2RESPONSE_SQLITE_PAHT", "CHAT2RESPONSE_SQLITE_PATH"),
        ("CHAT2RESPONSE_KEY_DEFAULT_TTL", "CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS"),
        ("CHAT2RESPONSE_TIMEOUT_SECONDS", "CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS"),
        ("CHAT2RESPONSE_UPSTREAMS", "CHAT2RESPONSE_UPSTREAM"),
        ("chat2response_reasonning", "CHAT2RESPONSE_REASONING"),
        ("CHAT2RESPONSE_BIND_ADDR", "BIND_ADDR"),
        ("CHAT2RESPONSE_UPSTREM_MODE", "UPSTREAM_MODE"),
        ("CHAT2RESPONSE_OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("CHAT2RESPONSE_API_KEY", "OPENAI_API_KEY"),
        ("CHAT2RESPONSE_OPENAI_API_BASE", "OPENAI_BASE_URL"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(env: Any, written: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"{written} is not a setting. Did you mean {meant}?"):
        env(**{written: "x"})


@pytest.mark.parametrize("name", ["CHAT2RESPONSE_FROBNICATE", "CHAT2RESPONSE_X", "CHAT2RESPONSE_"])
def test_where_none_is_near_none_is_suggested(env: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not a setting. `chat2response settings` lists all"):
        env(**{name: "x"})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("UPSTREM_MODE", "UPSTREAM_MODE"),
        ("upstream_mod", "UPSTREAM_MODE"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("OPENAI_BASE", "OPENAI_BASE_URL"),
        ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
        ("OPENAI_API_KY", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("BIND_ADDRESS", "BIND_ADDR"),
        ("CORS_ALLOW_ORIGINS", "CORS_ALLOWED_ORIGINS"),
    ],
)
def test_a_name_that_is_nearly_a_settings_is_told(env: Any, written: str, meant: str) -> None:
    message = f"{written} is not a setting, and is ignored. Did you mean {meant}?"
    assert list(warnings(env(**{written: "chat"}))) == [message]
    values = {
        "UPSTREAM_MODE": "chat",
        "OPENAI_BASE_URL": "http://h/v1",
        "CORS_ALLOWED_ORIGINS": "http://h",
    }
    assert list(warnings(env(**{meant: values.get(meant, "h:1")}))) == [], (
        "what is meant is set: it is another's"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_ORG_ID", "OPENAI_API_TYPE", "OPENAI_API_VERSION", "OPENAI_MODEL", "OPENAI_PROJECT_ID"),
        *("FTP_PROXY", "LOG_LEVEL", "SQLITE_PATH", "RUST_BACKTRACE", "PORT", "HOST", "UPSTREAM"),
    ],
)
def test_a_variable_of_another_program_is_let_be(env: Any, name: str) -> None:
    assert list(warnings(env(**{name: "x"}))) == []


def test_a_line_of_our_file_that_lacks_the_prefix_is_told(env: Any) -> None:
    Path(".env").write_text("SQLITE_PATH=x.db\nLOG_LEVEL=debug\nCOMPOSE_PROJECT_NAME=x\n")
    settings = env(CHAT2RESPONSE_LOG_LEVEL="info")
    assert list(warnings(settings)) == [
        "SQLITE_PATH is not a setting, and is ignored. Did you mean CHAT2RESPONSE_SQLITE_PATH?"
    ]
    assert list(warnings(settings, Path(os.devnull))) == []


def test_a_line_of_a_file_that_sets_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Path(".env").write_text(
        "# a: b\n\nUPSTREAM_MODE=chat\n\nBIND_ADDR: 127.0.0.1:1\n\n\nCORS_MAX_AGE\nRUST_LOG=\n"
    )
    settings = load()
    assert settings.upstream_mode is UpstreamMode.CHAT
    assert list(warnings(settings)) == [
        f"line {number} of .env is not NAME=value, and is ignored." for number in (5, 8)
    ]
    assert caplog.text == ""  # the reader's own words name no file


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "CHAT2RESPONSE_ADMIN_TOKEN"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"sk-test-0123456789"', ["has quotation marks around it"]),
        ("'sk-test-0123456789'", ["has quotation marks around it"]),
        ("\u201csk-test-0123456789\u201d", ["has quotation marks around it"]),
        ("Bearer sk-test-0123456789", ["begins with 'Bearer '"]),
        ("'bearer sk-test-0123456789", ["has quotation marks around it", "begins with 'Bearer '"]),
        ("sk-test-0123456789", []),
    ],
)
def test_what_surrounds_a_key_is_told(env: Any, name: str, value: str, expected: list[str]) -> None:
    messages = list(warnings(env(**{name: value})))
    assert len(messages) == len(expected)
    for text, start in zip(messages, expected, strict=True):
        assert text.startswith(f"{name} {start}")
        assert "sk-test" not in text


@pytest.mark.parametrize(
    ("name", "value", "quoted"),
    [
        ("CHAT2RESPONSE_SQLITE_PATH", '"data/keys.db"', True),
        ("CHAT2RESPONSE_UPSTREAM_MODEL", "'qwen'", True),
        ("CHAT2RESPONSE_SEAL_KEY", '"' + "0123456789" * 4 + '"', True),
        ("CHAT2RESPONSE_SQLITE_PATH", 'it"s.db', False),
        ("CHAT2RESPONSE_QUIRKS", '{"developer_role": true}', False),
        ("CHAT2RESPONSE_WORKERS", "2", False),
    ],
)
def test_quotation_marks_around_any_text_are_told(env: Any, name: str, value: str, quoted: bool) -> None:
    messages = list(warnings(env(**{name: value})))
    assert [each.partition(",")[0] for each in messages] == [f"{name} has quotation marks around it"] * quoted


@pytest.mark.parametrize("value", ['"http://h/v1"', "'http://h/v1'"])
def test_quotation_marks_around_the_address_are_an_error_that_says_so(env: Any, value: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL: remove the quotation marks around the value"):
        env(OPENAI_BASE_URL=value)


def test_a_login_in_the_address_of_the_upstream_is_told(env: Any) -> None:
    (message,) = warnings(env(OPENAI_BASE_URL="http://user:hunter2@h:8000/v1"))
    assert message.startswith(
        "OPENAI_BASE_URL contains a login (user:password@). The gateway does not send it."
    )
    assert "hunter2" not in message
    for address in ("http://h:8000/v1", "https://h/@x/v1"):
        assert list(warnings(env(OPENAI_BASE_URL=address))) == []


@pytest.mark.parametrize("name", ["CHAT2RESPONSE_SLED_PATH", "chat2response_sled_path"])
def test_a_setting_of_the_rust_edition_is_an_error_that_says_what_to_write(env: Any, name: str) -> None:
    with pytest.raises(
        SettingsError, match=f"{name}: this edition does not use sled. Set CHAT2RESPONSE_SQLITE_PATH"
    ):
        env(**{name: "./data"})


def test_a_redis_is_the_store_before_a_file(env: Any) -> None:
    settings = env(CHAT2RESPONSE_SQLITE_PATH="own.db")
    assert (settings.store_url, settings.store_setting) == ("sqlite:own.db", "CHAT2RESPONSE_SQLITE_PATH")
    settings = env(CHAT2RESPONSE_REDIS_URL=" rediss://:hunter2@h ")
    assert (settings.store_url, settings.store_setting) == ("rediss://:hunter2@h", "CHAT2RESPONSE_REDIS_URL")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("url", ["memory", "sqlite:x", "h:6379", "http://:hunter2@h", "redis://:hunter2/@h"])
def test_what_is_no_redis_is_refused_and_not_shown(env: Any, url: str) -> None:
    with pytest.raises(SettingsError, match=r"CHAT2RESPONSE_REDIS_URL: .*a Redis address") as caught:
        env(CHAT2RESPONSE_REDIS_URL=url)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_name_in_the_env_file_is_one_too(env: Any) -> None:
    Path(".env").write_text("CHAT2RESPONSE_ADMIN_TOKE=x\n")
    with pytest.raises(SettingsError, match="CHAT2RESPONSE_ADMIN_TOKEN"):
        env()


def test_what_an_orchestrator_injects_is_let_be(env: Any) -> None:
    alone = load()
    together = env(
        CHAT2RESPONSE_SERVICE_HOST="10.0.0.1",
        CHAT2RESPONSE_SERVICE_PORT_HTTP="80",
        CHAT2RESPONSE_PORT="tcp://10.0.0.1:80",
        CHAT2RESPONSE_PORT_80_TCP_ADDR="10.0.0.1",
        OPENAI_ORG_ID="not ours",
    )
    assert together == alone


# -- where they stand --------------------------------------------------------------------------------


def test_the_environment_wins_over_the_file(env: Any) -> None:
    Path(".env").write_text("UPSTREAM_MODE=chat\nBIND_ADDR=127.0.0.1:1\n")
    settings = env(UPSTREAM_MODE="demo")
    assert (settings.upstream_mode, settings.bind_addr) == (UpstreamMode.DEMO, "127.0.0.1:1")


def test_the_environment_wins_under_its_other_name_too(env: Any) -> None:
    Path(".env").write_text("UPSTREAM_MODE=chat\n")
    assert env(CHAT2RESPONSE_UPSTREAM="demo").upstream_mode is UpstreamMode.DEMO


def test_env_file_names_another(env: Any, tmp_path: Path) -> None:
    Path(".env").write_text("BIND_ADDR=127.0.0.1:1\n")
    other = tmp_path / "other.env"
    other.write_text("BIND_ADDR=127.0.0.1:2\n")
    assert env(ENV_FILE=str(other)).bind_addr == "127.0.0.1:2"
    third = tmp_path / "third.env"
    third.write_text("BIND_ADDR=127.0.0.1:3\n")
    assert load(third).bind_addr == "127.0.0.1:3"


@pytest.mark.parametrize("name", ["ENV_FILE", "ENVFILE", "DOTENV_PATH"])
def test_an_env_file_that_is_not_there_is_an_error(env: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} names /nowhere/.env"):
        env(**{name: "/nowhere/.env"})


def test_env_file_has_older_names_and_there_is_an_older_file(env: Any, tmp_path: Path) -> None:
    for number, name in enumerate((".env", ".envfile", "envfile", "dotenv"), 1):
        (tmp_path / name).write_text(f"BIND_ADDR=127.0.0.1:{number}\n")
    assert env().bind_addr == "127.0.0.1:2"
    assert env(DOTENV_PATH="dotenv").bind_addr == "127.0.0.1:4"
    assert env(ENVFILE="envfile").bind_addr == "127.0.0.1:3"
    assert env(ENV_FILE=".env").bind_addr == "127.0.0.1:1"


def test_the_folders_above_are_nobodys_business(env: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://elsewhere.example/v1\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert env().openai_base_url is None


def test_an_env_file_is_read_as_people_write_it(env: Any) -> None:
    text = "\ufeffBIND_ADDR = \"127.0.0.1:7\"\r\n\r\n# x\r\nexport UPSTREAM_MODE='chat'  # y\r\nOTHER\r\n"
    Path(".env").write_bytes(text.encode())
    assert (env().bind_addr, env().upstream_mode) == ("127.0.0.1:7", UpstreamMode.CHAT)


@pytest.mark.parametrize(
    ("filter", "level"),
    [
        ("info", "info"),
        ("WARN", "warning"),
        ("hyper=debug, trace", "debug"),
        ("info,tower_http=info", "info"),
        ("off", "critical"),
        ("chat2response=debug", "info"),
        ("whatever", "info"),
    ],
)
def test_rust_log_says_the_level_where_nothing_of_ours_does(env: Any, filter: str, level: str) -> None:
    assert env(RUST_LOG=filter).log_level == level
    assert env(CHAT2RESPONSE_LOG_LEVEL="error").log_level == "error"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "cannot be read"),
        ("[1]", "is not a valid model catalog"),
        ('{"m": {"context": 1}}', "context"),
        ('{"m": {"context_window": "9"}}', "context_window"),
    ],
)
def test_what_is_no_file_of_models_is_said(env: Any, text: str | None, expected: str) -> None:
    if text is not None:
        Path("models.json").write_text(text)
    with pytest.raises(SettingsError, match=rf"CHAT2RESPONSE_MODELS_FILE: models.json .*{expected}"):
        catalog(env(CHAT2RESPONSE_MODELS_FILE="models.json"))


def test_how_long_a_stream_may_be_silent(env: Any) -> None:
    assert stream_timeouts(load(), CHAT_SURFACE) == StreamTimeouts(15.0, 60.0)
    assert stream_timeouts(env(CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS="90"), PROXY) == StreamTimeouts(15.0, 90.0)
    own = env(CHAT2RESPONSE_HEARTBEAT_SECONDS="20, proxy=0", CHAT2RESPONSE_STALL_SECONDS="responses=300")
    assert stream_timeouts(own, CHAT_SURFACE) == StreamTimeouts(20.0, 90.0)
    assert stream_timeouts(own, RESPONSES_SURFACE) == StreamTimeouts(20.0, 300.0)
    assert stream_timeouts(own, PROXY) == StreamTimeouts(0.0, 90.0)


# -- values that are wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPSTREAM_MODE", "gemini"),
        ("OPENAI_BASE_URL", "api.openai.com/v1"),
        ("CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION", "perhaps"),
        ("CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS", "-1"),
        ("CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS", "0"),
        ("CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS", "inf"),
        ("CHAT2RESPONSE_CONNECT_TIMEOUT_SECONDS", "soon"),
        ("CHAT2RESPONSE_MAX_BODY_BYTES", "10"),
        ("CHAT2RESPONSE_REASONING", "loud"),
        ("CHAT2RESPONSE_HOSTED_TOOLS", "run"),
        ("CHAT2RESPONSE_CLIENT_PROFILE", "codex2"),
        ("CHAT2RESPONSE_HEARTBEAT_SECONDS", "soon"),
        ("CHAT2RESPONSE_HEARTBEAT_SECONDS", "sockets=3"),
        ("CHAT2RESPONSE_STALL_SECONDS", "-1"),
        ("CHAT2RESPONSE_STALL_SECONDS", "chat=inf"),
        ("CHAT2RESPONSE_ORPHANS", "adopt"),
        ("CHAT2RESPONSE_ADMIN_ALLOW", "10.0.0.0/33"),
        ("CHAT2RESPONSE_TRUSTED_PROXIES", "10.0.0.1, proxy.example"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_variable(env: Any, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        env(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("UPSTREAM_MODE", "gemini", "'gemini' cannot be used; write responses, chat, both or demo."),
        ("CHAT2RESPONSE_LOG_LEVEL", "bogus", "write debug, info, warning, error or critical."),
        ("CHAT2RESPONSE_AUTH_MODE", "none", "'none' cannot be used; write auto, managed, "),
        ("CHAT2RESPONSE_KEYS_END_RUNS", "maybe", "'maybe' cannot be used; write 1, true, yes or on, or 0, "),
        ("CHAT2RESPONSE_WORKERS", "0", "'0' cannot be used; write a whole number from 1 to 256."),
        ("CHAT2RESPONSE_WORKERS", "1.5", "'1.5' cannot be used; write a whole number from 1 to 256."),
        ("CHAT2RESPONSE_MAX_BODY_BYTES", "9", "'9' cannot be used; write a whole number, 1024 or more."),
        ("CHAT2RESPONSE_CONNECT_TIMEOUT_SECONDS", "inf", "'inf' cannot be used; write a number above 0."),
        ("CHAT2RESPONSE_KEYS_SERVE_STALE_SECONDS", "-1", "write a number from 0 to 86400."),
        ("CHAT2RESPONSE_LOG_LEVEL", "wort\u00e9", "'wort\\xe9' cannot be used"),
        (
            "OPENAI_BASE_URL",
            "h/v1",
            "it must start with http:// or https://, for example https://api.openai.com/v1.",
        ),
        *(
            (
                "OPENAI_BASE_URL",
                f"http://me:canary@h:8000/v1{endpoint}",
                f"the endpoint {endpoint.rstrip('/').lower()}; write only the base URL http://h:8000/v1:",
            )
            for endpoint in (
                *("/chat/completions", "/Chat/Completions/", "/completions", "/responses", "/responses//"),
                *("/messages", "/embeddings", "/models", "/chat"),
            )
        ),
    ],
)
def test_it_says_the_value_and_what_may_stand_there(env: Any, name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env(**{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "base",
    [
        "https://h.services.ai.azure.com/models",
        "http://responses:8000/v1",
        "https://h/responses/v1",
        "https://h/my-responses",
        "https://h/api/chat",
    ],
)
def test_a_base_that_only_sounds_like_an_endpoint_is_taken(env: Any, base: str) -> None:
    assert env(OPENAI_BASE_URL=base).base_url == base


def test_a_value_under_another_name_is_told_by_the_first(env: Any) -> None:
    with pytest.raises(SettingsError, match=r"^UPSTREAM_MODE: 'x' cannot be used; write responses, "):
        env(CHAT2RESPONSE_UPSTREAM="x")


def test_every_wrong_value_has_its_line(env: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        env(UPSTREAM_MODE="x", CHAT2RESPONSE_WORKERS="y", CORS_MAX_AGE="z")
    assert sorted(line.partition(":")[0] for line in str(caught.value).splitlines()) == [
        "CHAT2RESPONSE_WORKERS",
        "CORS_MAX_AGE",
        "UPSTREAM_MODE",
    ]


@pytest.mark.parametrize("value", ["sk-test-in-the-wrong-place", "sk-short1", "correct horse battery"])
def test_what_may_be_a_secret_in_the_wrong_place_is_not_repeated(env: Any, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"UPSTREAM_MODE: the value \({len(value)} char") as caught:
        env(UPSTREAM_MODE=value)
    assert value not in str(caught.value)


# -- what they become --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, AuthMode.PASSTHROUGH),
        ({"OPENAI_API_KEY": "sk-operator"}, AuthMode.MANAGED),
        ({"OPENAI_API_KEY": " "}, AuthMode.PASSTHROUGH),
        ({"UPSTREAM_MODE": "demo"}, AuthMode.MANAGED),
        ({"UPSTREAM_MODE": "chat"}, AuthMode.PASSTHROUGH),
    ],
)
def test_one_value_decides_who_opens_the_door(env: Any, variables: dict[str, str], mode: AuthMode) -> None:
    settings = env(**variables)
    assert settings.auth_mode is mode
    assert routes(settings).target(CHAT_SURFACE).managed is (mode is AuthMode.MANAGED)


@pytest.mark.parametrize(
    ("mode", "chat", "responses"),
    [
        ("responses", "responses", "responses"),
        ("chat", "chat", "chat"),
        ("both", "chat", "responses"),
        ("demo", "chat", "chat"),
    ],
)
def test_the_routes_of_each_mode(env: Any, mode: str, chat: str, responses: str) -> None:
    targets = routes(env(UPSTREAM_MODE=mode))
    on_chat, on_responses = targets.target(CHAT_SURFACE), targets.target(RESPONSES_SURFACE)
    assert (on_chat.dialect.name, on_responses.dialect.name) == (chat, responses)
    assert targets.target(PROXY) is on_responses


def test_a_target_has_the_address_and_the_key(env: Any) -> None:
    settings = env(OPENAI_BASE_URL=" http://127.0.0.1:8000/v1/ ", OPENAI_API_KEY=" sk-operator\n")
    expected = Target(RESPONSES, "http://127.0.0.1:8000/v1", "sk-operator", True)
    assert routes(settings).target(RESPONSES_SURFACE) == expected
    demo = routes(env(UPSTREAM_MODE="demo")).target(CHAT_SURFACE)
    assert demo == Target(CHAT, "http://demo.invalid/v1", name="demo")
    assert demo.shown_address == demo.name == "demo"


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "openai"),
        ({"OPENAI_BASE_URL": "https://API.openai.com/v1"}, "openai"),
        ({"OPENAI_BASE_URL": "https://api.deepseek.com"}, "generic"),
        ({"OPENAI_BASE_URL": "https://api.deepseek.com", PROFILE: " DeepSeek "}, "deepseek"),
        ({PROFILE: "vllm"}, "vllm"),
    ],
)
def test_the_profile_of_a_chat_upstream(env: Any, variables: dict[str, str], name: str) -> None:
    settings = env(UPSTREAM_MODE="both", **variables)
    assert profile_name(settings) == name
    assert routes(settings).target(CHAT_SURFACE).backend.quirks is PROFILES[name]
    assert routes(settings).target(RESPONSES_SURFACE).backend.quirks == Quirks()


def test_a_profile_is_changed_field_by_field(env: Any) -> None:
    overrides = '{"developer_role": true, "think_tags": [["<t>", "</t>"]]}'
    targets = routes(env(UPSTREAM_MODE="chat", **{PROFILE: "vllm", QUIRKS: overrides}))
    quirks = targets.target(CHAT_SURFACE).backend.quirks
    assert quirks.developer_role
    assert quirks.think_tags == (("<t>", "</t>"),)
    assert quirks.reasoning_field == PROFILES["vllm"].reasoning_field


def test_several_seal_keys_are_a_ring_and_none_is_shown(env: Any) -> None:
    first, second = "first-" + "1" * 32, "second-" + "2" * 32
    settings = env(CHAT2RESPONSE_SEAL_KEY=f" {first} , {second}")
    assert seal_keys(settings) == (first, second)
    assert first not in repr(settings)
    assert seal_keys(env(CHAT2RESPONSE_SEAL_KEY=" ")) == ()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CHAT2RESPONSE_SEAL_KEY", "short", "a key must be 32 or more characters"),
        (PROFILE, "vlm", "Unknown profile: 'vlm'. Did you mean 'vllm'?"),
        (QUIRKS, '{"developer": true}', "Unknown quirk: 'developer'. Did you mean 'developer_role'?"),
        (QUIRKS, '{"developer_role": 1}', "'developer_role': Expected `bool`, got `int`."),
        (QUIRKS, "[]", "write a JSON object"),
        (QUIRKS, "developer_role", "it is not JSON"),
    ],
)
def test_a_profile_that_cannot_be_is_an_error(env: Any, name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env(**{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert expected in str(caught.value)
    assert "?." not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "used"),
    [
        (None, "https://api.openai.com/v1"),
        ("http://x/v1", "http://x/v1"),
        ("http://x/v1//", "http://x/v1"),
        ("HTTPS://x", "HTTPS://x"),
    ],
)
def test_the_base_url_has_no_slash_at_its_end(env: Any, value: str | None, used: str) -> None:
    assert env(**({} if value is None else {"OPENAI_BASE_URL": value})).base_url == used


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8088", "127.0.0.1", 8088),
        (":8088", "0.0.0.0", 8088),
        (" localhost:0 ", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
        ("::1:80", "::1", 80),
    ],
)
def test_listen_addresses(env: Any, text: str, host: str, port: int) -> None:
    assert listen_address(text) == (host, port)
    assert env(BIND_ADDR=text).listen == (host, port)


@pytest.mark.parametrize(
    "text", ["", "8088", "localhost", "localhost:", "x:http", "x:65536", "x:-1", "x:²", "x:٣"]
)
def test_what_is_no_listen_address(text: str) -> None:
    with pytest.raises(SettingsError, match="BIND_ADDR must be host:port"):
        listen_address(text)


def test_the_admin_planes_own_address_is_checked_by_its_name(env: Any) -> None:
    with pytest.raises(SettingsError, match="CHAT2RESPONSE_ADMIN_BIND_ADDR must be host:port"):
        env(CHAT2RESPONSE_ADMIN_BIND_ADDR="9099")


def test_the_rules_of_the_admin_plane(env: Any) -> None:
    assert admin_rules(env(), None) == AdminRules(host="0.0.0.0")
    assert admin_rules(env(), "generated") == AdminRules("generated", host="0.0.0.0")
    rules = admin_rules(
        env(
            CHAT2RESPONSE_ADMIN_TOKEN=" set-by-the-operator\n",
            CHAT2RESPONSE_ADMIN_ALLOW="loopback,172.17.0.1/16",
            CHAT2RESPONSE_ADMIN_HOSTS="Gateway, keys.example",
            CHAT2RESPONSE_ADMIN_BIND_ADDR="127.0.0.1:9099",
            CHAT2RESPONSE_TRUSTED_PROXIES="10.0.0.1",
        ),
        "generated",
    )
    assert (rules.token, rules.always_require_token, rules.host) == ("set-by-the-operator", True, "127.0.0.1")
    assert rules.allow == (*LOOPBACK, ip_network("172.17.0.0/16"))
    assert (rules.hosts, rules.trusted) == (("gateway", "keys.example"), (ip_network("10.0.0.1"),))


@pytest.mark.parametrize("token", ["x", "hunter2-hunter2", "   fifteen-chars-x   "])
def test_an_admin_token_that_could_be_guessed_is_refused(env: Any, token: str) -> None:
    with pytest.raises(SettingsError, match=r"CHAT2RESPONSE_ADMIN_TOKEN: .*16 characters.*openssl") as caught:
        env(CHAT2RESPONSE_ADMIN_TOKEN=token)
    assert token.strip() not in str(caught.value) or len(token) == 1


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_admin_token_is_none(env: Any, token: str) -> None:
    assert env(CHAT2RESPONSE_ADMIN_TOKEN=token).chat2response_admin_token is None


# -- proxies on the way out ----------------------------------------------------------------------------

ALL, OWN = Proxy("all.example", 3), Proxy("own.example", 4)


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "plain.example:1"}, Proxy("plain.example", 1), None),
        ({"HTTPS_PROXY": "tls.example:2"}, None, Proxy("tls.example", 2)),
        ({"ALL_PROXY": "http://all.example:3"}, ALL, ALL),
        ({"ALL_PROXY": "all.example:3", "HTTPS_PROXY": "tls.example:2"}, ALL, Proxy("tls.example", 2)),
        ({"CHAT2RESPONSE_PROXY_URL": "own.example:4", "ALL_PROXY": "all.example:3"}, OWN, OWN),
        ({"CHAT2RESPONSE_PROXY_URL": "own.example:4", "HTTP_PROXY": "x:1", "NO_PROXY": "*"}, OWN, OWN),
        ({"CHAT2RESPONSE_PROXY_URL": "own.example:4", "CHAT2RESPONSE_NO_PROXY": "1"}, None, None),
        ({"ALL_PROXY": "all.example:3", "CHAT2RESPONSE_NO_PROXY": "yes"}, None, None),
        ({"ALL_PROXY": "all.example:3", "NO_PROXY": "*"}, None, None),
        ({"ALL_PROXY": "all.example:3", "NO_PROXY": "vllm.internal"}, None, ALL),
        ({"ALL_PROXY": "all.example:3", "UPSTREAM_MODE": "demo"}, None, None),
    ],
)
@pytest.mark.parametrize("spelled", [str.upper, str.lower])
def test_which_proxy_leads_where(
    env: Any, variables: dict[str, str], http: Any, https: Any, spelled: Any
) -> None:
    configured = proxies(env(**{spelled(name): value for name, value in variables.items()}))
    assert configured.select("vllm.internal", 80, secure=False) == http
    assert configured.select("api.example", 443, secure=True) == https


def test_where_both_cases_are_set_the_lower_one_counts(env: Any) -> None:
    settings = env(HTTP_PROXY="upper:1", http_proxy="lower:1", NO_PROXY="*", no_proxy="x.example")
    assert proxies(settings).select("h", 80, secure=False) == Proxy("lower", 1)
    assert proxies(env(http_proxy="")).http is None, "set and empty: no proxy"


def test_proxies_may_stand_in_the_env_file(env: Any) -> None:
    Path(".env").write_text("HTTPS_PROXY=file.example:1\nno_proxy=direct.example\n")
    assert proxies(env()).select("h", 443, secure=True) == Proxy("file.example", 1)
    assert proxies(env()).select("direct.example", 443, secure=True) is None
    assert proxies(env(HTTPS_PROXY="env.example:2")).https == Proxy("env.example", 2)


@pytest.mark.parametrize("name", ["CHAT2RESPONSE_PROXY_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["socks5://me:hunter2@h:1", "http://me:hunter2#@h", "ftp://hunter2"])
def test_what_is_no_proxy_is_named_and_not_shown(env: Any, name: str, value: str) -> None:
    settings = env(**{name: value})
    with pytest.raises(SettingsError, match=f"^{name}: .*CHAT2RESPONSE_NO_PROXY=1") as caught:
        transport_options(settings, "x")
    assert "hunter2" not in str(caught.value) + repr(settings)
    assert proxies(env(CHAT2RESPONSE_NO_PROXY="1")) == Proxies()


def test_a_proxy_that_nobody_needs_is_not_looked_at(env: Any) -> None:
    settings = env(ALL_PROXY="socks5://h:1", HTTP_PROXY="h:1", HTTPS_PROXY="h:1")
    assert proxies(settings) == Proxies(Proxy("h", 1), Proxy("h", 1))


def test_the_proxy_toward_the_upstream(env: Any) -> None:
    assert upstream_proxy(env(HTTPS_PROXY="h:1")) == Proxy("h", 1)
    assert upstream_proxy(env(OPENAI_BASE_URL="http://127.0.0.1:8000/v1")) is None


def test_certificates_are_looked_at_at_start(env: Any) -> None:
    assert transport_options(env(CHAT2RESPONSE_CA_FILE="ca.pem"), "x").ca_file == Path("ca.pem")
    Path("empty.pem").write_text("")
    for wrong in ("nowhere.pem", "empty.pem", "."):
        with pytest.raises(SettingsError, match=r"CHAT2RESPONSE_CA_FILE: .* contains no certificates"):
            env(CHAT2RESPONSE_CA_FILE=wrong)


def test_files_live_beside_the_store_unless_told(env: Any) -> None:
    assert env(CHAT2RESPONSE_SQLITE_PATH="/a/b/keys.db").state_dir == Path("/a/b")
    settings = env(CHAT2RESPONSE_STATE_DIR="/c")
    assert settings.state_dir == Path("/c")
    assert settings.store_url == "sqlite:/a/b/keys.db"


def test_each_floor_gets_its_options(env: Any) -> None:
    settings = env(
        CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS="5",
        CHAT2RESPONSE_CONNECT_TIMEOUT_SECONDS="2",
        CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS="60",
        CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION="false",
        CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION="true",
    )
    transport = transport_options(settings, "agent/1")
    assert (transport.connect_timeout, transport.read_timeout, transport.user_agent) == (2.0, 5.0, "agent/1")
    assert key_policy(settings) == KeyPolicy(
        default_ttl=60, require_expiration=False, allow_no_expiration=True
    )


@pytest.mark.parametrize(
    ("text", "form"), [("auto", None), ("summary", "summary"), ("content", "content"), ("hide", "hide")]
)
def test_the_form_of_reasoning(env: Any, text: str, form: str | None) -> None:
    assert engine_options(env(CHAT2RESPONSE_REASONING=text)).reasoning == form


def test_the_policy_for_what_chat_cannot_say(env: Any) -> None:
    assert conversion_policy(env()) == Policy("drop", "refuse")
    assert conversion_policy(
        env(CHAT2RESPONSE_HOSTED_TOOLS="refuse", CHAT2RESPONSE_ORPHANS="repair")
    ) == Policy("refuse", "repair")


def test_the_example_file_names_settings_and_their_defaults(env: Any) -> None:
    example = Path(__file__).parent.parent / ".env.example"
    lines = [line for line in example.read_text().splitlines() if line.startswith("#") and "=" in line]
    Path(".env").write_text("\n".join(line.removeprefix("#") for line in lines))
    written, bare = env(), Settings(_env_file=None)  # type: ignore[call-arg]
    assert len(lines) >= 5
    assert written.base_url == bare.base_url
    assert {**dict(written), "openai_base_url": None, "chat2response_state_dir": None} == dict(bare)
    assert written.state_dir == bare.state_dir


@pytest.mark.parametrize(
    "address",
    ["http://", "http://h:999999/v1", "http://h:x/v1", "http://h/v1?x=y", "http://h/v1#f", "ftp://h", "foo"],
)
def test_a_base_url_that_no_call_could_use_is_refused_at_start(env: Any, address: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        env(OPENAI_BASE_URL=address)


def test_a_key_that_no_header_can_carry_is_refused_at_start(env: Any) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY") as caught:
        env(OPENAI_API_KEY="sk-test\nX-Evil: 1")
    assert "Evil" not in str(caught.value)


def test_an_env_file_that_is_no_text_is_named() -> None:
    Path("odd").write_bytes(b"\xff\xfe\n")
    with pytest.raises(SettingsError, match="odd is not a text file"):
        load(Path("odd"))


def test_an_env_file_that_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("closed").write_text("UPSTREAM_MODE=chat\n")
    monkeypatch.setattr("dotenv.dotenv_values", Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(SettingsError, match=r"closed cannot be read \(Permission denied\). Make it readable"):
        load(Path("closed"))


def test_a_price_list_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    assert prices(load()).of("m") is None
    file = tmp_path / "prices.json"
    file.write_text('{"m": {"input": 1}}')
    with pytest.raises(
        SettingsError, match=r"CHAT2RESPONSE_PRICES_FILE: .*prices.json: the price of 'm' lacks"
    ):
        prices(load().model_copy(update={"chat2response_prices_file": file}))


def test_a_pepper_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    assert peppers(load()).current is None
    file = tmp_path / "pepper"
    file.write_text(f"v1:{'11' * 32}")
    configured = load().model_copy(update={"chat2response_keys_pepper_file": file})
    file.chmod(0o644)
    with pytest.raises(SettingsError, match=r"CHAT2RESPONSE_KEYS_PEPPER_FILE: .*chmod 600"):
        peppers(configured)
    file.chmod(0o600)
    assert peppers(configured).current == "v1"


def test_the_room_for_bodies_holds_the_largest_of_four_keys_twice(env: Any) -> None:
    """As it is sent and as it is unpacked; less is refused at the start, and the default follows the cap."""
    assert env().max_buffered_bytes == 256 * 1024 * 1024
    assert env(CHAT2RESPONSE_MAX_BODY_BYTES="67108864").max_buffered_bytes == 8 * 64 * 1024 * 1024
    assert env(CHAT2RESPONSE_MAX_BODY_BYTES="1024").max_buffered_bytes == 256 * 1024 * 1024
    with pytest.raises(SettingsError, match="at least eight times CHAT2RESPONSE_MAX_BODY_BYTES"):
        env(CHAT2RESPONSE_MAX_BODY_BYTES="1048576", CHAT2RESPONSE_MAX_BUFFERED_BYTES="4194304")
