"""`chat2response keys`: effects, output and exit codes; a running gateway sees the changes."""

import asyncio
import csv
import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from chat2response.cli.commands import cli
from chat2response.cli.keys import find_key
from chat2response.keys import KeyRepository, KeyService
from chat2response.stores import open_store
from tests.house.test_imports import SERVER_PARTS, loaded_by
from tests.support.cli.process import command, environment
from tests.support.scripted_upstream import PATIENCE

UNKNOWN = "0123456789abcdef" * 2
TOKEN = re.compile(r"sk_[0-9a-f]{32}\.[0-9a-f]{64}")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes the machine's settings and .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment(BIND_ADDR="127.0.0.1:1"))  # nothing listens there


def keys(*args: str, stdin: str | None = None, **settings: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *args], env=settings, input=stdin)


def run_json(*args: str, stdin: str | None = None, **settings: str) -> Any:
    """The JSON that a `keys` command prints."""
    result = keys(*args, "--json", stdin=stdin, **settings)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_key_from_its_making_to_its_end() -> None:
    created = run_json(
        "generate", "--label", "laptop", "--scope", "model:gpt-*", "--scope", "b", "--ttl", "2h"
    )
    assert list(created) == ["id", "token", "created_at", "expires_at", "label", "scopes"]
    assert TOKEN.fullmatch(created["token"])
    assert created["expires_at"] == created["created_at"] + 7200
    assert (created["label"], created["scopes"]) == ("laptop", ["model:gpt-*", "b"])
    assert run_json("list") == [
        {name: created[name] for name in ("id", "label", "created_at", "expires_at")}
        | {"revoked_at": None, "scopes": created["scopes"]}
    ]
    moved = run_json("set-expiration", created["id"], "--expires-at", "2100-01-01")
    assert moved == {"updated": True, "id": created["id"], "expires_at": 4_102_444_800}
    assert run_json("revoke", created["id"]) == {"revoked": True, "id": created["id"]}
    assert run_json("revoke", created["id"]) == {
        "revoked": False,
        "id": created["id"],
        "reason": "already_revoked",
    }
    assert run_json("show", created["id"])["state"] == "revoked"


def test_people_see_tables_in_utc_and_never_a_secret_twice() -> None:
    shown = keys("generate", "--label", "laptop", "--owner", "me", "--expires-at", "4102444800").stdout
    match = TOKEN.search(shown)
    assert match is not None
    assert "2100-01-01 00:00:00Z" in shown
    listed = keys("list").stdout
    head, row = listed.splitlines()
    assert re.split(r"  +", head) == [
        *("ID", "LABEL", "OWNER", "STATE", "CREATED", "EXPIRES", "LAST USED", "REQUESTS", "SCOPES")
    ]
    assert row.split()[:4] == [match[0][3:35], "laptop", "me", "active"]
    for text in (listed, keys("show", match[0][3:35]).stdout, keys("list", "--json").stdout):
        assert match[0][36:] not in text
        assert "hash" not in text and "salt" not in text


def test_a_label_does_not_steer_the_terminal() -> None:
    run_json("generate", "--label", "a\x1b[2Jb\nc")
    assert "a?[2Jb?c" in keys("list").stdout


def test_a_secret_is_renewed() -> None:
    created = run_json("generate", "--ttl", "1d")
    renewed = run_json("rotate", created["id"], "--grace", "15m")
    assert renewed["id"] == created["id"]
    assert renewed["token"] != created["token"]
    assert renewed["grace_expires_at"] == renewed["rotated_at"] + 900
    assert run_json("show", created["id"])["grace_expires_at"] == renewed["grace_expires_at"]
    assert "--force" in keys("rotate", created["id"]).stderr, "the old secret is still in use"
    assert run_json("rotate", created["id"], "--force")["token"] != renewed["token"]


def test_numbers_of_any_length_are_refused_in_words() -> None:
    huge = "1" + "0" * 5000
    created = run_json("generate", "--ttl", "1d")
    for args in (
        ("purge", "--older-than", huge, "--yes"),
        ("purge", "--older-than", "999999999999999", "--yes"),
        ("rotate", created["id"], "--grace", huge),
        ("generate", "--ttl", huge),
        ("generate", "--expires-at", huge),
        ("generate", "--limit", f"tokens_per_day={huge}"),
    ):
        result = keys(*args)
        assert result.exit_code in (1, 2), args[:2]
        assert "Traceback" not in result.stderr
        assert result.stderr.startswith(("chat2response: ", "Usage: ")), result.stderr[:100]


