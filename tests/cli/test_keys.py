"""`chat2response keys`: what it does, prints, and ends with; and that a gateway sees it in the store."""

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
from chat2response.keys import KeyService
from chat2response.stores import open_store
from tests.house.test_imports import SERVER_PARTS, loaded_by
from tests.support.cli.process import command, environment
from tests.support.scripted_upstream import PATIENCE

UNKNOWN = "0123456789abcdef" * 2
TOKEN = re.compile(r"sk_[0-9a-f]{32}\.[0-9a-f]{64}")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine's, and no .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment(BIND_ADDR="127.0.0.1:1"))  # where nothing listens


def keys(*args: str, stdin: str | None = None, **settings: str) -> Result:
    return CliRunner().invoke(cli, ["keys", *args], env=settings, input=stdin)


def told(*args: str, stdin: str | None = None, **settings: str) -> Any:
    """What a command prints as JSON."""
    result = keys(*args, "--json", stdin=stdin, **settings)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_key_from_its_making_to_its_end() -> None:
    made = told("generate", "--label", "laptop", "--scope", "model:gpt-*", "--scope", "b", "--ttl", "2h")
    assert list(made) == ["id", "token", "created_at", "expires_at", "label", "scopes"]
    assert TOKEN.fullmatch(made["token"])
    assert made["expires_at"] == made["created_at"] + 7200
    assert (made["label"], made["scopes"]) == ("laptop", ["model:gpt-*", "b"])
    assert told("list") == [
        {name: made[name] for name in ("id", "label", "created_at", "expires_at")}
        | {"revoked_at": None, "scopes": made["scopes"]}
    ]
    moved = told("set-expiration", made["id"], "--expires-at", "2100-01-01")
    assert moved == {"updated": True, "id": made["id"], "expires_at": 4_102_444_800}
    assert told("revoke", made["id"]) == {"revoked": True, "id": made["id"]}
    assert told("revoke", made["id"]) == {"revoked": False, "id": made["id"], "reason": "already_revoked"}
    assert told("show", made["id"])["state"] == "revoked"


def test_people_see_tables_in_utc_and_never_a_secret_twice() -> None:
    shown = keys("generate", "--label", "laptop", "--owner", "me", "--expires-at", "4102444800").stdout
    found = TOKEN.search(shown)
    assert found is not None
    assert "2100-01-01 00:00:00Z" in shown
    listed = keys("list").stdout
    head, row = listed.splitlines()
    assert re.split(r"  +", head) == [
        *("ID", "LABEL", "OWNER", "STATE", "CREATED", "ENDS", "LAST USED", "REQUESTS", "SCOPES")
    ]
    assert row.split()[:4] == [found[0][3:35], "laptop", "me", "active"]
    for text in (listed, keys("show", found[0][3:35]).stdout, keys("list", "--json").stdout):
        assert found[0][36:] not in text
        assert "hash" not in text and "salt" not in text


def test_a_label_does_not_steer_the_terminal() -> None:
    told("generate", "--label", "a\x1b[2Jb\nc")
    assert "a?[2Jb?c" in keys("list").stdout


def test_a_secret_is_renewed() -> None:
    made = told("generate", "--ttl", "1d")
    renewed = told("rotate", made["id"], "--grace", "15m")
    assert renewed["id"] == made["id"]
    assert renewed["token"] != made["token"]
    assert renewed["grace_expires_at"] == renewed["rotated_at"] + 900
    assert told("show", made["id"])["grace_expires_at"] == renewed["grace_expires_at"]
    assert "--force" in keys("rotate", made["id"]).stderr, "the old secret is still in use"
    assert told("rotate", made["id"], "--force")["token"] != renewed["token"]


def test_numbers_of_any_length_are_refused_in_words() -> None:
    huge = "1" + "0" * 5000
    made = told("generate", "--ttl", "1d")
    for asked in (
        ("purge", "--older-than", huge, "--yes"),
        ("purge", "--older-than", "999999999999999", "--yes"),
        ("rotate", made["id"], "--grace", huge),
        ("generate", "--ttl", huge),
        ("generate", "--expires-at", huge),
        ("generate", "--limit", f"tokens_per_day={huge}"),
    ):
        result = keys(*asked)
        assert result.exit_code in (1, 2), asked[:2]
        assert "Traceback" not in result.stderr
        assert result.stderr.startswith(("chat2response: ", "Usage: ")), result.stderr[:100]


def test_what_is_said_of_a_key_changes() -> None:
    id = told("generate", "--owner", "me", "--metadata", "team=a=b", "--limit", "requests_per_minute=5")["id"]
    changed = told("update", id, "--label", "new", "--clear", "owner", "--limit", "cost_per_day=2500000")
    assert (changed["label"], changed["owner"]) == ("new", None)
    assert (changed["metadata"], changed["limits"]) == (
        {"team": "a=b"},
        {"requests_per_minute": 5, "cost_per_day": 2_500_000},
    )


