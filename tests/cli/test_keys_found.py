"""How `chat2response keys` finds keys and the store, and when it asks for confirmation."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chat2response.cli.commands import cli
from chat2response.cli.keys import find_key
from chat2response.keys.limits import NAMES
from tests.support.cli.process import command, environment

NOWHERE = "127.0.0.1:1"
UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes the machine's settings, .env file and gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment(BIND_ADDR=NOWHERE, OPENAI_API_KEY="sk-test"))


@pytest.fixture
def interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes stdin look like a terminal."""
    monkeypatch.setattr(find_key, "is_interactive", lambda: True)


def keys(*args: str, stdin: str | None = None, **settings: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *args], env=settings, input=stdin)


def run_json(*args: str, **settings: str) -> Any:
    result = keys(*args, "--json", **settings)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def token_of(*args: str, **settings: str) -> str:
    """The token of a new key, from `--quiet`."""
    result = keys("generate", "--quiet", *args, **settings)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


def states() -> list[str]:
    return [key["state"] for key in run_json("list", "--limit", "100")["data"]]


def test_quiet_prints_the_token_alone_and_a_new_store_is_told() -> None:
    first, second = keys("generate", "-q"), keys("new", "--quiet")
    for result in (first, second):
        (line,) = result.stdout.splitlines()
        assert line.startswith("sk_") and len(line) == 100
    assert (
        first.stderr == f"chat2response: Keys are stored in sqlite:{Path.cwd()}/data/keys.db, a new store.\n"
    )
    assert second.stderr == ""
    renewed = keys("rotate", second.stdout.strip(), "--quiet")
    assert renewed.stdout.strip().startswith(second.stdout[:36])
    third = keys("create", "--keys-backend", "sqlite:data/../data/keys.db")
    assert third.stderr == f"chat2response: Keys are stored in sqlite:{Path.cwd()}/data/keys.db.\n"


def test_the_commands_have_the_names_that_people_type() -> None:
    for name in ("create", "new", "add"):
        run_json(name)
    assert len(run_json("ls")) == 3
    first, second, _ = (key["id"] for key in run_json("list"))
    assert (run_json("delete", first)["revoked"], run_json("rm", second)["revoked"]) == (True, True)


def test_tokens_name_keys_and_are_not_printed() -> None:
    token = token_of("--label", "me")
    secret = token.partition(".")[2]
    for text in (token, f"Bearer {token}", token[:60], token.upper().replace("SK_", "sk_")):
        shown = keys("show", text)
        assert shown.exit_code == 0, shown.stderr
        assert secret[:20] not in shown.output.lower()
    revoked = keys("revoke", token)
    assert (revoked.stdout, revoked.stderr) == (f"{token[3:35]} is revoked\n", "")
    unknown = keys("revoke", f"sk_{UNKNOWN}.{secret}")
    assert (unknown.exit_code, unknown.stderr) == (1, f"chat2response: There is no key {UNKNOWN}.\n")
    for wrong in (f"x{token}", f"sk_xyz.{secret}", f"{token} {token}", secret):
        refused = keys("revoke", wrong)
        assert refused.exit_code == 1
        assert secret[:20] not in refused.output


def test_several_are_revoked_at_once() -> None:
    tokens = [token_of() for _ in range(3)]
    ids = [token[3:35] for token in tokens]
    result = keys("revoke", ids[0], tokens[1], ids[0], UNKNOWN, ids[2])
    assert result.stdout.splitlines() == [
        f"{ids[0]} is revoked",
        f"{ids[1]} is revoked",
        f"{UNKNOWN} does not exist",
        f"{ids[2]} is revoked",
    ]
    assert (result.exit_code, result.stderr) == (1, f"chat2response: There is no key {UNKNOWN}.\n")
    again = run_json("revoke", ids[0], ids[1])
    assert again == [{"revoked": False, "id": id, "reason": "already_revoked"} for id in ids[:2]]


@pytest.mark.usefixtures("interactive")
def test_the_beginning_of_an_id_is_asked_about() -> None:
    id = token_of("--label", "a\nb", "--owner", "me")[3:35]
    refused = keys("revoke", id[:6], stdin="n\n")
    assert (refused.exit_code, states()) == (1, ["active"])
    assert f"{id} (label 'a\\nb', owner 'me'). Revoke it? [y/N]" in refused.stderr
    assert keys("set-expiration", id[:6], "--ttl", "9d", stdin="n\n").exit_code == 1
    assert keys("update", id[:6], "--owner", "you", stdin="y\n").exit_code == 0
    assert keys("show", f"sk_{id[:6]}").stdout.splitlines()[0].split() == ["id", id]
    assert keys("revoke", id[:6].upper(), stdin="y\n").exit_code == 0
    assert states() == ["revoked"]