def test_what_is_said_of_a_key_changes() -> None:
    id = run_json("generate", "--owner", "me", "--metadata", "team=a=b", "--limit", "requests_per_minute=5")[
        "id"
    ]
    changed = run_json("update", id, "--label", "new", "--clear", "owner", "--limit", "cost_per_day=2500000")
    assert (changed["label"], changed["owner"]) == ("new", None)
    assert (changed["metadata"], changed["limits"]) == (
        {"team": "a=b"},
        {"requests_per_minute": 5, "cost_per_day": 2_500_000},
    )


def test_lists_are_filtered_and_paged() -> None:
    ids = [
        run_json("generate", "--owner", owner, "--ttl", ttl)["id"]
        for owner, ttl in (("a", "1h"), ("b", "9d"))
    ]
    run_json("revoke", run_json("generate")["id"])
    assert {key["id"] for key in run_json("list", "--state", "active")["data"]} == set(ids)
    assert [key["id"] for key in run_json("list", "--owner", "b")["data"]] == [ids[1]]
    assert [key["id"] for key in run_json("list", "--expiring-within", "2h")["data"]] == [ids[0]]
    seen, cursor = [], None
    for _ in range(5):
        page = run_json("list", "--limit", "1", *(("--cursor", cursor) if cursor else ()))
        seen += [key["id"] for key in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert len(seen) == len(set(seen)) == 3
    assert "For more, use --cursor" in keys("list", "--limit", "1").stdout


async def dead_keys(count: int) -> list[str]:
    """The ids of keys that expired two hours ago."""
    store = open_store("sqlite:data/keys.db")
    service = KeyService(KeyRepository(store, clock=lambda: time.time() - 7200))
    created = [await service.generate(ttl_seconds=1) for _ in range(count)]
    await store.close()
    return [each.key.id for each in created]


def test_the_long_dead_are_purged_after_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    id = run_json("generate")["id"]
    assert run_json("purge", "--older-than", "1h", "--yes") == {"purged": 0}
    assert keys("purge", "--older-than", "1h").stdout == "there are no keys to purge\n"
    assert keys("show", id).exit_code == 0
    dead = asyncio.run(dead_keys(2))
    without_terminal = keys("purge", "--older-than", "1h", stdin="y\n")
    assert without_terminal.exit_code == 2
    assert "Continue? There is no terminal to ask on. Add --yes to confirm." in without_terminal.stderr
    monkeypatch.setattr(find_key, "is_interactive", lambda: True)
    refused = keys("purge", "--older-than", "1h", stdin="n\n")
    assert refused.exit_code == 1
    assert "This removes 2 dead keys and cannot be undone. Continue?" in refused.stderr
    assert keys("show", dead[0]).exit_code == 0
    assert keys("purge", "--older-than", "1h", stdin="y\n").stdout == "2 keys removed\n"
    assert keys("show", dead[0]).exit_code == 1
    assert keys("show", id).exit_code == 0
    assert "between 3600 and" in keys("purge", "--older-than", "5m", "--yes").stderr


def test_digests_are_imported_once() -> None:
    created = run_json("digest")
    assert TOKEN.fullmatch(created["token"])
    row = json.dumps({"id": created["id"], "digest": created["digest"], "owner": "git", "ttl_seconds": 60})
    for counts in ({"imported": 1, "unchanged": 0}, {"imported": 0, "unchanged": 1}):
        assert run_json("import", "-", stdin=f"{row}\n\n") == {**counts, "differing": []}
    assert run_json("show", created["id"])["owner"] == "git"
    other = run_json("digest")
    result = keys("import", "-", stdin=json.dumps({"id": created["id"], "digest": other["digest"]}))
    assert result.exit_code == 1
    assert result.stderr == "chat2response: line 1: Another key has this id.\n"


def test_what_a_file_says_otherwise_of_a_key_that_is_there_is_told() -> None:
    created = run_json("digest")
    row = {"id": created["id"], "digest": created["digest"], "label": "a", "owner": "git", "ttl_seconds": 60}
    run_json("import", "-", stdin=json.dumps(row))
    other = {**row, "label": "b", "limits": {"requests_per_minute": 1}, "expires_at": 4_000_000_000}
    assert run_json("import", "-", stdin=json.dumps(other)) == {
        "imported": 0,
        "unchanged": 1,
        "differing": [{"id": created["id"], "fields": ["label", "limits", "expires_at"]}],
    }
    assert keys("import", "-", stdin=json.dumps({**row, "label": "b"})).stdout == (
        "imported 0 keys; 1 existed already\n"
        f"{created['id']} is unchanged, but the file differs in label (use `keys update`)\n"
    )
    assert run_json("show", created["id"])["label"] == "a"
    wrong = keys("import", "-", stdin=json.dumps({**row, "label": 5}))
    assert wrong.stderr.startswith("chat2response: line 1: label must be a string")


ROWS = """label,owner,ttl_seconds,scopes,limits,metadata
one,me,3600,model:gpt-* tool:web_search,requests_per_minute=5 cost_per_day=1,team=a
"two, quoted",you,,,,
"""


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_many_keys_are_made_and_their_tokens_are_the_owners_to_read(tmp_path: Path, suffix: str) -> None:
    Path("in.csv").write_text(ROWS)
    output = tmp_path / f"out.{suffix}"
    assert run_json("bulk", "in.csv", "--output", str(output)) == {"generated": 2, "output": str(output)}
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    text = output.read_text()
    created = (
        list(csv.DictReader(text.splitlines()))
        if suffix == "csv"
        else list(map(json.loads, text.splitlines()))
    )
    assert [row["label"] for row in created] == ["one", "two, quoted"]
    assert all(TOKEN.fullmatch(row["token"]) for row in created)
    first = run_json("show", created[0]["id"])
    assert first["scopes"] == ["model:gpt-*", "tool:web_search"]
    assert first["limits"] == {"requests_per_minute": 5, "cost_per_day": 1}
    assert (first["metadata"], first["expires_at"]) == ({"team": "a"}, first["created_at"] + 3600)
    again = keys("bulk", "in.csv", "--output", str(output))
    assert again.exit_code == 3  # a file of tokens is never overwritten
    assert output.read_text() == text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ('{"label": "ok"}\n{"labl": "x"}', "line 2: unknown field 'labl'"),
        ('{"label": "ok"}\n{"label": 5}', "line 2: label must be a string"),
        ('{"label": "ok"}\n{"label"', "line 2: "),
        ('{"label": "ok"}\n[]', "line 2: each line must be a JSON object"),
        ('{"label": "ok"}\n{"scopes": "all"}', "line 2: scopes must be an array of"),
        ("label,limits\nok,\nx,requests_per_minute=many", "line 3: limits.requests_per_minute must be"),
        ("label,ttl_seconds\nok,\nx,soon", "line 3: ttl_seconds must be a whole number"),
        ("label,owner\nok,me\nx", "line 3: "),
        ("label\nok\nx,y", "line 3: "),
    ],
)
def test_a_wrong_row_is_named_before_any_key_is_made(rows: str, expected: str) -> None:
    result = keys("bulk", "-", "--output", "out.jsonl", stdin=rows)
    assert result.exit_code == 1
    assert result.stderr.startswith("chat2response: ")
    assert expected in result.stderr
    assert not Path("out.jsonl").exists()
    run_json("generate", "--label", "the only one")
    assert len(run_json("list")) == 1


