"""`configuration_update` items: settings that the conversation itself changed; the last one counts."""

from dataclasses import replace
from typing import Any, cast

from chat2response.convert.check import mapping
from chat2response.convert.hub import HubRequest
from chat2response.wire.responses import ResponsesRequest

_FIELDS = ("reasoning", "text")


def configured(hub: HubRequest) -> HubRequest:
    """The request with what its input changed: the effort, the format of the answer."""
    items: Any = hub.body.get("input")
    if type(items) is not list:
        return hub
    body: dict[str, Any] | None = None
    for index, item in enumerate(items):
        if type(item) is not dict or item.get("type") != "configuration_update":
            continue
        body = dict(hub.body) if body is None else body
        for name in _FIELDS:
            if item.get(name) is not None:
                changed = mapping(item[name], f"{hub.item_path(index)}.{name}")
                body[name] = {**(body.get(name) or {}), **changed}
    return hub if body is None else replace(hub, body=cast(ResponsesRequest, body))
