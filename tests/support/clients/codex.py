"""Runs Codex CLI as its users do: a home with a config.toml, a repository, `codex exec`."""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clients.processes import NODE, Finished, run
from tests.support.e2e.gateway import Running

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
"""A custom provider, as in the README."""

OPENAI = """
model = "{model}"
openai_base_url = "{url}"
{key}
"""
"""Codex's built-in provider with another base URL."""

IMPATIENT = f"{PROVIDER}stream_idle_timeout_ms = 1000\n"
"""A custom provider that Codex gives up after a second of silence."""

CHATGPT = f"""{OPENAI}
chatgpt_base_url = "{{url}}/chatgpt"
analytics.enabled = false
features.apps = false
"""
"""The built-in provider with a ChatGPT login; Codex's other requests to OpenAI come here, too."""


@dataclass(frozen=True)
class Turn:
    """The output of `codex exec --json`."""

    finished: Finished
    events: tuple[dict[str, Any], ...]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The completed items, without warnings about the model's metadata."""
        done = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [item for item in done if item["type"] != "error"]

    @property
    def messages(self) -> list[str]:
        """The model's messages."""
        return [item["text"] for item in self.items if item["type"] == "agent_message"]

    @property
    def thoughts(self) -> list[str]:
        """The model's reasoning, as the user sees it."""
        return [item["text"] for item in self.items if item["type"] == "reasoning"]

    @property
    def usage(self) -> dict[str, int]:
        """The usage of the completed turn."""
        (completed,) = [event for event in self.events if event["type"] == "turn.completed"]
        usage: dict[str, int] = completed["usage"]
        return usage

    @property
    def failure(self) -> str | None:
        """The error of a failed turn, else None."""
        failed = [event["error"]["message"] for event in self.events if event["type"] == "turn.failed"]
        return failed[0] if failed else None


class Codex:
    """An installation with a home and a repository under `folder`.

    `url`: of a proxy in front of the gateway.
    """

    def __init__(
        self,
        folder: Path,
        gateway: Running,
        *,
        config: str = PROVIDER,
        model: str = MODEL,
        url: str | None = None,
    ) -> None:
        self.home, self.repo = folder / "home", folder / "repo"
        self.home.mkdir()
        self.repo.mkdir()
        managed = gateway.services.settings.auth_mode.value == "managed"
        key = 'env_key = "GW_KEY"' if managed and "[model_providers" in config else ""
        text = config.format(model=model, url=f"{url or gateway.url}/v1", key=key)
        (self.home / "config.toml").write_text(text)
        self._env = {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "GW_KEY": gateway.key,
            "OPENAI_API_KEY": gateway.key if managed else "none",
            "CODEX_API_KEY": gateway.key if managed else "none",
        }

    def log_in(self, token: str) -> None:
        """Writes the files of `codex login`; requests to the model then carry `token`."""
        for name in ("OPENAI_API_KEY", "CODEX_API_KEY"):  # these would take precedence
            del self._env[name]
        claims = {"chatgpt_account_id": "a", "chatgpt_user_id": "u", "chatgpt_plan_type": "pro"}
        id_claims = {"email": "a@b.example", "exp": 2**32, "https://api.openai.com/auth": claims}
        tokens = {
            "id_token": _unsigned(id_claims),
            "access_token": token,
            "refresh_token": "r",
            "account_id": "a",
        }
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        login = {"auth_mode": "chatgpt", "tokens": tokens, "last_refresh": now}
        (self.home / "auth.json").write_text(json.dumps(login))

    async def exec(self, prompt: str, *flags: str) -> Turn:
        """Runs `codex exec` to its end."""
        await run(["git", "init", "-q", "."], self._env, cwd=self.repo)
        bypass = "--dangerously-bypass-approvals-and-sandbox"
        command = [_CODEX, "exec", "--json", bypass, *flags, "--", prompt]
        finished = await run(command, self._env, cwd=self.repo)
        events = tuple(json.loads(line) for line in finished.out.splitlines() if line.startswith("{"))
        return Turn(finished, events)


def _unsigned(claims: dict[str, Any]) -> str:
    """A JWT without a valid signature, which Codex reads without checking it."""
    parts = (json.dumps(each).encode() for each in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join((*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"))
