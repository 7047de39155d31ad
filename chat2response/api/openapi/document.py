"""The OpenAPI document: FastAPI describes its own endpoints, this module adds the plain ASGI ones."""

from collections.abc import Mapping, Set
from typing import Any, Literal

from chat2response.api.openapi.components import (
    OpenAPIObject,
    error_responses,
    json_content,
    query_parameter,
    ref,
    request_body,
)
from chat2response.api.openapi.examples import CHAT, RESPONSES
from chat2response.api.openapi.schemas import SCHEMAS
from chat2response.convert.quirks.profiles import PROFILES

ABOUT = """\
Use any OpenAI client (Chat Completions or Responses) with any OpenAI-compatible upstream, behind API keys.

Every response has the header x-request-id: the client's own, if it is printable and at most 128 characters \
long, else a new one. Every error is {"error": {"message", "type", "param", "code"}}. The header \
x-chat2response-losses names what a conversion had to leave out.

Send your API key as a bearer token (apiKey), in x-api-key (apiKeyHeader) or in api-key (azureKeyHeader). In \
managed mode it is a key from /keys/generate. In passthrough mode it is a key of the upstream, which the \
gateway passes on. In open mode you need none. A request with two different keys is rejected.

The admin plane (/keys*, /usage, /audit, /metrics) accepts requests from the gateway's own machine and from \
other addresses that the operator allows. From elsewhere, send the admin token or a key with an admin grant \
(adminBearer or adminHeader)."""

Plane = Literal["whole", "data", "admin"]
"""What a listener serves: everything, or one of the two planes if each has its own listener."""

_SCHEMES: OpenAPIObject = {
    "apiKey": {"type": "http", "scheme": "bearer"},
    "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "azureKeyHeader": {"type": "apiKey", "in": "header", "name": "api-key"},
    "adminBearer": {"type": "http", "scheme": "bearer"},
    "adminHeader": {"type": "apiKey", "in": "header", "name": "x-admin-token"},
}
_KEY: list[OpenAPIObject] = [{"apiKey": []}, {"apiKeyHeader": []}, {"azureKeyHeader": []}]
_ADMIN: list[OpenAPIObject] = [{}, {"adminBearer": []}, {"adminHeader": []}]
_EVENTS: OpenAPIObject = {
    "text/event-stream": {"schema": {"type": "string", "description": "The events, if stream is true."}}
}


_LINKS = [
    query_parameter("conversation_id", "Becomes `conversation` of the Responses request."),
    query_parameter("previous_response_id", "Becomes `previous_response_id` of the Responses request."),
]


def complete(document: Mapping[str, Any], public: Set[str], plane: Plane = "whole") -> dict[str, Any]:
    """Completes FastAPI's document with the plain ASGI endpoints. `public`: paths outside the admin plane."""
    components = document.get("components", {})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in public else _ADMIN
    calls = {} if plane == "admin" else {**_bridge(), **_models()}
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


def _bridge() -> dict[str, OpenAPIObject]:
    responses = _call(
        "create_response",
        "Responses in, Responses out",
        "The Responses API, whichever API the upstream speaks.",
        request_body(ref("ResponsesRequest"), RESPONSES),
        "Response",
    )
    chat = _call(
        "create_chat_completion",
        "Chat in, Chat out",
        "The Chat Completions API, whichever API the upstream speaks.",
        request_body(ref("ChatRequest"), CHAT),
        "ChatCompletion",
    )
    proxy = _call(
        "proxy",
        "Chat in, Responses out",
        "Takes a Chat Completions request and answers like the Responses API: a response, or its events.",
        {**request_body(ref("ChatRequest"), CHAT), "parameters": _LINKS},
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


def _call(name: str, summary: str, about: str, request: OpenAPIObject, response: str) -> OpenAPIObject:
    """An operation that calls the upstream."""
    content = {**json_content(ref(response)), **_EVENTS}
    operation = _operation(name, summary, "bridge", content, (400, 401, 413, 415, 502, 503, 504))
    return {**operation, "description": about, "security": _KEY, **request}


def _convert() -> OpenAPIObject:
    to = query_parameter(
        "to",
        "The target: `responses` converts a Chat request, `chat` converts a Responses request.",
        {"type": "string", "enum": ["responses", "chat"], "default": "responses"},
    )
    profile = query_parameter(
        "profile",
        "With `to=chat`: the Chat backend to convert for; by default the gateway's own upstream.",
        {"type": "string", "enum": list(PROFILES)},
    )
    body: OpenAPIObject = {"anyOf": [ref("ChatRequest"), ref("ResponsesRequest")]}
    converted: OpenAPIObject = {"anyOf": [ref("ResponsesRequest"), ref("ChatRequest")]}
    return {
        **_operation(
            "convert", "Convert a request", "bridge", json_content(converted), (400, 403, 413, 415, 503)
        ),
        "description": "Returns the request in the other dialect and sends it nowhere. You need no key; the "
        "body may have 256 KiB without one, and 4 MiB with one.",
        **request_body(body, CHAT),
        "parameters": [to, profile, *_LINKS],
    }


def _models() -> dict[str, OpenAPIObject]:
    errors = (400, 401, 502, 503, 504)
    models = _operation(
        "list_models", "The upstream's models", "models", json_content(ref("ModelList")), errors
    )
    model = {
        **_operation("get_model", "One model", "models", json_content(ref("Model")), (404, *errors)),
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


def _health() -> dict[str, OpenAPIObject]:
    health = json_content(ref("Health"))
    ready = _operation(
        "ready",
        "Whether the gateway can serve requests: the key store works, and it is not shutting down",
        "operation",
        health,
    )
    ready["responses"]["503"] = {"description": "Not ready.", "content": health}
    return {
        "/livez": {"get": _operation("live", "Whether the process answers", "operation", health)},
        "/readyz": {"get": ready},
        "/healthz": {"get": {**ready, "operationId": "healthz"}},
        "/health": {"get": {**ready, "operationId": "health"}},
    }


def _operation(
    name: str, summary: str, tag: str, content: OpenAPIObject, statuses: tuple[int, ...] = ()
) -> OpenAPIObject:
    errors = {str(status): response for status, response in error_responses(*statuses).items()}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [],
        "responses": {"200": {"description": "Success.", "content": content}, **errors},
    }


def _unversioned(operation: OpenAPIObject) -> OpenAPIObject:
    """The operation for the path without /v1."""
    return {**operation, "operationId": f"{operation['operationId']}_unversioned"}
