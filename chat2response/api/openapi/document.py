"""The OpenAPI document: FastAPI describes its own endpoints, this adds those that are plain ASGI."""

from collections.abc import Mapping, Set
from typing import Any, Literal

from chat2response.api.openapi.components import Described, json_content, query, ref, refusals, takes
from chat2response.api.openapi.examples import CHAT, RESPONSES
from chat2response.api.openapi.schemas import SCHEMAS
from chat2response.convert.quirks.profiles import PROFILES

ABOUT = """\
Any OpenAI client (Chat Completions or Responses) on any OpenAI-compatible upstream, behind API keys.

Every answer carries x-request-id: the one that was sent, if it is printable and at most 128 characters, \
else one of the gateway's. Every error is {"error": {"message", "type", "param", "code"}}. What a conversion \
had to leave out is named in the header x-chat2response-losses.

apiKey (or apiKeyHeader, or azureKeyHeader: the same key in another header) is a key from /keys/generate \
where the gateway manages keys. In passthrough it is the upstream's own, which is passed on; in open mode \
nobody is asked for one. Two keys that differ are refused. The admin plane (/keys*, /audit, /metrics) \
answers requests from the gateway's own machine, or wherever else the operator allows it, and those with the \
admin token or a key that has an admin grant (adminBearer or adminHeader)."""

Face = Literal["whole", "data", "admin"]
"""What a listener serves: everything, or one of the two planes where each has a listener of its own."""

_SCHEMES: Described = {
    "apiKey": {"type": "http", "scheme": "bearer"},
    "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "azureKeyHeader": {"type": "apiKey", "in": "header", "name": "api-key"},
    "adminBearer": {"type": "http", "scheme": "bearer"},
    "adminHeader": {"type": "apiKey", "in": "header", "name": "x-admin-token"},
}
_KEY: list[Described] = [{"apiKey": []}, {"apiKeyHeader": []}, {"azureKeyHeader": []}]
_ADMIN: list[Described] = [{}, {"adminBearer": []}, {"adminHeader": []}]
_EVENTS: Described = {
    "text/event-stream": {"schema": {"type": "string", "description": "The events, where stream is true."}}
}


_LINKS = [
    query("conversation_id", "Becomes `conversation` of the Responses request."),
    query("previous_response_id", "Becomes `previous_response_id` of the Responses request."),
]


def complete(document: Mapping[str, Any], public: Set[str], face: Face = "whole") -> dict[str, Any]:
    """FastAPI's document with all that is not FastAPI's. `public`: paths outside the admin plane."""
    components = document.get("components", {})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in public else _ADMIN
    calls = {} if face == "admin" else {**_bridge(), **_models()}
    return {
        **document,
        "info": {**document["info"], "description": ABOUT},
        "paths": {**calls, **document["paths"], **_health()},
        "components": {
            **components,
            "schemas": {**SCHEMAS, **components.get("schemas", {})},
            "securitySchemes": _SCHEMES,
        },
    }


def _bridge() -> dict[str, Described]:
    responses = _call(
        "create_response",
        "Responses in, Responses out",
        "The Responses API, whatever the upstream speaks.",
        takes(ref("ResponsesRequest"), RESPONSES),
        "Response",
    )
    chat = _call(
        "create_chat_completion",
        "Chat in, Chat out",
        "The Chat Completions API, whatever the upstream speaks.",
        takes(ref("ChatRequest"), CHAT),
        "ChatCompletion",
    )
    proxy = _call(
        "proxy",
        "Chat in, Responses out",
        "A Chat Completions request, answered as the Responses API would: with a response, or its events.",
        {**takes(ref("ChatRequest"), CHAT), "parameters": _LINKS},
        "Response",
    )
    return {
        "/v1/responses": {"post": responses},
        "/v1/chat/completions": {"post": chat},
        "/proxy": {"post": proxy},
        "/convert": {"post": _convert()},
        "/responses": {"post": _unversioned(responses)},
        "/chat/completions": {"post": _unversioned(chat)},
    }


def _call(name: str, summary: str, about: str, asked: Described, answer: str) -> Described:
    """An operation that reaches the upstream."""
    content = {**json_content(ref(answer)), **_EVENTS}
    told = _operation(name, summary, "bridge", content, (400, 401, 413, 415, 502, 503, 504))
    return {**told, "description": about, "security": _KEY, **asked}


def _convert() -> Described:
    to = query(
        "to",
        "What to make: a Responses request of a Chat body, or a Chat request of a Responses body.",
        {"type": "string", "enum": ["responses", "chat"], "default": "responses"},
    )
    profile = query(
        "profile",
        "With `to=chat`: the Chat backend to write for; by default the gateway's own upstream.",
        {"type": "string", "enum": list(PROFILES)},
    )
    body: Described = {"anyOf": [ref("ChatRequest"), ref("ResponsesRequest")]}
    made: Described = {"anyOf": [ref("ResponsesRequest"), ref("ChatRequest")]}
    return {
        **_operation(
            "convert", "Translate a request", "bridge", json_content(made), (400, 403, 413, 415, 503)
        ),
        "description": "The request in the other dialect. Nothing is sent anywhere, and no key is needed: "
        "without one a body has at most 256 KiB, with one 4 MiB.",
        **takes(body, CHAT),
        "parameters": [to, profile, *_LINKS],
    }


def _models() -> dict[str, Described]:
    refused = (400, 401, 502, 503, 504)
    models = _operation(
        "list_models", "The upstream's models", "models", json_content(ref("ModelList")), refused
    )
    model = {
        **_operation("get_model", "One of them", "models", json_content(ref("Model")), (404, *refused)),
        "parameters": [
            {
                "name": "model",
                "in": "path",
                "required": True,
                "description": "The model's id.",
                "schema": {"type": "string"},
                "example": "demo",
            }
        ],
    }
    models["security"] = model["security"] = _KEY
    return {
        "/v1/models": {"get": models},
        "/v1/models/{model}": {"get": model},
        "/models": {"get": _unversioned(models)},
        "/models/{model}": {"get": _unversioned(model)},
    }


def _health() -> dict[str, Described]:
    health = json_content(ref("Health"))
    ready = _operation(
        "ready",
        "Whether it can do its work: the key store answers, it is not shutting down",
        "operation",
        health,
    )
    ready["responses"]["503"] = {"description": "It cannot, for now.", "content": health}
    return {
        "/livez": {"get": _operation("live", "Whether the process answers", "operation", health)},
        "/readyz": {"get": ready},
        "/healthz": {"get": {**ready, "operationId": "healthz"}},
        "/health": {"get": {**ready, "operationId": "health"}},
    }


def _operation(
    name: str, summary: str, tag: str, content: Described, refused: tuple[int, ...] = ()
) -> Described:
    answers = {str(status): answer for status, answer in refusals(*refused).items()}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [],
        "responses": {"200": {"description": "The answer.", "content": content}, **answers},
    }


def _unversioned(operation: Described) -> Described:
    """The same under the path without /v1."""
    return {**operation, "operationId": f"{operation['operationId']}_unversioned"}
