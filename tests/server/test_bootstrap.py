"""The command line overrides settings; listeners open and close; the banner and the log hide secrets."""

import http.client
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from chat2response.cli.start import banner
from chat2response.compose.shown_settings import secrets
from chat2response.server import logs
from chat2response.server.bootstrap import prepare, read_settings
from chat2response.server.logs import LineFormatter, SecretMask
from chat2response.server.start_options import CannotStart, StartOptions
from chat2response.settings import Settings, UpstreamMode
from tests.support.cli.process import environment


@pytest.fixture(autouse=True)
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Sets settings in the environment, which starts without any."""
    monkeypatch.chdir(tmp_path)

    def settings(**values: str) -> None:
        monkeypatch.setattr("os.environ", environment(**values))

    settings()
    return settings


def shown(options: StartOptions, settings: Settings | None = None) -> str:
    with prepare(settings or read_settings(options), options) as prepared:
        return "\n".join(banner(prepared))


def test_the_command_line_wins_over_the_environment_and_both_over_the_commands_own(settings_of: Any):
    assert read_settings(StartOptions(), bind="own:1").bind_addr == "own:1"
    settings_of(BIND_ADDR="env:1")
    assert read_settings(StartOptions(), bind="own:1").bind_addr == "env:1"
    assert read_settings(StartOptions(bind="cli:1"), bind="own:1").bind_addr == "cli:1"
    assert read_settings(StartOptions()).bind_addr == "env:1"


def test_a_file_of_settings_counts(tmp_path: Path):
    file = tmp_path / "my.env"
    file.write_text("UPSTREAM_MODE=chat\n")
    assert read_settings(StartOptions(env_file=file)).upstream_mode is UpstreamMode.CHAT


def test_what_a_command_decides_is_decided(settings_of: Any):
    settings_of(UPSTREAM_MODE="chat")
    settings = read_settings(StartOptions(), upstream_mode=UpstreamMode.DEMO)
    assert settings.upstream_mode is UpstreamMode.DEMO


def test_port_0_becomes_a_real_one_and_is_given_back():
    options = StartOptions("127.0.0.1:0", "memory")
    with prepare(read_settings(options), options) as prepared:
        assert prepared.port > 0
        assert prepared.url == prepared.own_url == f"http://127.0.0.1:{prepared.port}"
        port = prepared.port
        taken = StartOptions(f"127.0.0.1:{port}", "memory")
        with pytest.raises(CannotStart), prepare(read_settings(taken), taken):
            pass
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    ("host", "bound", "own"),
    [("0.0.0.0", "0.0.0.0", "127.0.0.1"), ("[::]", "[::]", "[::1]"), ("[::1]", "[::1]", "[::1]")],
)
def test_every_address_has_one_for_this_machine(host: str, bound: str, own: str):
    options = StartOptions(f"{host}:0", "memory")
    with prepare(read_settings(options), options) as prepared:
        assert prepared.url == f"http://{bound}:{prepared.port}"
        assert prepared.own_url == f"http://{own}:{prepared.port}"
        client = http.client.HTTPConnection(prepared.admin_host, prepared.port, timeout=60)
        client.connect()
        client.close()


def test_the_demos_own_address_is_changed_in_parts():
    for options, address in (
        (StartOptions(), "127.0.0.1:8088"),
        (StartOptions(port=9), "127.0.0.1:9"),
        (StartOptions(host="::1"), "[::1]:8088"),
        (StartOptions(host="h", port=0), "h:0"),
    ):
        assert read_settings(options, bind="127.0.0.1:8088").bind_addr == address


def test_the_banner_says_that_the_upstream_is_openais_and_whose_keys_open():
    text = shown(StartOptions("127.0.0.1:0", "memory"))
    assert "responses at https://api.openai.com/v1 (the OpenAI API; " in text
    assert "OPENAI_API_KEY is not set" in text
    assert "from this machine only" in text


def test_the_banner_names_another_upstream_without_its_secrets(settings_of: Any):
    key = "sk-test-0123456789"
    settings_of(OPENAI_BASE_URL="http://me:pw@127.0.0.1:1/v1", OPENAI_API_KEY=key, UPSTREAM_MODE="both")
    text = shown(StartOptions("127.0.0.1:0", "memory"))
    assert "responses and chat at http://127.0.0.1:1/v1, profile generic\n" in text
    assert "stored in memory" in text
    assert not any(secret in text for secret in ("pw", key))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"CHAT2RESPONSE_AUTH_MODE": "managed"}, "issued at POST /keys/generate"),
        ({"CHAT2RESPONSE_AUTH_MODE": "managed"}, ", without a key"),
        ({"CHAT2RESPONSE_AUTH_MODE": " Passthrough "}, "(CHAT2RESPONSE_AUTH_MODE=passthrough)"),
        ({"CHAT2RESPONSE_AUTH_MODE": "open"}, "OPEN: no key is required; all callers share one tenant"),
        (
            {"CHAT2RESPONSE_AUTH_MODE": "open"},
            "POST /keys/generate have no effect: the gateway does not check keys",
        ),
        (
            {"CHAT2RESPONSE_AUTH_MODE": "auto"},
            "POST /keys/generate have no effect: the gateway does not check keys",
        ),
        ({"CHAT2RESPONSE_AUTH_MODE": "auto"}, "(OPENAI_API_KEY is not set)"),
        ({"CHAT2RESPONSE_AUTH_MODE": "auto", "OPENAI_API_KEY": "k"}, "issued at POST /keys/generate"),
        ({"CHAT2RESPONSE_AUTH_MODE": "auto", "OPENAI_API_KEY": " "}, "(OPENAI_API_KEY is not set)"),
        ({"CHAT2RESPONSE_AUTH_MODE": " "}, "(OPENAI_API_KEY is not set)"),
        ({"CHAT2RESPONSE_UPSTREAM_MODEL": " qwen "}, ", always with the model qwen (the OpenAI"),
        ({"UPSTREAM_MODE": "chat", "CHAT2RESPONSE_UPSTREAM_PROFILE": "vllm"}, ", profile vllm (the OpenAI"),
        ({"UPSTREAM_MODE": "chat"}, "/data/seal.keys\n"),
        (
            {"UPSTREAM_MODE": "both", "CHAT2RESPONSE_SEAL_KEY": "0123456789abcdef" * 2},
            "sealing   with the first key in CHAT2RESPONSE_SEAL_KEY",
        ),
        (
            {"UPSTREAM_MODE": "chat", "CHAT2RESPONSE_QUIRKS": '{"think_open": true}'},
            ", profile openai, changed by CHAT2RESPONSE_QUIRKS (the OpenAI",
        ),
    ],
)
def test_the_banner_says_what_the_settings_mean(settings_of: Any, values: dict[str, str], expected: str):
    settings_of(**values)
    assert expected in shown(StartOptions("127.0.0.1:0", "memory"))


def test_the_banner_warns_of_no_keys_where_they_are_asked_for(settings_of: Any):
    settings_of(CHAT2RESPONSE_AUTH_MODE="managed")
    assert "have no effect" not in shown(StartOptions("127.0.0.1:0", "memory"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"CHAT2RESPONSE_ADMIN_ALLOW": "loopback, 172.17.0.0/16"},
            "from loopback, 172.17.0.0/16 (CHAT",
        ),
        ({"CHAT2RESPONSE_ADMIN_BIND_ADDR": "127.0.0.1:0"}, "admin     on http://127.0.0.1:"),
    ],
)
def test_the_banner_says_where_the_admin_plane_is(settings_of: Any, values: dict[str, str], expected: str):
    settings_of(**values)
    assert expected in shown(StartOptions("127.0.0.1:0", "memory"))


def test_the_admin_planes_own_address_may_be_taken(settings_of: Any):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings_of(CHAT2RESPONSE_ADMIN_BIND_ADDR=f"127.0.0.1:{taken.getsockname()[1]}")
        options = StartOptions("127.0.0.1:0", "memory")
        with (
            pytest.raises(CannotStart, match=r"another address with CHAT2RESPONSE_ADMIN_BIND_ADDR\."),
            prepare(read_settings(options), options),
        ):
            pass


def test_several_gateways_are_told_that_they_need_one_seal_key(settings_of: Any):
    warning = "SEVERAL GATEWAYS on one Redis must share one CHAT2RESPONSE_SEAL_KEY"
    address = "redis://127.0.0.1:1"
    settings_of(UPSTREAM_MODE="chat")
    assert warning in shown(StartOptions("127.0.0.1:0", address))
    assert warning not in shown(StartOptions("127.0.0.1:0", "memory"))
    settings_of(UPSTREAM_MODE="chat", CHAT2RESPONSE_SEAL_KEY="0123456789abcdef" * 2)
    assert warning not in shown(StartOptions("127.0.0.1:0", address))


def test_where_nothing_is_sealed_no_key_is_made(settings_of: Any):
    settings_of(UPSTREAM_MODE="responses")
    assert "sealing" not in shown(StartOptions("127.0.0.1:0", "memory"))
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"CHAT2RESPONSE_AUTH_MODE": "open"}, True),
        ({"CHAT2RESPONSE_AUTH_MODE": "open", "CORS_ALLOWED_ORIGINS": "https://a.example,*"}, True),
        ({"CHAT2RESPONSE_AUTH_MODE": "open", "CORS_ALLOWED_ORIGINS": "https://a.example"}, False),
        ({"CHAT2RESPONSE_AUTH_MODE": "managed"}, False),
        ({}, False),
    ],
)
def test_the_banner_warns_of_pages_that_spend_the_operators_money(
    settings_of: Any, values: dict[str, str], warned: bool
):
    settings_of(**values)
    text = shown(StartOptions("127.0.0.1:0", "memory"))
    assert ("any web page can call this gateway at your expense" in text) is warned


def test_an_admin_token_is_shown_once(tmp_path: Path):
    options = StartOptions("0.0.0.0:0")
    first, second = shown(options), shown(options)
    token = (tmp_path / "data" / "admin.token").read_text().strip()
    assert f"shown only once: {token}" in first
    assert token not in second
    assert "data/admin.token" in second


def test_the_operators_admin_token_is_not_shown(settings_of: Any):
    settings_of(CHAT2RESPONSE_ADMIN_TOKEN="operators-own-secret")
    text = shown(StartOptions("0.0.0.0:0", "memory"))
    assert "CHAT2RESPONSE_ADMIN_TOKEN" in text
    assert "operators-own-secret" not in text


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("debug", logging.DEBUG, logging.WARNING),
        ("info", logging.INFO, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
def test_the_log_has_a_least_level(
    monkeypatch: pytest.MonkeyPatch, level: str, ours: int, others: int
) -> None:
    root = logging.RootLogger(logging.WARNING)
    manager = logging.Manager(root)
    monkeypatch.setattr(logging, "root", root)
    monkeypatch.setattr(logging.Logger, "manager", manager)
    logs.set_up(Settings.model_validate({"chat2response_log_level": level}))
    assert logging.getLogger("chat2response.api").getEffectiveLevel() == ours
    assert logging.getLogger("uvicorn.error").getEffectiveLevel() == others


def test_no_secret_of_the_settings_is_logged_whatever_its_form(settings_of: Any):
    settings_of(
        OPENAI_API_KEY=" operators-own ",
        CHAT2RESPONSE_ADMIN_TOKEN="hunter2-admin-12",
        CHAT2RESPONSE_PROXY_URL="http://me:p%40ss-word@h:1",
        CHAT2RESPONSE_REDIS_URL="redis://:redis-word@h",
        HTTP_PROXY="http://me:pw@h:1",
        HTTPS_PROXY="https://a-token-alone@h:1",
        ALL_PROXY="http://proxy.example:3128",
        OPENAI_BASE_URL="http://me:in-the-url@upstream.example/v1",
    )
    mask = SecretMask(secrets(read_settings(StartOptions())))
    text = (
        "operators-own hunter2-admin-12 p%40ss-word p@ss-word bWU6cEBzcy13b3Jk redis-word "
        "a-token-alone in-the-url h pw "
        "http://proxy.example:3128 redis://h upstream.example"
    )
    masked = " ".join(["[secret]"] * 8)
    assert mask(text) == f"{masked} h pw http://proxy.example:3128 redis://h upstream.example"


def test_no_key_is_logged_not_even_in_a_traceback():
    key = "sk_" + "0123456789abcdef" * 2 + "." + "0123456789abcdef" * 4
    try:
        raise ValueError(f"bad {key}")
    except ValueError as error:
        caught = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "seen %s", ("Bearer " + key,), caught)
    line = SecretMask()(LineFormatter().format(record))
    assert "seen Bearer [key]" in line
    assert "ValueError: bad [key]" in line
    assert key not in line
