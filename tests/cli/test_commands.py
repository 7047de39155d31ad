"""The command line: which command runs, with which options, and what errors say."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chat2response.cli import demo as demo_command
from chat2response.cli import start as start_command
from chat2response.cli.commands import cli
from chat2response.server.start_options import StartOptions
from chat2response.settings import listen_address
from tests.house.test_imports import SERVER_PARTS, loaded_by
from tests.support.cli.process import environment
from tests.support.house.source import ROOT

LOCAL = ("--bind", "127.0.0.1:0")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes the machine's settings and .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment())


@pytest.fixture
def run_as(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, StartOptions]]:
    """The commands that would have run."""
    seen: list[tuple[str, StartOptions]] = []
    monkeypatch.setattr(start_command, "start", lambda options: seen.append(("start", options)))
    monkeypatch.setattr(demo_command, "demo", lambda options: seen.append(("demo", options)))
    return seen


def invoke(*args: str, **settings: str) -> Result:
    return CliRunner().invoke(cli, args, env=settings)


@pytest.mark.parametrize(
    ("args", "name", "options"),
    [
        ([], "start", StartOptions()),
        (["start"], "start", StartOptions()),
        (["demo"], "demo", StartOptions()),
        (["--bind", "h:1"], "start", StartOptions(bind="h:1")),
        (["--bind=h:1", "demo"], "demo", StartOptions(bind="h:1")),
        (["--bind", "demo:1", "demo"], "demo", StartOptions(bind="demo:1")),
        (["--keys-backend", "start", "demo"], "demo", StartOptions(keys_backend="start")),
        (["demo", "--bind", "h:1"], "demo", StartOptions(bind="h:1")),
        (["serve"], "start", StartOptions()),
        (["--bind", "h:1", "run"], "start", StartOptions(bind="h:1")),
        (["--port", "99"], "start", StartOptions(port=99)),
        (["serve", "--host=::1", "--port", "99"], "start", StartOptions(host="::1", port=99)),
        (
            ["--keys-backend", "memory", "start", "--bind=h:1"],
            "start",
            StartOptions(bind="h:1", keys_backend="memory"),
        ),
    ],
)
def test_options_stand_in_any_order(run_as: Any, args: Any, name: Any, options: Any):
    assert invoke(*args).exit_code == 0
    assert run_as == [(name, options)]


def test_a_file_of_settings_is_named(run_as: Any, tmp_path: Path):
    file = tmp_path / "other.env"
    file.touch()
    assert invoke("--env-file", str(file)).exit_code == 0
    assert run_as == [("start", StartOptions(env_file=file))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stop", "'stop' is neither a command nor a file."),
        ("strat", "Did you mean start?"),
        ("help", "'help' is an option. Use --help."),
        ("version", "'version' is an option. Use --version."),
        ("frob", "Commands: audit, check-config, demo, keys, settings, start; the default is start."),
        ("doctor", "The command 'doctor' is not available yet."),
        ("mcp.json", "There is no MCP configuration file 'mcp.json'."),
        ("etc/mcp", "There is no MCP configuration file 'etc/mcp'."),
    ],
)
def test_a_word_that_is_no_command(run_as: Any, name: str, expected: str):
    for args in ([name], ["--bind", "h:1", name], [name, "--bind=h:1"]):
        result = invoke(*args)
        assert result.exit_code == 2
        assert expected in " ".join(result.stderr.split())
    assert run_as == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b'{"mcpServers": {"a": {"command": "x"}, "b": {"url": "http://h/"}}}',
            "(2 servers: a, b), but this release does not support MCP tools",
        ),
        (
            b'{"mcpServers": {}}',
            "(no servers), but this release does not support MCP tools. Start without it",
        ),
        (b'{"mcpServers": {"a": {"args": []}}}', 'the server "a" needs a "command" or a "url"'),
        (b'{"servers": {}}', 'has no "mcpServers" object'),
        (b"[]", 'has no "mcpServers" object'),
        (b"{", "is not valid JSON"),
    ],
)
def test_an_mcp_configuration_is_understood_and_not_used_yet(run_as: Any, content: bytes, expected: str):
    Path("mcp.json").write_bytes(content)
    result = invoke("--keys-backend=memory", "mcp.json")
    assert result.exit_code == 2
    assert expected in " ".join(result.stderr.split())
    assert run_as == []


def test_the_example_is_a_good_configuration(run_as: Any):
    example = Path(__file__).parents[2] / "mcp.example.json"
    assert "(1 server: files), but this release" in " ".join(invoke(str(example)).stderr.split())


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--prot", "99"], "No such option: --prot. Did you mean --port?"),
        (["--prot=99", "demo"], "No such option: --prot. Did you mean --port?"),
        (["start", "--prot", "99"], "No such option: --prot. Did you mean --port?"),
        (["--jsn", "keys", "list"], "No such option: --jsn. Did you mean --json?"),
        (["keys", "--jsn", "list"], "No such option: --jsn. Did you mean --json?"),
        (["--nope"], "No such option: --nope.\n"),
        (["demo", "--nope"], "No such option: --nope.\n"),
        (["start", "-p", "99"], "No such option: -p.\n"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--port", "abc"], "Invalid value for '--port': 'abc' is not a valid whole number."),
        (["--workers", "two"], "Invalid value for '--workers': 'two' is not a valid whole number."),
        (["keys", "nothing"], "No such command: 'nothing'. Commands: bulk, digest, generate,"),
        (["keys", "genrate"], "No such command: 'genrate'. Did you mean 'generate'?"),
        (["keys", "creat"], "Did you mean 'create'?"),
    ],
)
def test_an_unknown_option_or_command_is_named_with_what_is_near(run_as: Any, args: list[str], expected: str):
    result = invoke(*args)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert run_as == []


@pytest.mark.parametrize(
    "token", [f"sk_{'0123456789abcdef' * 2}.{'fedcba98' * 8}", "sk_0123.fedcba98", "sk_.fedcba98"]
)
@pytest.mark.parametrize(
    "args",
    [[], ["keys"], ["keys", "list"], ["demo"], ["--env-file"], ["keys", "list", "--limit"]],
)
def test_a_token_in_the_wrong_place_is_not_repeated(run_as: Any, args: list[str], token: str):
    result = invoke(*args, token)
    assert result.exit_code == 2
    assert "fedcba98" not in result.output


@pytest.mark.parametrize(
    ("args", "settings", "address"),
    [
        (["--port", "99"], {}, ("0.0.0.0", 99)),
        (["--host", "127.0.0.1"], {}, ("127.0.0.1", 8088)),
        (["--host", "::1", "--port", "0"], {}, ("::1", 0)),
        (["--host", "[::1]"], {"BIND_ADDR": "h:7"}, ("::1", 7)),
        (["--port", "99"], {"BIND_ADDR": "[::1]:7"}, ("::1", 99)),
    ],
)
def test_host_and_port_stand_beside_bind(args: list[str], settings: Any, address: tuple[str, int]):
    result = invoke("check-config", *args, **settings)
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("BIND_ADDR="))
    assert listen_address(line.partition("=")[2]) == address


@pytest.mark.parametrize("args", [["--nope"], ["demo", "again"], ["--env-file", "missing.env"], ["--bind"]])
def test_other_mistakes_are_said(run_as: Any, args: list[str]):
    result = invoke(*args)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert run_as == []


def test_help_names_commands_and_options():
    for args in (["--help"], ["-h"], ["--bind", "h:1", "--help"]):
        result = invoke(*args)
        assert result.exit_code == 0
        for name in (
            "start",
            "demo",
            "--bind HOST:PORT",
            "--host HOST",
            "--port PORT",
            "serve, run",
            "--keys-backend memory|sqlite:PATH|redis://...",
            "--env-file",
            "--version",
        ):
            assert name in result.stdout
    for name in ("--help", "-h"):
        assert "Serve the built-in demo model" in invoke("demo", name).stdout
        assert "Issue a key" in invoke("keys", "generate", name).stdout


def test_version():
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("chat2response ")
    assert result.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("args", "settings", "expected"),
    [
        ([], {"CHAT2RESPONSE_SQLITE_PAHT": "x"}, "Did you mean CHAT2RESPONSE_SQLITE_PATH?"),
        ([], {"UPSTREAM_MODE": "grpc"}, "UPSTREAM_MODE: "),
        ([], {"CHAT2RESPONSE_AUTH_MODE": "closed"}, "CHAT2RESPONSE_AUTH_MODE: "),
        ([], {"CHAT2RESPONSE_LOG_LEVEL": "loud"}, "CHAT2RESPONSE_LOG_LEVEL: "),
        ([], {"CORS_ALLOW_CREDENTIALS": "1"}, "CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS to name"),
        (
            [],
            {"CORS_ALLOW_CREDENTIALS": "true", "CORS_ALLOWED_ORIGINS": "https://a.example, *"},
            "CORS_ALLOW_CREDENTIALS=1 needs CORS_ALLOWED_ORIGINS to name",
        ),
        ([], {"CORS_ALLOWED_ORIGINS": "app.example"}, "CORS_ALLOWED_ORIGINS: 'app.example' is not an origin"),
        ([], {"CORS_ALLOWED_ORIGINS": "https://a.example/x"}, "is not an origin"),
        ([], {"CORS_ALLOWED_HEADERS": "x y"}, "'x y' is not a name"),
        ([], {"BIND_ADDR": "nowhere"}, "BIND_ADDR must be host:port"),
        (["--bind", "nowhere"], {}, "--bind must be host:port"),
        (["--bind", "http://127.0.0.1:8088"], {}, "--bind must be host:port, for example 127.0.0.1:8088"),
        (["--bind", "h:1", "--port", "2"], {}, "--bind sets host and port. Use either --bind, or"),
        (
            ["--host", "h:1"],
            {},
            "--host takes a host without a port, such as 127.0.0.1, not 'h:1'. Set the port",
        ),
        (["--host", ""], {}, "--host takes a host without a port"),
        ([*LOCAL, "--keys-backend", "mysql://h"], {}, "--keys-backend: there is no store 'mysql'"),
        (
            [*LOCAL, "--keys-backend", "sled:./data"],
            {},
            "--keys-backend: sled is not supported. Write `sqlite:",
        ),
        (
            [*LOCAL, "--keys-backend=redis://:hunter2/@h"],
            {},
            "--keys-backend: a Redis address has the form redis://[",
        ),
        (
            LOCAL,
            {"CHAT2RESPONSE_REDIS_URL": "redis://:hunter2#@h"},
            "CHAT2RESPONSE_REDIS_URL: a Redis address",
        ),
        (LOCAL, {"CHAT2RESPONSE_REDIS_URL": "h:6379"}, "CHAT2RESPONSE_REDIS_URL: a Redis address"),
        (LOCAL, {"CHAT2RESPONSE_REDIS_URL": "memory"}, "CHAT2RESPONSE_REDIS_URL: a Redis address"),
        (LOCAL, {"CHAT2RESPONSE_REDIS_POOL_MAX": "0"}, "CHAT2RESPONSE_REDIS_POOL_MAX: "),
        (
            LOCAL,
            {"CHAT2RESPONSE_SLED_PATH": "./data"},
            "Set CHAT2RESPONSE_SQLITE_PATH=<a new file>",
        ),
    ],
)
@pytest.mark.parametrize("name", ["start", "demo"])
def test_wrong_settings_are_one_line_and_code_2(name: str, args: Any, settings: Any, expected: str):
    result = invoke(name, *args, **settings)
    assert result.exit_code == 2
    assert result.stderr.startswith("chat2response: ")
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("name", ["start", "demo"])
def test_a_port_in_use_is_one_line_and_code_3(name: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = invoke(name, "--bind", address)
    assert result.exit_code == 3
    by_make = ' (make run ARGS="--bind 127.0.0.1:8089")' * (name == "demo")
    assert result.stderr == (
        f"chat2response: Cannot listen on {address}: another program uses this address. "
        f"Stop it, or choose another address with --bind or BIND_ADDR{by_make}.\n"
    )


def test_an_address_of_another_machine_is_code_3():
    result = invoke("--bind", "192.0.2.1:8088")
    assert result.exit_code == 3
    assert "this machine has no such address" in result.stderr


def test_a_store_that_cannot_be_opened_is_one_line_and_code_3(tmp_path: Path):
    (tmp_path / "file").touch()
    result = invoke("--bind", "127.0.0.1:0", CHAT2RESPONSE_SQLITE_PATH="file/keys.db")
    assert result.exit_code == 3
    assert f"cannot open the SQLite file {tmp_path}/file/keys.db" in result.stderr
    assert "Choose another path with CHAT2RESPONSE_SQLITE_PATH or --keys-backend" in result.stderr
    assert "Errno" not in result.stderr and "Error:" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_store_may_be_the_wrong_path(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no database " * 100)
    result = invoke("--bind", "127.0.0.1:0", CHAT2RESPONSE_SQLITE_PATH="notes.txt")
    assert result.exit_code == 3
    assert f"cannot open the SQLite file {tmp_path}/notes.txt" in result.stderr
    assert "Otherwise choose another path with CHAT2RESPONSE_SQLITE_PATH" in result.stderr


def test_an_admin_token_that_cannot_be_kept_is_code_3(tmp_path: Path):
    (tmp_path / "file").touch()
    result = invoke("--bind", "0.0.0.0:0", "--keys-backend=memory", CHAT2RESPONSE_STATE_DIR="file/state")
    assert result.exit_code == 3
    assert f"Cannot read or create the file {tmp_path}/file/state/admin.token" in result.stderr


def test_seal_keys_that_cannot_be_kept_are_code_3(tmp_path: Path):
    (tmp_path / "file").touch()
    settings = {"UPSTREAM_MODE": "chat", "CHAT2RESPONSE_STATE_DIR": "file/state"}
    result = invoke("--bind", "127.0.0.1:0", "--keys-backend=memory", **settings)
    assert result.exit_code == 3
    assert f"{tmp_path}/file/state/seal.keys cannot be used" in result.stderr
    assert "CHAT2RESPONSE_SEAL_KEY" in result.stderr


@pytest.mark.parametrize(
    "args", [[], ["start"], ["check-config"], ["keys"], ["keys", "purge"], ["audit", "export"]]
)
def test_every_help_ends_with_the_exit_codes(args: list[str]):
    shown = invoke(*args, "--help").stdout
    assert [line.split()[0] for line in shown.partition("Exit codes:")[2].splitlines() if line] == list(
        "0123"
    )
    manual = (ROOT / "docs/operations.md").read_text().partition("## Exit codes")[2]
    assert [line.split("|")[1].strip() for line in manual.splitlines() if line.startswith("| ")][2:] == [
        "`0`", "`1`", "`2`", "`3`",
    ]  # fmt: skip


def test_help_loads_no_server_part():
    loaded = loaded_by("import chat2response.cli.commands")
    assert "click" in loaded
    assert loaded & SERVER_PARTS == {"click"}


def test_the_module_runs_as_a_command(tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-m", "chat2response", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
        env=environment(),
    )
    assert run.stdout == invoke("--version").stdout
