"""`Ask`: what a call would use, told before it runs, and what of it is only guessed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BYTES_A_TOKEN = 4
MEDIA_TOKENS = 1000
"""What one picture or file is taken for, whatever its size: its bytes say nothing about its tokens."""
DEFAULT_OUTPUT_TOKENS = 1024
"""Set aside for a call that names no maximum, where its key does not say either."""

_MEDIA = re.compile(rb";base64,[A-Za-z0-9+/=\\_-]+")
_OUTPUT_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call at the door. Token counts are estimates: the upstream counts, and later."""

    model: str
    upstream: str
    """`chat`, `responses` or `demo`."""
    input_tokens: int = 0
    output_tokens: int | None = None
    """The most that the client asked for, for all of its choices; None: it did not say."""
    output_field: str | None = None
    """The client's own name of that limit."""
    choices: int = 1
    tools: tuple[str, ...] = ()
    """The hosted tools it names: their types, and `mcp.<server_label>`."""


def read_ask(body: bytes, fields: Mapping[str, Any], upstream: str) -> Ask:
    """The ask of a request of either dialect; `fields`: its body, decoded. Wrong types are skipped."""
    name = next((name for name in _OUTPUT_LIMITS if type(fields.get(name)) is int), None)
    n = fields.get("n")
    choices = n if type(n) is int and n > 1 else 1
    model = fields.get("model")
    return Ask(
        model=model if type(model) is str else "",
        upstream=upstream,
        input_tokens=input_estimate(body),
        output_tokens=None if name is None else max(fields[name], 0) * choices,
        output_field=name,
        choices=choices,
        tools=tuple(_hosted(fields.get("tools"))),
    )


def input_estimate(body: bytes) -> int:
    """Tokens of a request's text, its JSON included, and of what it carries in base64."""
    if b";base64," not in body:
        return -(-len(body) // BYTES_A_TOKEN)
    media = [match.end() - match.start() for match in _MEDIA.finditer(body)]
    return -(-(len(body) - sum(media)) // BYTES_A_TOKEN) + MEDIA_TOKENS * len(media)


def _hosted(tools: Any) -> list[str]:
    found = []
    for tool in tools if type(tools) is list else ():
        kind = tool.get("type") if type(tool) is dict else None
        if kind == "namespace":
            found += _hosted(tool.get("tools"))
        elif kind == "mcp":
            found.append(f"mcp.{tool.get('server_label')}")
        elif type(kind) is str and kind not in _CLIENTS_OWN:
            found.append(kind)
    return found


_CLIENTS_OWN = frozenset({"function", "custom", "local_shell", "shell", "apply_patch", "tool_search"})
