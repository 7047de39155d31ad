"""Replaces a `response_format` that the backend cannot enforce.

A JSON schema becomes JSON mode plus an instruction with the schema, or the instruction alone. The backend
does not enforce it then, which is a loss. JSON mode becomes a schema that any object matches, for backends
that take schemas only.
"""

from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import require_object
from chat2response.wire.json import encode

_ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
_JSON_ONLY = "Answer with one JSON object and nothing else: no text around it, no code fence."


def adapt_response_format(out: dict[str, Any], hub: HubRequest, losses: Losses, quirks: Quirks) -> str:
    """Leaves in `out` a `response_format` that the backend accepts. Returns an instruction for the model, or
    an empty string. Deterministic (law 5, prompt cache)."""
    response_format = out.get("response_format")
    if type(response_format) is not dict:  # a field of Chat's own name is not validated yet
        return ""
    kind = response_format.get("type")
    if kind not in ("json_schema", "json_object") or kind in quirks.response_formats:
        return ""
    if kind == "json_object" and "json_schema" in quirks.response_formats:
        out["response_format"] = _ANY_OBJECT
        return ""
    path = hub.field("text.format")
    if kind == "json_schema" and "json_object" in quirks.response_formats:
        out["response_format"] = {"type": "json_object"}
        losses.add(path, "emulated: JSON mode and the schema in an instruction")
    else:
        del out["response_format"]
        losses.add(path, "emulated: an instruction")
    if kind == "json_object":
        return _JSON_ONLY
    return _schema_instruction(
        require_object(response_format.get("json_schema"), "response_format.json_schema")
    )


def _schema_instruction(json_schema: dict[str, Any]) -> str:
    description = json_schema.get("description")
    schema = encode(json_schema.get("schema") or {}).decode()
    instruction = f"{_JSON_ONLY} It has to match this JSON Schema:\n{schema}"
    return f"{instruction}\n\n{description}" if type(description) is str and description else instruction
