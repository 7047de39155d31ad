"""The demo's HTTP server, without sockets: from a request to the answer's status, headers and bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chat2response.errors import BridgeError, InvalidRequest, NotFound, release_frames
from chat2response.upstreams.demo.chunks import write_chunks
from chat2response.upstreams.demo.completion import write_completion
from chat2response.upstreams.demo.request import DemoRequest
from chat2response.upstreams.demo.script import MODELS, script
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import MAX_DEPTH, JSONError, decode, encode, too_deep

_BAD_JSON = "invalid_json"
_CREATED = 1_767_225_600  # 2026-01-01
_MODELS = {
    "object": "list",
    "data": [
        {"id": model, "object": "model", "created": _CREATED, "owned_by": "chat2response"} for model in MODELS
    ],
}


@dataclass(slots=True)
class Answer:
    """An answer: `pieces` of its body, at least one, each as sent at once."""

    status: int
    headers: dict[str, str]
    pieces: Iterator[bytes]


def respond(method: str, url: str, body: bytes, clock: Clock, ids: Ids) -> Answer:
    """The answer to a request. An error is an answer, too."""
    path = urlsplit(url).path
    try:
        if method == "POST" and path.endswith("/chat/completions"):
            return _complete(body, int(clock()), ids)
        if method == "GET" and path.endswith("/models"):
            return _json(200, encode(_MODELS))
        raise NotFound(f"Invalid URL ({method} {path})")
    except BridgeError as error:
        release_frames(error)
        answer = _json(error.status, encode({"error": error.fields()}))
        answer.headers |= error.headers
        return answer


def _complete(body: bytes, created: int, ids: Ids) -> Answer:
    """A completion, whole or streamed. Raises BridgeError."""
    request = DemoRequest.of(_decoded(body))
    answer = script(request)
    if request.stream:
        headers = {"content-type": "text/event-stream; charset=utf-8"}
        return Answer(200, headers, write_chunks(request, answer, created, ids))
    return _json(200, encode(write_completion(request, answer, created, ids)))


def _decoded(body: bytes) -> Any:
    try:
        value = decode(body)
    except JSONError as error:
        message = f"We could not parse the JSON body of your request: {error}."
        raise InvalidRequest(message, code=_BAD_JSON) from None
    if too_deep(value):
        raise InvalidRequest(f"The JSON body nests more than {MAX_DEPTH} levels.", code=_BAD_JSON)
    return value


def _json(status: int, body: bytes) -> Answer:
    return Answer(status, {"content-type": "application/json"}, iter((body,)))
