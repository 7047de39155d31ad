"""Building blocks of the OpenAPI document: parameters, bodies, error responses."""

from collections.abc import Mapping
from typing import Any

OpenAPIObject = dict[str, Any]

JSON_TYPE = "application/json"

ERROR_DESCRIPTIONS = {
    400: "The request is invalid; `param` names the field.",
    401: "The credentials are missing or wrong.",
    403: "The credentials, the client's address or the web page's origin do not permit this.",
    404: "The resource does not exist.",
    409: "The request conflicts with the current state of the resource.",
    413: "The body is too large.",
    415: "The body has the wrong Content-Type or Content-Encoding.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many wrong credentials from this address.",
    502: "The upstream rejected the gateway, could not be reached, or sent an invalid response.",
    503: "Unavailable for now: the key store cannot be reached, or the gateway is shutting down or too busy.",
    504: "The upstream did not respond in time.",
}


def query_parameter(name: str, about: str, schema: OpenAPIObject | None = None) -> OpenAPIObject:
    """An optional query parameter."""
    return {"name": name, "in": "query", "description": about, "schema": schema or {"type": "string"}}


def ref(name: str) -> OpenAPIObject:
    """A reference to a schema of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_content(schema: OpenAPIObject, **more: Any) -> OpenAPIObject:
    """The content of a JSON body."""
    return {JSON_TYPE: {"schema": schema, **more}}


def request_body(schema: OpenAPIObject, examples: Mapping[str, Any]) -> OpenAPIObject:
    """The request body of an operation. A test sends each example to the demo and expects a 200."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": json_content(schema, examples=named)}}


def error_responses(*statuses: int) -> dict[int | str, OpenAPIObject]:
    """The error responses of an operation, all with the same schema."""
    return {
        status: {"description": ERROR_DESCRIPTIONS[status], "content": json_content(ref("Error"))}
        for status in statuses
    }
