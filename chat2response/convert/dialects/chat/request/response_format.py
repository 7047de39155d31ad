"""The form of the answer, for backends that cannot be held to the one that was asked for.

A schema goes as JSON mode and a text that has the schema, or as the text alone; it is asked for then and not
enforced, which is a loss. JSON mode goes as a schema that any object meets, where there are schemas only.
"""

from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.validation import require_object
from chat2response.wire.json import encode

_ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
_PLAIN = "Answer with one JSON object and nothing else: no text around it, no code fence."


def suit_format(out: dict[str, Any], hub: HubRequest, losses: Losses, quirks: Quirks) -> str:
    """Leaves in `out` a `response_format` that this backend takes. Returns what its model has to be told
    besides; the same request gives the same text."""
    asked = out.get("response_format")
    if type(asked) is not dict:  # under Chat's own name nobody has checked it
        return ""
    kind = asked.get("type")
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
        return _PLAIN
    return _told(require_object(asked.get("json_schema"), "response_format.json_schema"))


def _told(wanted: dict[str, Any]) -> str:
    about = wanted.get("description")
    said = f"{_PLAIN} It has to match this JSON Schema:\n{encode(wanted.get('schema') or {}).decode()}"
    return f"{said}\n\n{about}" if type(about) is str and about else said
