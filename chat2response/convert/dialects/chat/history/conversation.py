"""Writes the items of a conversation as Chat messages, with one function per item type."""

from typing import Any

from chat2response.convert.dialects.chat.history import (
    client_tool_calls,
    hosted_tool_calls,
    tool_calls,
)
from chat2response.convert.dialects.chat.history import messages as message_items
from chat2response.convert.dialects.chat.history.messages import ROLES, WITHOUT_DEVELOPER
from chat2response.convert.dialects.chat.history.turns import TurnBuilder
from chat2response.convert.dialects.chat.history.unsupported import OTHER_ITEMS, write_unknown
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
    **OTHER_ITEMS,
}


def write_messages(
    hub: HubRequest, losses: Losses, tools: ToolMap, policy: Policy, extra_instruction: str = ""
) -> list[dict[str, Any]]:
    """Writes Chat's `messages` from the hub's instructions and input.

    `extra_instruction` is the gateway's own text for the model; it follows the client's instructions. Raises
    InvalidRequest with the client's path.
    """
    source: Any = hub.body.get("input")
    if source is None:
        raise missing_field(hub.field("input"))
    items = [{"role": "user", "content": source}] if type(source) is str else require_array(source, "input")
    turns, quirks = TurnBuilder(hub, losses, tools, policy, items), tools.quirks
    instructions = require_string(hub.body.get("instructions") or "", "instructions")
    instruction_message: dict[str, Any] = {}
    if instruction_text := "\n\n".join(filter(None, (instructions, extra_instruction))):
        role = (ROLES if quirks.developer_role else WITHOUT_DEVELOPER)["developer"]
        instruction_message = {"role": role, "content": instruction_text}
        turns.add_system_message(instruction_message, "instructions")
    for index, item in enumerate(items):
        kind = item.get("type")
        if kind is None and "role" in item:
            message_items.write_message(turns, index, item)
        else:
            write = _ITEMS.get(kind, write_unknown) if type(kind) is str else write_unknown
            write(turns, index, item)
    messages = turns.finish()
    if not messages or (not instructions and messages == [instruction_message]):
        raise invalid_value(hub.field("input"), "The conversation is empty. Send at least one message.")
    return messages
