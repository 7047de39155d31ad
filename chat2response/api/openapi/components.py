"""Words for the OpenAPI document that more than one endpoint needs: bodies, answers, refusals."""

from collections.abc import Mapping
from typing import Any

Described = dict[str, Any]

JSON_TYPE = "application/json"

WHY = {
    400: "The request cannot be taken; `param` names the field that is wrong.",
    401: "No token, or not a good one.",
    403: "Not from here, or not from a web page of another origin.",
    404: "There is no such thing.",
    409: "What is there, or its state, stands against it.",
    413: "The body is too large.",
    415: "The body is not sent as what it must be.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many wrong credentials from this address.",
    502: "The upstream refused us, could not be reached, or could not be understood.",
    503: "Not now: the key store cannot be reached, or the gateway is shutting down or too busy.",
    504: "The upstream was silent for too long.",
}


def query(name: str, about: str, schema: Described | None = None) -> Described:
    """An optional parameter in the query."""
    return {"name": name, "in": "query", "description": about, "schema": schema or {"type": "string"}}


def ref(name: str) -> Described:
    """A schema of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_content(schema: Described, **more: Any) -> Described:
    """A body in JSON."""
    return {JSON_TYPE: {"schema": schema, **more}}


def takes(schema: Described, examples: Mapping[str, Any]) -> Described:
    """The request body of an operation. Each example, sent as it is to the demo, is answered with 200."""
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": json_content(schema, examples=shown)}}


def refusals(*statuses: int) -> dict[int | str, Described]:
    """The error answers of an operation, all of one shape."""
    return {
        status: {"description": WHY[status], "content": json_content(ref("Error"))} for status in statuses
    }
