"""The original's variables, as its manual lists them with their defaults: all mean here what they said."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat2response.api.http.cors import CorsOptions
from chat2response.compose import load
from chat2response.compose.api import cors
from chat2response.compose.keys import key_policy
from chat2response.compose.upstreams import proxies, routes, transport_options
from chat2response.convert.dialects.surfaces import RESPONSES_SURFACE
from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.net.proxies import Proxy
from chat2response.settings import AuthMode, Settings, SettingsError, UpstreamMode

Load = Callable[..., Settings]
PROXY_URL = "http://proxy.example:3128"
PROXY = Proxy("proxy.example", 3128)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """`env(NAME="value")`: the settings of an environment that says nothing else."""
    for name in tuple(os.environ):
        if name.upper().startswith(("OPENAI_", "CHAT2RESPONSE_", "UPSTREAM_", "BIND_", "CORS_", "RUST_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def set_and_load(**variables: str) -> Settings:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return load()

    return set_and_load


def _http(settings: Settings) -> Any:
    return proxies(settings).select("h.example", 80, secure=False)


def _https(settings: Settings) -> Any:
    return proxies(settings).select("h.example", 443, secure=True)


def _policy(settings: Settings) -> KeyPolicy:
    return key_policy(settings)


def _text_input(settings: Settings) -> bool:
    return routes(settings).target(RESPONSES_SURFACE).backend.text_input


# variable, a value, what is read of the settings, what it says by default, what it says then
MANUAL: list[tuple[str, str, Callable[[Settings], Any], Any, Any]] = [
    ("OPENAI_BASE_URL", "http://h:1/v1", lambda s: s.base_url, "https://api.openai.com/v1", "http://h:1/v1"),
    ("OPENAI_API_KEY", "sk-x", lambda s: s.auth_mode, AuthMode.PASSTHROUGH, AuthMode.MANAGED),
    ("BIND_ADDR", "127.0.0.1:9", lambda s: s.listen, ("0.0.0.0", 8088), ("127.0.0.1", 9)),
    *(
        (name, word, lambda s: s.upstream_mode, UpstreamMode.RESPONSES, UpstreamMode.CHAT)
        for name in ("UPSTREAM_MODE", "CHAT2RESPONSE_UPSTREAM")
        for word in ("chat", "chat-completions", "chat_completions")
    ),
    ("CHAT2RESPONSE_UPSTREAM_INPUT", "1", _text_input, False, True),
    ("CHAT2RESPONSE_PROXY_URL", PROXY_URL, _http, None, PROXY),
    ("CHAT2RESPONSE_PROXY_URL", PROXY_URL, _https, None, PROXY),
    ("HTTP_PROXY", PROXY_URL, _http, None, PROXY),
    ("http_proxy", PROXY_URL, _http, None, PROXY),
    ("HTTPS_PROXY", PROXY_URL, _https, None, PROXY),
    ("https_proxy", PROXY_URL, _https, None, PROXY),
    ("CHAT2RESPONSE_NO_PROXY", "yes", lambda s: s.chat2response_no_proxy, False, True),
    ("CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS", "5", lambda s: transport_options(s, "x").read_timeout, 60, 5),
    ("CORS_ALLOWED_ORIGINS", "https://a.example", lambda s: cors(s).origins, ("*",), ("https://a.example",)),
    ("CORS_ALLOWED_METHODS", "post,get", lambda s: cors(s).methods, ("*",), ("POST", "GET")),
    ("CORS_ALLOWED_HEADERS", "x-a", lambda s: cors(s).headers, ("*",), ("x-a",)),
    ("CORS_ALLOW_CREDENTIALS", "0", lambda s: cors(s).credentials, False, False),
    ("CORS_MAX_AGE", "60", lambda s: cors(s).max_age, 3600, 60),
    ("CHAT2RESPONSE_REDIS_URL", "redis://h", lambda s: s.store_url, "sqlite:data/keys.db", "redis://h"),
    ("CHAT2RESPONSE_REDIS_POOL_MAX", "4", lambda s: s.chat2response_redis_pool_max, 16, 4),
    ("CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION", "off", lambda s: _policy(s).require_expiration, True, False),
    ("CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION", "on", lambda s: _policy(s).forbids_never is None, False, True),
    ("CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS", "60", lambda s: _policy(s).default_ttl, 86400, 60),
    ("RUST_LOG", "debug,tower_http=info", lambda s: s.log_level, "info", "debug"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "read", "default", "then"), MANUAL, ids=[row[0] for row in MANUAL])
def test_the_manual_holds(
    env: Load, name: str, value: str, read: Callable[[Settings], Any], default: Any, then: Any
) -> None:
    assert read(env()) == default
    assert read(env(**{name: value})) == then


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "TRUE", "On"])
def test_these_words_are_true(env: Load, word: str) -> None:
    assert key_policy(env(CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=word)).allow_no_expiration is True


@pytest.mark.parametrize("name", ["ENV_FILE", "ENVFILE", "DOTENV_PATH"])
def test_a_file_of_settings_may_be_named(env: Load, tmp_path: Path, name: str) -> None:
    (tmp_path / "named").write_text("BIND_ADDR=127.0.0.1:9\n")
    assert env(**{name: "named"}).listen == ("127.0.0.1", 9)


def test_two_of_its_defaults_are_refused_together(env: Load) -> None:
    """There the server panicked."""
    with pytest.raises(SettingsError, match="CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS"):
        env(CORS_ALLOW_CREDENTIALS="1")


def test_one_is_gone_and_says_what_to_write(env: Load) -> None:
    with pytest.raises(SettingsError, match="CHAT2RESPONSE_SQLITE_PATH"):
        env(CHAT2RESPONSE_SLED_PATH="./data/keys.db")


def test_without_any_of_them_it_starts_as_it_did(env: Load) -> None:
    settings = env()
    assert cors(settings) == CorsOptions()
    assert key_policy(settings) == KeyPolicy(default_ttl=86400)
    assert settings.chat2response_sqlite_path == Path("data/keys.db")
