"""`Estimate`: what a call may use, computed from its request before it runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

from chat2response.convert.requests.output_limit import OUTPUT_LIMITS

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""The tokens counted for a picture or file of any size: its bytes say nothing about its tokens."""
DEFAULT_OUTPUT_TOKENS = 1024
"""The output tokens reserved if neither the request nor its key names a maximum."""

_MAX_NUMBER_LENGTH = 40  # characters of a number sent as text
_MEDIA = re.compile(rb";base64,[A-Za-z0-9+/=\\_-]+")
SEARCH_SWITCHES = ("web_search_options", "search_parameters", "enable_search", "plugins")
"""Fields that enable web search upstream: OpenAI's, xAI's, Qwen's, OpenRouter's."""
CHOICES = ("n", "best_of", "num_return_sequences")
_MAX_TOKENS = 2**40
"""The upper bound of any token count, so that a store can count it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call may use. The upstream counts the tokens later; these are estimates."""

    model: str
    upstream: str
    """The name of the upstream: `chat`, `responses` or `demo`."""
    input_tokens: int = 0
    output_tokens: int | None = None
    """The requested maximum for all choices together; None: none requested. Of several names the largest
    counts: which one applies is up to the upstream.
    """
    output_field: str | None = None
    """The client's name of that limit."""
    unbounded: bool = False
    """Whether a limit has a value without effect, such as -1, which some upstreams read as unlimited."""
    choices: int = 1
    tools: tuple[str, ...] = ()
    """The hosted tools in the request: their types, and `mcp.<server_label>`."""
    fallbacks: tuple[str, ...] = ()
    """Other models that may answer (OpenRouter's `models`)."""


def estimate_request(
    body: bytes, fields: Mapping[str, Any], upstream: str, limit_field: str = "max_tokens"
) -> Estimate:
    """The estimate for a request of either dialect; `fields`: its decoded body.

    `limit_field`: the upstream's own name of the output limit.
    """
    limits = {
        name: _number(fields[name]) for name in (*OUTPUT_LIMITS, limit_field) if fields.get(name) is not None
    }
    largest = max(limits, key=lambda name: limits[name], default=None)
    choices = max(1, *(_number(fields.get(name)) for name in CHOICES))
    model = fields.get("model")
    bounded = largest is not None and limits[largest] > 0
    return Estimate(
        model=model if type(model) is str else "",
        upstream=upstream,
        input_tokens=estimate_input(body),
        output_tokens=min(limits[largest] * choices, _MAX_TOKENS)
        if largest is not None and bounded
        else None,
        output_field=largest if bounded else None,
        unbounded=0 in limits.values(),
        choices=choices,
        tools=tuple(_hosted_tools(fields)),
        fallbacks=_fallback_models(fields),
    )


def _number(value: Any) -> int:
    """A number as lenient parsers read it (`5.0`, `"5"`); 0 for a value without effect as a limit."""
    if type(value) is str and len(value) <= _MAX_NUMBER_LENGTH:
        try:
            value = float(value)
        except ValueError:
            return 0
    if type(value) is float and isfinite(value):
        value = ceil(value)
    return min(max(value, 0), _MAX_TOKENS) if type(value) is int else 0


def estimate_input(body: bytes) -> int:
    """The tokens of a request's text (JSON included) and of its base64 media."""
    if b";base64," not in body:
        return -(-len(body) // BYTES_PER_TOKEN)
    media = [match.end() - match.start() for match in _MEDIA.finditer(body)]
    return -(-(len(body) - sum(media)) // BYTES_PER_TOKEN) + MEDIA_TOKENS * len(media)


def _hosted_tools(fields: Mapping[str, Any]) -> list[str]:
    """The hosted tools of a request: in its tools, in its input, and in vendors' switches."""
    tools = _tool_names(fields.get("tools"))
    for item in _as_array(fields.get("input")):
        if type(item) is dict and "tools" in item:
            tools += _tool_names(item["tools"])
    if fields.get("web_search_options") is not None or any(fields.get(name) for name in SEARCH_SWITCHES):
        tools.append("web_search")
    return tools


def _tool_names(tools: Any) -> list[str]:
    names = []
    for tool in _as_array(tools):
        kind = tool.get("type") if type(tool) is dict else None
        if kind == "namespace":
            names += _tool_names(tool.get("tools"))
        elif kind == "mcp":
            names.append(f"mcp.{tool.get('server_label')}")
        elif type(kind) is str and (kind not in _CLIENT_TOOLS or not _is_local(tool.get("environment"))):
            names.append(kind)
    return names


def _as_array(value: Any) -> list[Any]:
    """An array; a single object counts as an array of one, as in some servers."""
    return value if type(value) is list else [value] if type(value) is dict else []


def _is_local(environment: Any) -> bool:
    """Whether a shell runs on the client's side, and not in a container of the upstream's."""
    return environment is None or (type(environment) is dict and environment.get("type") == "local")


def _fallback_models(fields: Mapping[str, Any]) -> tuple[str, ...]:
    models = fields.get("models")
    return tuple(each for each in models if type(each) is str) if type(models) is list else ()


_CLIENT_TOOLS = frozenset({"function", "custom", "local_shell", "shell", "apply_patch", "tool_search"})
