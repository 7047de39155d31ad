"""`chat2response audit export` prints, writes and continues."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chat2response.cli.commands import cli
from tests.support.cli.process import environment


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes the machine's settings and .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", environment(BIND_ADDR="127.0.0.1:1"))  # nothing listens there


def invoke(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == code, result.stderr
    return result


def generated() -> dict[str, Any]:
    created: dict[str, Any] = json.loads(invoke("keys", "generate", "--json").stdout)
    return created


def test_every_change_is_a_line_of_json_and_the_cursor_leads_on() -> None:
    created = generated()
    invoke("keys", "revoke", created["id"])
    first = invoke("audit", "export")
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert [(line["action"], line["key"], line["by"]) for line in lines] == [
        ("key.generated", created["id"], "shell"),
        ("key.revoked", created["id"], "shell"),
    ]
    assert lines[0]["from"]
    assert created["token"][36:] not in first.stdout
    assert "2 lines; continue with --cursor " in first.stderr
    cursor = first.stderr.split()[-1]
    generated()
    later = invoke("audit", "--keys-backend", "sqlite:data/keys.db", "export", "--cursor", cursor)
    assert [json.loads(line)["action"] for line in later.stdout.splitlines()] == ["key.generated"]
    assert "1 line; " in later.stderr


def test_it_goes_into_a_new_file_that_only_the_owner_reads() -> None:
    generated()
    invoke("audit", "export", "--output", "audit.jsonl")
    file = Path("audit.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().splitlines()) == 1
    assert "Cannot create audit.jsonl" in invoke("audit", "export", "--output", "audit.jsonl", code=3).stderr


def test_mistakes_are_said() -> None:
    assert "There is no key store" in invoke("audit", "export", code=3).stderr
    generated()
    assert "cursor does not come from" in invoke("audit", "export", "--cursor", "x", code=1).stderr
    assert "export" in invoke("audit", "--help").stdout