@pytest.mark.parametrize(
    ("args", "code", "expected"),
    [
        (["revoke", UNKNOWN], 1, f"There is no key {UNKNOWN}."),
        (["show", "x"], 1, "There is no key x."),
        (["rotate", UNKNOWN], 1, "There is no key"),
        (["update", UNKNOWN, "--label", "x"], 1, "There is no key"),
        (["set-expiration", UNKNOWN, "--ttl", "5"], 1, "There is no key"),
        (["set-expiration", UNKNOWN], 2, "Set the expiration with"),
        (["set-expiration", UNKNOWN, "--never"], 1, "(CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1)"),
        (["generate", "--quiet", "--json"], 2, "Use either --quiet or --json"),
        (["generate", "--never"], 1, "--never: this shell's settings forbid keys that never expire"),
        (["set-expiration", UNKNOWN, "--never", "--ttl", "5"], 2, "Use either --never, or"),
        (["update", UNKNOWN], 2, "There is nothing to change"),
        (["update", UNKNOWN, "--label", "x", "--clear", "label"], 2, "Use either --clear label, or"),
        (["generate", "--ttl", "soon"], 2, "is not a duration"),
        (["generate", "--expires-at", "soon"], 2, "is not a timestamp"),
        (["generate", "--ttl", "0"], 1, "ttl_seconds must be between"),
        (["generate", "--limit", "x"], 2, "is not a pair"),
        (["generate", "--limit", "x=5"], 1, "Unknown limit 'limits.x'"),
        (["generate", "--scope", "admin:root"], 1, "'admin:root' is unknown"),
        (["list", "--cursor", "x"], 1, "cursor does not come from this list"),
        (["nothing"], 2, "No such command: 'nothing'"),
        (
            ["list", "--keys-backend", "memory"],
            2,
            "--keys-backend: keys in memory exist only inside a gateway",
        ),
        (["list", "--keys-backend", "mysql://h"], 2, "--keys-backend: there is no store 'mysql'"),
        (["list", "--keys-backend", "sqlite:other.db"], 3, "/other.db (--keys-backend)."),
        (["list", "--keys-backend", "redis://127.0.0.1:9"], 3, "The store is unavailable"),
        (["bulk", "missing.csv", "--output", "x"], 2, "missing.csv"),
    ],
)
def test_what_goes_wrong_is_a_line_and_a_code(args: list[str], code: int, expected: str) -> None:
    run_json("generate")
    result = keys(*args)
    assert result.exit_code == code, result.stderr
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("other.db").exists()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "OPENAI_API_KEY is not set"),
        ({"CHAT2RESPONSE_AUTH_MODE": "open"}, "CHAT2RESPONSE_AUTH_MODE=open"),
        ({"CHAT2RESPONSE_AUTH_MODE": "managed"}, None),
        ({"OPENAI_API_KEY": "sk-test"}, None),
    ],
)
def test_who_makes_keys_that_nobody_asks_for_is_told(settings: dict[str, str], why: str | None) -> None:
    warned = keys("generate", "--json", **settings)
    assert json.loads(warned.stdout)["token"]
    store = f"chat2response: Keys are stored in sqlite:{Path.cwd()}/data/keys.db, a new store."
    warning = f"chat2response: WARNING: a gateway with this shell's settings ({why}) does not check keys, "
    first, *rest = warned.stderr.splitlines()
    assert first == store
    assert (len(rest) == 1 and rest[0].startswith(warning)) if why else rest == []
    assert keys("list", **settings).stderr == ""


