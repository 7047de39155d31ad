"""`chat2response demo`, which is `make run`: a gateway on the demo upstream, and a client that shows a call.

Gateway and client share the process but not a shortcut: what is shown went over the socket.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import click
import httpx

from chat2response.api.http.access_log import log as access_log
from chat2response.cli.start import banner
from chat2response.server import server
from chat2response.server.bootstrap import BINDERS, Prepared, prepared, read_settings
from chat2response.server.start_options import Choices
from chat2response.settings import UpstreamMode
from chat2response.wire.json import decode, encode
from chat2response.wire.sse import DONE, FrameDecoder

BIND = "127.0.0.1:8088"
MAKE = 'make run ARGS="--bind 127.0.0.1:8089"'
CALL = {
    "model": "demo-reasoner",
    "messages": [{"role": "user", "content": "Hello, bridge!"}],
    "stream": True,
}
_AGAIN = {"model": "demo", "input": "And once more.", "stream": True}
_SECONDS = 30.0  # of silence, after which a step has failed
_LABEL = 40  # width of the column of event names


class StepFailed(click.ClickException):
    """A step of the demo did not go as it must; the gateway is stopped, and the exit code is 1."""


def demo(choices: Choices) -> None:
    """Serves, shows, and stays up."""
    settings = read_settings(
        choices,
        bind=BIND,
        upstream_mode=UpstreamMode.DEMO,
        chat2response_auth_mode="managed",  # what is shown is a key that opens the door
    )
    with prepared(settings, choices, f"{BINDERS} ({MAKE})") as ready:
        server.run(ready, Tour(ready).show)


class Tour:
    """The client's side."""

    def __init__(self, ready: Prepared) -> None:
        self._ready = ready
        self._url = ready.own_url

    async def show(self) -> None:
        """Readiness, a key, a call. Raises StepFailed."""
        _say(*banner(self._ready))
        client = httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=_SECONDS)
        try:
            async with client:
                await self._await_ready(client)
                token = await self._issue_key(client)
                with _without_access_lines():
                    await self._call(client, token)
        except httpx.HTTPError as error:
            raise StepFailed(f"The gateway at {self._url} did not answer: {error!r}.") from error
        self._say_what_next(token)

    async def _await_ready(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/readyz")
        if answer.status_code != 200:
            raise StepFailed(f"The gateway is not ready: {answer.status_code} {answer.text}")

    async def _issue_key(self, client: httpx.AsyncClient) -> str:
        asked = encode({"label": "demo"})
        headers = {"content-type": "application/json", **self._admin_headers()}
        shown = "-H 'content-type: application/json'"
        if self._admin_headers():
            shown += " -H 'x-admin-token: ...'"
        url = f"{self._ready.admin_url}/keys/generate"
        _say("", "1. A key is issued.", "", f"   curl {url} {shown} -d '{asked.decode()}'")
        answer = await client.post(url, content=asked, headers=headers)
        issued = decode(answer.content) if answer.status_code == 200 else {}
        token = issued.get("token")
        if not isinstance(token, str):
            raise StepFailed(f"No key was issued: {answer.status_code} {answer.text}")
        lines = [f'     "{name}": {encode(value).decode()}' for name, value in issued.items()]
        _say("", "   {", ",\n".join(lines), "   }")
        return token

    def _admin_headers(self) -> dict[str, str]:
        """Needed where the operator set a token, and where even this machine has to use a public address."""
        rules = self._ready.services.admin
        needed = rules.needs_token(self._ready.admin_host)
        return {"x-admin-token": rules.token} if needed and rules.token else {}

    async def _call(self, client: httpx.AsyncClient, token: str) -> None:
        body = encode(CALL)
        _say("", "2. The key opens the bridge: Chat Completions in, Responses events out.", "")
        _say(f"   {self._curl('/proxy', token, body)}", "")
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with client.stream("POST", "/proxy", content=body, headers=headers) as answer:
            if answer.status_code != 200:
                refusal = (await answer.aread()).decode("utf-8", "replace")
                raise StepFailed(f"The call was refused: {answer.status_code} {refusal}")
            last = await _show_events(answer.aiter_raw())
        if last != "response.completed":
            raise StepFailed(f"The stream ended with {last}, not with response.completed.")

    def _say_what_next(self, token: str) -> None:
        _say("", f"The gateway stays up on {self._url}. Call it again:", "")
        _say(f"   {self._curl('/v1/responses', token, encode(_AGAIN))}", "")
        _say(f"All that it can do: {self._url}/docs. Ctrl-C stops it.")

    def _curl(self, path: str, token: str, body: bytes) -> str:
        return f"curl -N {self._url}{path} -H 'Authorization: Bearer {token}' -d '{body.decode()}'"


@contextmanager
def _without_access_lines() -> Iterator[None]:
    """The call is shown as it goes: its line of the log would stand in the middle of a text."""
    level = access_log.level
    access_log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        access_log.setLevel(level)


async def _show_events(chunks: AsyncIterator[bytes]) -> str:
    """A line for each event as it arrives, one for each run of deltas. Returns the type of the last event."""
    frames, shown = FrameDecoder(), Events()
    try:
        async for chunk in chunks:
            for payload in frames.feed(chunk):
                if payload != DONE:
                    shown.take(decode(payload))
    finally:
        shown.end_line()
    return shown.last


class Events:
    """Shows events; a run of deltas is one line that grows word by word."""

    def __init__(self) -> None:
        self.last = "no event"
        self._growing = False

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind != self.last:
            self.end_line()
        self._growing = kind.endswith(".delta")
        if not self._growing:
            click.echo(f"   {kind:{_LABEL}} {_remark(event)}".rstrip())
        elif kind == self.last:
            click.echo(event["delta"], nl=False)
        else:
            click.echo(f"   {kind:{_LABEL}} {event['delta']}", nl=False)
        self.last = kind

    def end_line(self) -> None:
        """Nothing more grows the line."""
        if self._growing:
            click.echo("")
        self._growing = False


def _remark(event: dict[str, Any]) -> str:
    """What is worth seeing of an event beside its name."""
    if "item" in event:
        return str(event["item"]["type"])
    usage = event.get("response", {}).get("usage")
    if usage is not None:
        return f"{usage['input_tokens']} words in, {usage['output_tokens']} out"
    return ""


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line)
