"""The reference block: the smallest honest gateway, written in the usual style of Starlette, aiohttp and
orjson.

It checks a key, parses the request, changes a few fields (Responses to Chat), forwards it, and answers with a
Response (the fields that the official SDK requires) or with Responses events, one send per upstream read.
With `--relay` it parses only the request, as any router must, and relays the bytes of both directions. The
gateway's ratios refer to the block, so it must never be slowed down.

    python -m bench.block --port PORT --upstream http://127.0.0.1:PORT/v1 [--relay]      key: BENCH_TOKEN
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from secrets import token_hex
from typing import Any

import aiohttp
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

JSON = "application/json"
UPSTREAM_HEADERS = {"Authorization": "Bearer sk-bench", "Content-Type": JSON}
REFUSED = orjson.dumps({"error": {"message": "Incorrect API key.", "type": "invalid_request_error"}})


def authorized(request: Request) -> bool:
    keys: dict[bytes, str] = request.app.state.keys
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme == "Bearer" and sha256(token.encode()).digest() in keys


# ---- Responses on Chat ----

TOOL_FIELDS = ("name", "description", "parameters", "strict")
FIELDS = (
    ("max_output_tokens", "max_completion_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("tool_choice", "tool_choice"),
    ("parallel_tool_calls", "parallel_tool_calls"),
)


def to_chat(fields: dict[str, Any]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if fields.get("instructions"):
        messages.append({"role": "system", "content": fields["instructions"]})
    messages += [{"role": item["role"], "content": item["content"]} for item in fields["input"]]
    chat: dict[str, Any] = {"model": fields["model"], "messages": messages}
    if "tools" in fields:
        chat["tools"] = [
            {"type": "function", "function": {name: tool[name] for name in TOOL_FIELDS}}
            for tool in fields["tools"]
        ]
    for name, target in FIELDS:
        if name in fields:
            chat[target] = fields[name]
    if fields.get("stream"):
        chat["stream"] = True
        chat["stream_options"] = {"include_usage": True}
    return chat


def skeleton(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_" + token_hex(16),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "metadata": fields.get("metadata", {}),
        "model": fields["model"],
        "output": [],
        "parallel_tool_calls": fields.get("parallel_tool_calls", True),
        "temperature": fields.get("temperature", 1.0),
        "tool_choice": fields.get("tool_choice", "auto"),
        "tools": fields.get("tools", []),
        "top_p": fields.get("top_p", 1.0),
        "usage": None,
    }


def to_usage(usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"],
            "cache_write_tokens": 0,
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": usage["total_tokens"],
    }


def message(item_id: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def to_response(completion: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    text = completion["choices"][0]["message"]["content"]
    response = skeleton(fields)
    response["status"] = "completed"
    response["output"] = [message("msg_" + token_hex(16), "completed", [text_part(text)])]
    response["usage"] = to_usage(completion["usage"])
    return response


class Events:
    """Turns the chunks of one Chat stream into Responses events."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.response = skeleton(fields)
        self.item_id = "msg_" + token_hex(16)
        self.position = {"item_id": self.item_id, "output_index": 0, "content_index": 0}
        self.sequence = 0
        self.texts: list[str] = []
        self.out: list[bytes] = []

    def emit(self, kind: str, fields: dict[str, Any]) -> None:
        event = {"type": kind, "sequence_number": self.sequence, **fields}
        self.sequence += 1
        self.out.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(event)))

    def take(self) -> bytes:
        data = b"".join(self.out)
        self.out.clear()
        return data

    def begin(self) -> None:
        self.emit("response.created", {"response": self.response})
        self.emit("response.in_progress", {"response": self.response})
        self.emit(
            "response.output_item.added",
            {"output_index": 0, "item": message(self.item_id, "in_progress", [])},
        )
        self.emit("response.content_part.added", {**self.position, "part": text_part("")})

    def chunk(self, chunk: dict[str, Any]) -> None:
        for choice in chunk["choices"]:
            text = choice["delta"].get("content")
            if text:
                self.texts.append(text)
                self.emit("response.output_text.delta", {**self.position, "delta": text, "logprobs": []})
        if chunk.get("usage"):
            self.response["usage"] = to_usage(chunk["usage"])

    def end(self) -> None:
        text = "".join(self.texts)
        done = message(self.item_id, "completed", [text_part(text)])
        self.emit("response.output_text.done", {**self.position, "text": text, "logprobs": []})
        self.emit("response.content_part.done", {**self.position, "part": text_part(text)})
        self.emit("response.output_item.done", {"output_index": 0, "item": done})
        self.response["status"] = "completed"
        self.response["output"] = [done]
        self.emit("response.completed", {"response": self.response})


async def convert_stream(upstream: aiohttp.ClientResponse, fields: dict[str, Any]) -> AsyncIterator[bytes]:
    events = Events(fields)
    events.begin()
    buffer = b""
    try:
        async for data in upstream.content.iter_any():
            *frames, buffer = (buffer + data).split(b"\n\n")
            for frame in frames:
                if frame == b"data: [DONE]":
                    events.end()
                elif frame.startswith(b"data: "):
                    events.chunk(orjson.loads(frame[6:]))
            if events.out:
                yield events.take()
    finally:
        upstream.release()


async def responses(request: Request) -> Response:
    if not authorized(request):
        return Response(REFUSED, 401, media_type=JSON)
    fields = orjson.loads(await request.body())
    session: aiohttp.ClientSession = request.app.state.session
    url = request.app.state.upstream + "/chat/completions"
    upstream = await session.post(url, data=orjson.dumps(to_chat(fields)), headers=UPSTREAM_HEADERS)
    if upstream.status != 200:
        return Response(await upstream.read(), upstream.status, media_type=JSON)
    if fields.get("stream"):
        return StreamingResponse(convert_stream(upstream, fields), media_type="text/event-stream")
    return Response(orjson.dumps(to_response(orjson.loads(await upstream.read()), fields)), media_type=JSON)


# ---- relay ----


async def relay_stream(upstream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for data in upstream.content.iter_any():
            yield data
    finally:
        upstream.release()


async def relay(request: Request) -> Response:
    if not authorized(request):
        return Response(REFUSED, 401, media_type=JSON)
    body = await request.body()
    fields = orjson.loads(body)
    session: aiohttp.ClientSession = request.app.state.session
    url = request.app.state.upstream + request.url.path.removeprefix("/v1")
    upstream = await session.post(url, data=body, headers=UPSTREAM_HEADERS)
    kind = upstream.headers.get("Content-Type", JSON)
    if fields.get("stream"):
        return StreamingResponse(relay_stream(upstream), upstream.status, media_type=kind)
    return Response(await upstream.read(), upstream.status, media_type=kind)


# ---- the process ----


async def livez(_: Request) -> Response:
    return PlainTextResponse("ok")


def application(upstream: str, relaying: bool, token: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.upstream = upstream
        app.state.keys = {sha256(token.encode()).digest(): "key-1"}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as app.state.session:
            yield

    endpoint = relay if relaying else responses
    routes = [
        Route("/v1/responses", endpoint, methods=["POST"]),
        Route("/v1/chat/completions", relay, methods=["POST"]),
        Route("/livez", livez),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description="The reference block of the benchmark.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--relay", action="store_true")
    options = parser.parse_args()
    app = application(options.upstream, options.relay, os.environ["BENCH_TOKEN"])
    uvicorn.run(
        app,
        port=options.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
