"""Codex CLI, as its user runs it: a home with a config.toml, a repository, `codex exec`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.clients.running import NODE, Finished, run
from tests.e2e.gateway import Running

MODEL = "some-model"
_CODEX = str(NODE / "node_modules" / ".bin" / "codex")

PROVIDER = """
model = "{model}"
model_provider = "gw"
[model_providers.gw]
name = "gw"
base_url = "{url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
{key}
"""
"""A provider of its own, as the README writes it."""

OPENAI = """
model = "{model}"
openai_base_url = "{url}"
{key}
"""
"""Codex's built-in provider, sent elsewhere."""


@dataclass(frozen=True)
class Turn:
    """What `codex exec --json` told."""

    finished: Finished
    events: tuple[dict[str, Any], ...]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items that it completed, warnings about the model's metadata aside."""
        done = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [item for item in done if item["type"] != "error"]

    @property
    def said(self) -> list[str]:
        """The model's messages."""
        return [item["text"] for item in self.items if item["type"] == "agent_message"]

    @property
    def usage(self) -> dict[str, int]:
        """Of the completed turn."""
        (completed,) = [event for event in self.events if event["type"] == "turn.completed"]
        usage: dict[str, int] = completed["usage"]
        return usage

    @property
    def failure(self) -> str | None:
        """Why the turn failed."""
        failed = [event["error"]["message"] for event in self.events if event["type"] == "turn.failed"]
        return failed[0] if failed else None


class Codex:
    """One installation: its home and a repository are under `folder`."""

    def __init__(self, folder: Path, gateway: Running, *, config: str = PROVIDER, model: str = MODEL) -> None:
        self.home, self.repo = folder / "home", folder / "repo"
        self.home.mkdir()
        self.repo.mkdir()
        managed = gateway.services.settings.auth_mode.value == "managed"
        key = 'env_key = "GW_KEY"' if managed and config is PROVIDER else ""
        text = config.format(model=model, url=f"{gateway.url}/v1", key=key)
        (self.home / "config.toml").write_text(text)
        self._env = {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "GW_KEY": gateway.key,
            "OPENAI_API_KEY": gateway.key if managed else "none",
            "CODEX_API_KEY": gateway.key if managed else "none",
        }

    async def exec(self, prompt: str, *flags: str) -> Turn:
        """One `codex exec`, to its end."""
        await run(["git", "init", "-q", "."], self._env, cwd=self.repo)
        unasked = "--dangerously-bypass-approvals-and-sandbox"
        command = [_CODEX, "exec", "--json", unasked, *flags, "--", prompt]
        finished = await run(command, self._env, cwd=self.repo)
        events = tuple(json.loads(line) for line in finished.out.splitlines() if line.startswith("{"))
        return Turn(finished, events)
