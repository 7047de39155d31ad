"""The items of a conversation into Chat's messages: a file per family of items, a function per type."""

from typing import Any

from chat2response.convert.chat.history import builtin, calls, hosted, said
from chat2response.convert.chat.history.rest import REST, write_other
from chat2response.convert.chat.history.said import ROLES, WITHOUT_DEVELOPER
from chat2response.convert.chat.toolmap import ToolMap
from chat2response.convert.chat.turns import Turns
from chat2response.convert.check import invalid, missing, sequence, text
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.policy import Policy

_ITEMS = {**said.ITEMS, **calls.ITEMS, **builtin.ITEMS, **hosted.ITEMS, **REST}


def write_messages(
    hub: HubRequest, losses: Losses, tools: ToolMap, policy: Policy, told: str = ""
) -> list[dict[str, Any]]:
    """Chat's `messages` of the hub's instructions and input. Raises InvalidRequest with the client's path.

    `told`: what the gateway tells the model, behind the client's own instructions.
    """
    asked: Any = hub.body.get("input")
    if asked is None:
        raise missing(hub.field("input"))
    items = [{"role": "user", "content": asked}] if type(asked) is str else sequence(asked, "input")
    turns, quirks = Turns(hub, losses, tools, policy, items), tools.quirks
    instructions = text(hub.body.get("instructions") or "", "instructions")
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
        raise invalid(hub.field("input"), "The request has no message to send.")
    return messages
