"""`chat2response demo` (`make run`): a gateway with the demo upstream, and a client that shows a call.

Both run in one process, but the client calls the gateway over a socket like any other client.
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
from chat2response.server.bootstrap import ADDRESS_OPTIONS, PreparedGateway, prepare, read_settings
from chat2response.server.start_options import StartOptions
from chat2response.settings import UpstreamMode
from chat2response.wire.json import decode, encode
from chat2response.wire.sse import DONE, FrameDecoder

BIND = "127.0.0.1:8088"
MAKE_EXAMPLE = 'make run ARGS="--bind 127.0.0.1:8089"'
CALL = {
    "model": "demo-reasoner",
    "messages": [{"role": "user", "content": "Hello, bridge!"}],
    "stream": True,
}
NEXT_CALL = {"model": "demo", "input": "And once more.", "stream": True}
_TIMEOUT = 30.0  # seconds without a byte
_LABEL_WIDTH = 40  # columns for the event names


class StepFailed(click.ClickException):
    """A step of the demo failed. The gateway stops, with exit code 1."""


def demo(options: StartOptions) -> None:
    """Serves the demo model, shows a call, and keeps serving."""
    settings = read_settings(
        options,
        bind=BIND,
        upstream_mode=UpstreamMode.DEMO,
        chat2response_auth_mode="managed",  # the demo issues a key and calls with it
    )
    with prepare(settings, options, f"{ADDRESS_OPTIONS} ({MAKE_EXAMPLE})") as prepared:
        server.run(prepared, Tour(prepared).show)


class Tour:
    """The client of the demo."""

    def __init__(self, prepared: PreparedGateway) -> None:
        self._prepared = prepared
        self._url = prepared.own_url

    async def show(self) -> None:
        """Waits until the gateway is ready, issues a key and shows a call. Raises StepFailed."""
        _print(*banner(self._prepared))
        client = httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=_TIMEOUT)
        try:
            async with client:
                await self._check_ready(client)
                token = await self._issue_key(client)
                with _without_access_lines():
                    await self._call(client, token)
        except httpx.HTTPError as error:
            raise StepFailed(f"The gateway at {self._url} did not answer: {error!r}.") from error
        self._print_next_steps(token)

    async def _check_ready(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/readyz")
        if answer.status_code != 200:
            raise StepFailed(f"The gateway is not ready: {answer.status_code} {answer.text}")

    async def _issue_key(self, client: httpx.AsyncClient) -> str:
        body = encode({"label": "demo"})
        headers = {"content-type": "application/json", **self._admin_headers()}
        shown = "-H 'content-type: application/json'"
        if self._admin_headers():
            shown += " -H 'x-admin-token: ...'"
        url = f"{self._prepared.admin_url}/keys/generate"
        _print("", "1. Issue a key.", "", f"   curl {url} {shown} -d '{body.decode()}'")
        answer = await client.post(url, content=body, headers=headers)
        issued = decode(answer.content) if answer.status_code == 200 else {}
        token = issued.get("token")
        if not isinstance(token, str):
            raise StepFailed(f"The gateway issued no key: {answer.status_code} {answer.text}")
        lines = [f'     "{name}": {encode(value).decode()}' for name, value in issued.items()]
        _print("", "   {", ",\n".join(lines), "   }")
        return token

    def _admin_headers(self) -> dict[str, str]:
        """The admin token, if the admin plane needs it for a call from this machine."""
        rules = self._prepared.services.admin
        needed = rules.needs_token(self._prepared.admin_host)
        return {"x-admin-token": rules.token} if needed and rules.token else {}

    async def _call(self, client: httpx.AsyncClient, token: str) -> None:
        body = encode(CALL)
        _print("", "2. Call with the key: Chat Completions in, Responses events out.", "")
        _print(f"   {self._curl('/proxy', token, body)}", "")
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with client.stream("POST", "/proxy", content=body, headers=headers) as answer:
            if answer.status_code != 200:
                refusal = (await answer.aread()).decode("utf-8", "replace")
                raise StepFailed(f"The gateway refused the call: {answer.status_code} {refusal}")
            last = await _show_events(answer.aiter_raw())
        if last != "response.completed":
            raise StepFailed(f"The stream ended with {last}, not with response.completed.")

    def _print_next_steps(self, token: str) -> None:
        _print("", f"The gateway keeps serving on {self._url}. Call it again:", "")
        _print(f"   {self._curl('/v1/responses', token, encode(NEXT_CALL))}", "")
        _print(f"All endpoints: {self._url}/docs. Press Ctrl-C to stop.")

    def _curl(self, path: str, token: str, body: bytes) -> str:
        return f"curl -N {self._url}{path} -H 'Authorization: Bearer {token}' -d '{body.decode()}'"


@contextmanager
def _without_access_lines() -> Iterator[None]:
    """Silences the access log, whose line would interrupt the printed stream."""
    level = access_log.level
    access_log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        access_log.setLevel(level)


async def _show_events(chunks: AsyncIterator[bytes]) -> str:
    """Prints events as they arrive. Returns the type of the last event."""
    frames, printer = FrameDecoder(), EventPrinter()
    try:
        async for chunk in chunks:
            for payload in frames.feed(chunk):
                if payload != DONE:
                    printer.print(decode(payload))
    finally:
        printer.end_line()
    return printer.last


class EventPrinter:
    """Prints a line for each event; consecutive deltas share one line that grows."""

    def __init__(self) -> None:
        self.last = "no event"
        self._in_delta_line = False

    def print(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind != self.last:
            self.end_line()
        self._in_delta_line = kind.endswith(".delta")
        if not self._in_delta_line:
            click.echo(f"   {kind:{_LABEL_WIDTH}} {_remark(event)}".rstrip())
        elif kind == self.last:
            click.echo(event["delta"], nl=False)
        else:
            click.echo(f"   {kind:{_LABEL_WIDTH}} {event['delta']}", nl=False)
        self.last = kind

    def end_line(self) -> None:
        """Ends the line of deltas, if one is open."""
        if self._in_delta_line:
            click.echo("")
        self._in_delta_line = False


def _remark(event: dict[str, Any]) -> str:
    """What the line of an event shows beside its type."""
    if "item" in event:
        return str(event["item"]["type"])
    usage = event.get("response", {}).get("usage")
    if usage is not None:
        return f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    return ""


def _print(*lines: str) -> None:
    for line in lines:
        click.echo(line)
