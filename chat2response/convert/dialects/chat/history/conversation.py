"""Writes the items of a conversation as Chat messages, each item by the function for its type."""

from typing import Any

from chat2response.convert.dialects.chat.history import (
    client_tool_calls,
    hosted_tool_calls,
    tool_calls,
)
from chat2response.convert.dialects.chat.history import messages as message_items
from chat2response.convert.dialects.chat.history.messages import ROLES, WITHOUT_DEVELOPER
from chat2response.convert.dialects.chat.history.turns import Turns
from chat2response.convert.dialects.chat.history.unsupported import REST, write_other
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy
from chat2response.convert.validation import invalid_value, missing_field, require_array, require_string

_ITEMS = {
    **message_items.ITEMS,
    **tool_calls.ITEMS,
    **client_tool_calls.ITEMS,
    **hosted_tool_calls.ITEMS,
    **REST,
}


def write_messages(
    hub: HubRequest, losses: Losses, tools: ToolMap, policy: Policy, told: str = ""
) -> list[dict[str, Any]]:
    """Chat's `messages` of the hub's instructions and input. Raises InvalidRequest with the client's path.

    `told`: what the gateway tells the model, behind the client's own instructions.
    """
    asked: Any = hub.body.get("input")
    if asked is None:
        raise missing_field(hub.field("input"))
    items = [{"role": "user", "content": asked}] if type(asked) is str else require_array(asked, "input")
    turns, quirks = Turns(hub, losses, tools, policy, items), tools.quirks
    instructions = require_string(hub.body.get("instructions") or "", "instructions")
    opening: dict[str, Any] = {}
    if said := "\n\n".join(filter(None, (instructions, told))):
        role = (ROLES if quirks.developer_role else WITHOUT_DEVELOPER)["developer"]
        opening = {"role": role, "content": said}
        turns.system(opening, "instructions")
    for index, item in enumerate(items):
        kind = item.get("type")
        write = _ITEMS.get(kind, write_other) if type(kind) is str else write_other
        write(turns, index, item)
    messages = turns.written()
    if not messages or (not instructions and messages == [opening]):
        raise invalid_value(hub.field("input"), "The request has no message to send.")
    return messages