def test_where_nobody_can_be_asked_yes_is_needed() -> None:
    id = token_of()[3:35]
    for args in (("revoke", id[:6]), ("rotate", id[:6]), ("update", id[:6], "--label", "x")):
        refused = keys(*args, stdin="y\n")
        assert refused.exit_code == 2
        assert (
            f"{id}" in refused.stderr
            and "There is no terminal to ask on. Add --yes to confirm." in refused.stderr
        )
    assert run_json("update", id[:6], "--label", "x", "--yes")["label"] == "x"
    assert run_json("revoke", id[:6], "--yes") == {"revoked": True, "id": id}


def test_a_beginning_that_several_have_or_none() -> None:
    ids = sorted(token_of()[3:35] for _ in range(17))  # two of 17 start with the same digit
    first = next(a[0] for a, b in pairwise(ids) if a[0] == b[0])
    several = keys("revoke", first, "--yes")
    assert several.exit_code == 1
    assert f"keys start with '{first}': " in several.stderr and "Use more digits of the id." in several.stderr
    missing = keys("revoke", "f" * 31, "--yes")
    assert (missing.exit_code, missing.stderr) == (1, f"chat2response: There is no key {'f' * 31}.\n")
    assert set(states()) == {"active"}


@pytest.mark.usefixtures("interactive")
def test_all_of_an_owner_or_a_label_are_revoked_after_a_question() -> None:
    for owner, label in (("a", "ci"), ("a", "social"), ("b", "ci")):
        token_of("--owner", owner, "--label", label)
    refused = keys("revoke", "--owner", "a", stdin="n\n")
    assert (refused.exit_code, states()) == (1, ["active"] * 3)
    assert "(label 'ci', owner 'a')" in refused.stderr and "owner 'b'" not in refused.stderr
    assert "This revokes these 2 keys and cannot be undone. Continue?" in refused.stderr
    assert len(run_json("revoke", "--owner", "a", "--label", "ci", "--yes")) == 1
    assert keys("revoke", "--label", "ci", stdin="y\n").exit_code == 0
    active = [key["label"] for key in run_json("list", "--state", "active")["data"]]
    assert active == ["social"], "the whole label, not a part of it"
    none = keys("revoke", "--label", "ci", "--yes")
    assert (none.exit_code, none.stderr) == (
        1,
        "chat2response: There is no key with the label 'ci' left to revoke.\n",
    )


@pytest.mark.parametrize("args", [(), (UNKNOWN, "--owner", "a"), (UNKNOWN, "--label", "a")])
def test_keys_are_named_in_one_way(args: tuple[str, ...]) -> None:
    token_of()
    result = keys("revoke", *args)
    assert result.exit_code == 2
    assert "Name the keys by id or token, or select them with --owner or --label." in result.stderr


def test_scopes_that_look_mistyped_are_warned_of() -> None:
    created = keys("generate", "--scope", "models:gpt-4", "--scope", "team:a", "--scope", "model:gpt-4")
    assert (
        "WARNING: 'models:gpt-4' is a label and restricts nothing. Did you mean 'model:gpt-4'?"
        in created.stderr
    )
    assert created.stderr.count("WARNING") == 1
    (key,) = run_json("list")
    assert "Did you mean 'net:10.0.0.0/8'?" in keys("update", key["id"], "--scope", "net=10.0.0.0/8").stderr
    row = "label,scopes\nx,endpoints:chat\n"
    assert (
        "WARNING: line 2: 'endpoints:chat' is a label" in keys("bulk", "-", "--output", "o", stdin=row).stderr
    )


def test_help_names_every_limit() -> None:
    for name in ("generate", "update"):
        shown = " ".join(keys(name, "--help").stdout.split())
        assert all(limit in shown for limit in NAMES)


def test_without_a_store_the_folder_is_told_that_was_looked_in(tmp_path: Path) -> None:
    for args in (("list",), ("revoke", UNKNOWN)):
        result = keys(*args)
        assert result.exit_code == 3
        assert (
            f"There is no key store in the folder {tmp_path}/data (CHAT2RESPONSE_SQLITE_PATH" in result.stderr
        )
        assert f"no gateway answers at http://{NOWHERE}" in result.stderr
    assert not Path("data").exists()


def test_never_names_the_setting_that_forbids_it() -> None:
    for settings, why in (
        ({}, "(CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1)"),
        (
            {"CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION": "0", "CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION": "0"},
            "(CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=0)",
        ),
    ):
        result = keys("generate", "--never", **settings)
        assert result.exit_code == 1
        assert f"--never: this shell's settings forbid keys that never expire {why}." in result.stderr
    assert run_json("generate", "--never", CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION="0")["expires_at"] is None


