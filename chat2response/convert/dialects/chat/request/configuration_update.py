"""Applies `configuration_update` input items: settings that change in mid-conversation. The last one wins."""

from dataclasses import replace
from typing import Any, cast

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import require_object
from chat2response.wire.responses import ResponsesRequest

_TYPE = "configuration_update"
_FIELDS = ("reasoning", "text")


def apply_configuration_updates(hub: HubRequest) -> HubRequest:
    """Returns the request with the reasoning and text settings that its input items changed."""
    if _TYPE not in hub.item_kinds():
        return hub
    items: Any = hub.body.get("input")
    updates = [index for index, item in enumerate(items) if type(item) is dict and item.get("type") == _TYPE]
    body: dict[str, Any] = dict(hub.body)
    for index in updates:
        for name in _FIELDS:
            if items[index].get(name) is not None:
                changed = require_object(items[index][name], f"{hub.item_path(index)}.{name}")
                body[name] = {**(body.get(name) or {}), **changed}
    return replace(hub, body=cast(ResponsesRequest, body))