def test_lists_are_filtered_and_paged() -> None:
    ids = [
        told("generate", "--owner", owner, "--ttl", ttl)["id"] for owner, ttl in (("a", "1h"), ("b", "9d"))
    ]
    told("revoke", told("generate")["id"])
    assert {key["id"] for key in told("list", "--state", "active")["data"]} == set(ids)
    assert [key["id"] for key in told("list", "--owner", "b")["data"]] == [ids[1]]
    assert [key["id"] for key in told("list", "--expiring-within", "2h")["data"]] == [ids[0]]
    seen, cursor = [], None
    for _ in range(5):
        page = told("list", "--limit", "1", *(("--cursor", cursor) if cursor else ()))
        seen += [key["id"] for key in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert len(seen) == len(set(seen)) == 3
    assert "More with --cursor" in keys("list", "--limit", "1").stdout


async def dead_keys(count: int) -> list[str]:
    """Keys that ended two hours ago."""
    store = open_store("sqlite:data/keys.db")
    book = KeyService(store, clock=lambda: time.time() - 7200)
    made = [await book.generate(ttl_seconds=1) for _ in range(count)]
    await store.close()
    return [each.key.id for each in made]


def test_the_long_dead_are_purged_after_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    id = told("generate")["id"]
    assert told("purge", "--older-than", "1h", "--yes") == {"purged": 0}
    assert keys("purge", "--older-than", "1h").stdout == "there is no key to purge\n"
    assert keys("show", id).exit_code == 0
    dead = asyncio.run(dead_keys(2))
    unasked = keys("purge", "--older-than", "1h", stdin="y\n")
    assert unasked.exit_code == 2
    assert "Go on? Nobody can be asked here: add --yes." in unasked.stderr
    monkeypatch.setattr(find_key, "is_interactive", lambda: True)
    refused = keys("purge", "--older-than", "1h", stdin="n\n")
    assert refused.exit_code == 1
    assert "2 keys are purged, and gone from lists for good. Go on?" in refused.stderr
    assert keys("show", dead[0]).exit_code == 0
    assert keys("purge", "--older-than", "1h", stdin="y\n").stdout == "2 keys are gone\n"
    assert keys("show", dead[0]).exit_code == 1
    assert keys("show", id).exit_code == 0
    assert "at least 3600" in keys("purge", "--older-than", "5m", "--yes").stderr


def test_digests_are_imported_once() -> None:
    made = told("digest")
    assert TOKEN.fullmatch(made["token"])
    row = json.dumps({"id": made["id"], "digest": made["digest"], "owner": "git", "ttl_seconds": 60})
    for counts in ({"imported": 1, "unchanged": 0}, {"imported": 0, "unchanged": 1}):
        assert told("import", "-", stdin=f"{row}\n\n") == {**counts, "differing": []}
    assert told("show", made["id"])["owner"] == "git"
    other = told("digest")
    result = keys("import", "-", stdin=json.dumps({"id": made["id"], "digest": other["digest"]}))
    assert result.exit_code == 1
    assert result.stderr == "chat2response: line 1: Another key has this id.\n"


def test_what_a_file_says_otherwise_of_a_key_that_is_there_is_told() -> None:
    made = told("digest")
    row = {"id": made["id"], "digest": made["digest"], "label": "a", "owner": "git", "ttl_seconds": 60}
    told("import", "-", stdin=json.dumps(row))
    other = {**row, "label": "b", "limits": {"requests_per_minute": 1}, "expires_at": 4_000_000_000}
    assert told("import", "-", stdin=json.dumps(other)) == {
        "imported": 0,
        "unchanged": 1,
        "differing": [{"id": made["id"], "fields": ["label", "limits", "expires_at"]}],
    }
    assert keys("import", "-", stdin=json.dumps({**row, "label": "b"})).stdout == (
        "imported 0, there already 1\n"
        f"{made['id']} is kept as it was: the file says otherwise of label (see keys update)\n"
    )
    assert told("show", made["id"])["label"] == "a"
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
    assert told("bulk", "in.csv", "--output", str(output)) == {"generated": 2, "output": str(output)}
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    text = output.read_text()
    made = (
        list(csv.DictReader(text.splitlines()))
        if suffix == "csv"
        else list(map(json.loads, text.splitlines()))
    )
    assert [row["label"] for row in made] == ["one", "two, quoted"]
    assert all(TOKEN.fullmatch(row["token"]) for row in made)
    first = told("show", made[0]["id"])
    assert first["scopes"] == ["model:gpt-*", "tool:web_search"]
    assert first["limits"] == {"requests_per_minute": 5, "cost_per_day": 1}
    assert (first["metadata"], first["expires_at"]) == ({"team": "a"}, first["created_at"] + 3600)
    again = keys("bulk", "in.csv", "--output", str(output))
    assert again.exit_code == 3  # what holds tokens is never written over
    assert output.read_text() == text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('{"label": "ok"}\n{"labl": "x"}', "line 2: 'labl' is no field"),
        ('{"label": "ok"}\n{"label": 5}', "line 2: label must be a string"),
        ('{"label": "ok"}\n{"label"', "line 2: "),
        ('{"label": "ok"}\n[]', "line 2: write a JSON object"),
        ('{"label": "ok"}\n{"scopes": "all"}', "line 2: scopes must be an array of"),
        ("label,limits\nok,\nx,requests_per_minute=many", "line 3: limits.requests_per_minute must be"),
        ("label,ttl_seconds\nok,\nx,soon", "line 3: ttl_seconds must be a whole number"),
        ("label,owner\nok,me\nx", "line 3: "),
        ("label\nok\nx,y", "line 3: "),
    ],
)
def test_a_wrong_row_is_named_before_any_key_is_made(rows: str, said: str) -> None:
    result = keys("bulk", "-", "--output", "out.jsonl", stdin=rows)
    assert result.exit_code == 1
    assert result.stderr.startswith("chat2response: ")
    assert said in result.stderr
    assert not Path("out.jsonl").exists()
    told("generate", "--label", "the only one")
    assert len(told("list")) == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["revoke", UNKNOWN], 1, f"There is no key {UNKNOWN}."),
        (["show", "x"], 1, "There is no key x."),
        (["rotate", UNKNOWN], 1, "There is no key"),
        (["update", UNKNOWN, "--label", "x"], 1, "There is no key"),
        (["set-expiration", UNKNOWN, "--ttl", "5"], 1, "There is no key"),
        (["set-expiration", UNKNOWN], 2, "Say when it ends"),
        (["set-expiration", UNKNOWN, "--never"], 1, "(CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1)"),
        (["generate", "--quiet", "--json"], 2, "--quiet stands against --json"),
        (["generate", "--never"], 1, "--never: this shell's settings forbid keys without an end"),
        (["set-expiration", UNKNOWN, "--never", "--ttl", "5"], 2, "--never stands against"),
        (["update", UNKNOWN], 2, "Nothing to change"),
        (["update", UNKNOWN, "--label", "x", "--clear", "label"], 2, "--clear label stands against"),
        (["generate", "--ttl", "soon"], 2, "is no span of time"),
        (["generate", "--expires-at", "soon"], 2, "is no moment"),
        (["generate", "--ttl", "0"], 1, "ttl_seconds must be between"),
        (["generate", "--limit", "x"], 2, "is no pair"),
        (["generate", "--limit", "x=5"], 1, "Unknown limit 'limits.x'"),
        (["generate", "--scope", "admin:root"], 1, "'admin:root' is unknown"),
        (["list", "--cursor", "x"], 1, "cursor does not come from this list"),
        (["nothing"], 2, "No such command 'nothing'"),
        (
            ["list", "--keys-backend", "memory"],
            2,
            "--keys-backend: keys in memory are inside a running gateway",
        ),
        (["list", "--keys-backend", "mysql://h"], 2, "--keys-backend: no store is called 'mysql'"),
        (["list", "--keys-backend", "sqlite:other.db"], 3, "/other.db, as --keys-backend has it"),
        (["list", "--keys-backend", "redis://127.0.0.1:9"], 3, "The store is unavailable"),
        (["bulk", "missing.csv", "--output", "x"], 2, "missing.csv"),
    ],
)
def test_what_goes_wrong_is_a_line_and_a_code(args: list[str], code: int, said: str) -> None:
    told("generate")
    result = keys(*args)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
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
    store = f"chat2response: kept in sqlite:{Path.cwd()}/data/keys.db, a new store"
    told_so = f"chat2response: WARNING: with this shell's settings ({why}) a gateway asks nobody for a key: "
    first, *rest = warned.stderr.splitlines()
    assert first == store
    assert (len(rest) == 1 and rest[0].startswith(told_so)) if why else rest == []
    assert keys("list", **settings).stderr == ""