def test_the_policy_is_the_gateways(tmp_path: Path) -> None:
    allowed = {"CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION": "1"}
    assert run_json("generate", "--never", **allowed)["expires_at"] is None
    assert keys("generate", "--never").exit_code == 1
    file = tmp_path / "other.env"
    file.write_text("CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS=60\nCHAT2RESPONSE_SQLITE_PATH=here.db\n")
    created = run_json("generate", "--env-file", str(file))
    assert created["expires_at"] == created["created_at"] + 60
    assert Path("here.db").exists()


def test_options_stand_before_the_name_too() -> None:
    result = CliRunner().invoke(cli, ["--keys-backend", "sqlite:a.db", "keys", "--json", "generate"])
    assert result.exit_code == 0, result.stderr
    result = CliRunner().invoke(cli, ["keys", "--keys-backend=sqlite:a.db", "list", "--json"])
    assert len(json.loads(result.stdout)) == 1


def test_help_says_what_there_is() -> None:
    shown = keys("--help").stdout
    for name in (
        "generate",
        "list",
        "show",
        "revoke",
        "set-expiration",
        "rotate",
        "update",
        "purge",
        "import",
        "bulk",
    ):
        assert name in shown
        assert keys(name, "--help").exit_code == 0
    assert keys().exit_code == 2  # no command is named


def test_help_loads_no_server_part() -> None:
    loaded = loaded_by("import chat2response.cli.keys.commands")
    assert loaded & SERVER_PARTS == {"click"}


def test_a_command_loads_no_web_server() -> None:
    run_json("generate")
    script = (
        "import sys\nfrom chat2response.cli.commands import cli\n"
        "cli(['keys', 'list'], standalone_mode=False)\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'redis', 'passlib'}\n"
        "print({m.partition('.')[0] for m in sys.modules} & heavy)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_a_running_gateway_hears_the_shell(
    tmp_path: Path, store_address: Callable[[str], str], kind: str
) -> None:
    store = ("--keys-backend", store_address(kind))

    async def shell(*args: str) -> Any:
        async with command(tmp_path, *store, "keys", *args, "--json") as run:
            assert run.process.stdout is not None
            text = await run.process.stdout.read()
            assert await run.ended() == 0
            return json.loads(text)

    async with (
        command(tmp_path, "--bind", "127.0.0.1:0", *store, UPSTREAM_MODE="demo") as gateway,
        httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=PATIENCE) as client,
    ):
        created = await shell("generate", "--ttl", "1h")

        async def status(token: str) -> int:
            return (await client.get("/v1/models", headers={"authorization": f"Bearer {token}"})).status_code

        assert await status(created["token"]) == 200
        renewed = await shell("rotate", created["id"], "--grace", "1h")
        assert await status(renewed["token"]) == 200
        await shell("revoke", created["id"])
        async with asyncio.timeout(PATIENCE):  # takes a second at most, but a busy machine needs longer
            while await status(renewed["token"]) != 401:
                pass
        assert [key["id"] for key in (await client.get("/keys")).json()] == [created["id"]]