# -- a running gateway ---------------------------------------------------------------------------------


@asynccontextmanager
async def gateway(folder: Path, *args: str, **settings: str) -> AsyncIterator[str]:
    """Starts a gateway in `folder`; the address that it listens on."""
    await asyncio.to_thread(folder.mkdir)
    async with command(folder, "--bind", "127.0.0.1:0", *args, UPSTREAM_MODE="demo", **settings) as run:
        yield (await run.url()).removeprefix("http://")


async def run_in_thread(*args: str, **settings: str) -> Result:
    """Runs a command without blocking the event loop."""
    return await asyncio.to_thread(keys, *args, **settings)


async def test_the_running_gateway_is_asked_where_there_is_no_store(tmp_path: Path) -> None:
    async with gateway(tmp_path / "its", "--keys-backend=memory") as address:

        async def answer(*args: str, code: int = 0) -> Any:
            result = await run_in_thread(*args, "--json", BIND_ADDR=address)
            assert result.exit_code == code, result.stderr
            assert f"Using the gateway at http://{address}, which stores its keys in memory." in result.stderr
            return json.loads(result.stdout) if code == 0 else result.stderr

        created = await answer("generate", "--owner", "me", "--scope", "models:x", "--ttl", "1h")
        id = created["id"]
        assert [key["id"] for key in await answer("list")] == [id]
        assert [key["id"] for key in (await answer("list", "--owner", "me"))["data"]] == [id]
        assert (await answer("list", "--owner", "you"))["data"] == []
        moved = await answer("set-expiration", id[:8], "--expires-at", "2100-01-01", "--yes")
        assert moved["expires_at"] == 4_102_444_800
        assert (await answer("update", id, "--limit", "requests_per_minute=5"))["limits"] == {
            "requests_per_minute": 5
        }
        assert (await answer("rotate", created["token"]))["token"] != created["token"]
        assert await answer("purge", "--older-than", "1h", "--yes") == {"purged": 0}
        assert len(await answer("revoke", "--owner", "me", "--yes")) == 1
        assert (await answer("revoke", id))["reason"] == "already_revoked"
        assert (await answer("show", id))["state"] == "revoked"
        for missing in ("show", "revoke", "rotate"):
            assert f"There is no key {UNKNOWN}." in await answer(missing, UNKNOWN, code=1)
        assert "CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1" in await answer("generate", "--never", code=1)

        warned = await run_in_thread("generate", "--scope", "models:x", BIND_ADDR=address)
        assert "WARNING: 'models:x' is a label" in warned.stderr
        own = await run_in_thread("generate", "--keys-backend", "sqlite:own.db", BIND_ADDR=address)
        assert f"stored in sqlite:{tmp_path}/own.db, a new store" in own.stderr, "an option names the store"
    assert not (tmp_path / "data").exists()


async def test_what_needs_the_store_itself_names_the_gateways(tmp_path: Path) -> None:
    async with gateway(tmp_path / "its") as address:
        result = await run_in_thread("digest", BIND_ADDR=address)
        assert (result.exit_code, result.stderr) == (0, "")
        store = f"sqlite:{tmp_path}/its/data/keys.db"
        result = await run_in_thread("bulk", "-", "--output", "o", BIND_ADDR=address)
        assert result.exit_code == 3
        assert f"Name that store with --keys-backend={store}" in result.stderr
        assert (await run_in_thread("list", "--keys-backend", store, BIND_ADDR=address)).exit_code == 0


async def test_the_admin_token_of_the_settings_is_sent(tmp_path: Path) -> None:
    token = "an-operators-own-token"
    async with gateway(tmp_path / "its", CHAT2RESPONSE_ADMIN_TOKEN=token) as address:
        refused = await run_in_thread("list", BIND_ADDR=address)
        assert refused.exit_code == 1
        assert f"The gateway at http://{address} answered: Missing admin token" in refused.stderr
        passed = await run_in_thread("list", BIND_ADDR=address, CHAT2RESPONSE_ADMIN_TOKEN=token)
        assert passed.exit_code == 0, passed.stderr


async def test_another_program_at_the_address_is_no_gateway_and_gets_no_token(tmp_path: Path) -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        address = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
        result = await run_in_thread(
            "list", BIND_ADDR=address, CHAT2RESPONSE_ADMIN_TOKEN="an-operators-own-token"
        )
    assert result.exit_code == 3
    assert f"no gateway answers at http://{address}" in result.stderr
    assert len(heads) == 1 and b"an-operators-own-token" not in heads[0]