def test_the_policy_is_the_gateways(tmp_path: Path) -> None:
    allowed = {"CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION": "1"}
    assert told("generate", "--never", **allowed)["expires_at"] is None
    assert keys("generate", "--never").exit_code == 1
    file = tmp_path / "other.env"
    file.write_text("CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS=60\nCHAT2RESPONSE_SQLITE_PATH=here.db\n")
    made = told("generate", "--env-file", str(file))
    assert made["expires_at"] == made["created_at"] + 60
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
    assert keys().exit_code == 2  # nothing was asked for


def test_help_loads_no_server_part() -> None:
    loaded = loaded_by("import chat2response.cli.keys.commands")
    assert loaded & SERVER_PARTS == {"click"}


def test_a_command_loads_no_web_server() -> None:
    told("generate")
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
        made = await shell("generate", "--ttl", "1h")

        async def status(token: str) -> int:
            return (await client.get("/v1/models", headers={"authorization": f"Bearer {token}"})).status_code

        assert await status(made["token"]) == 200
        renewed = await shell("rotate", made["id"], "--grace", "1h")
        assert await status(renewed["token"]) == 200
        await shell("revoke", made["id"])
        async with asyncio.timeout(PATIENCE):  # within a second; a busy machine gets longer
            while await status(renewed["token"]) != 401:
                pass
        assert [key["id"] for key in (await client.get("/keys")).json()] == [made["id"]]
