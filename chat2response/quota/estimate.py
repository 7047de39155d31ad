"""`Ask`: what a call would use, told before it runs, and what of it is only guessed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 1000
"""What one picture or file is taken for, whatever its size: its bytes say nothing about its tokens."""
DEFAULT_OUTPUT_TOKENS = 1024
"""Set aside for a call that names no maximum, where its key does not say either."""

_MAX_NUMBER_LENGTH = 40  # characters of a number that came as text
_MEDIA = re.compile(rb";base64,[A-Za-z0-9+/=\\_-]+")
OUTPUT_LIMITS = (
    "max_output_tokens", "max_completion_tokens", "max_tokens",
    "n_predict", "num_predict", "max_new_tokens",
)  # fmt: skip
"""The names of an output limit: those of the APIs, and what llama.cpp, Ollama and TGI take as well."""
SEARCH_SWITCHES = ("web_search_options", "search_parameters", "enable_search", "plugins")
"""Fields that let a backend search the web: OpenAI's, xAI's, Qwen's, OpenRouter's."""
CHOICES = ("n", "best_of", "num_return_sequences")
_MAX_TOKENS = 2**40
"""What a number of tokens is taken for at most, so that a store can count it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A call at the door. Token counts are estimates: the upstream counts, and later."""

    model: str
    upstream: str
    """`chat`, `responses` or `demo`."""
    input_tokens: int = 0
    output_tokens: int | None = None
    """The most that the client asked for, for all of its choices; None: it did not say. Where it gave the
    limit under several names, the largest: which of them counts, each upstream decides for itself."""
    output_field: str | None = None
    """The client's own name of that limit."""
    unbounded: bool = False
    """A limit has a value that bounds nothing, as -1, which to some upstreams means no limit at all."""
    choices: int = 1
    tools: tuple[str, ...] = ()
    """The hosted tools it names: their types, and `mcp.<server_label>`."""
    fallbacks: tuple[str, ...] = ()
    """Other models that may answer (`models`, of OpenRouter)."""


def estimate_request(
    body: bytes, fields: Mapping[str, Any], upstream: str, limit_field: str = "max_tokens"
) -> Estimate:
    """The ask of a request of either dialect; `fields`: its body, decoded.

    `own`: the upstream's own name of the output limit.
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
    """A number as lenient parsers read it, `5.0` and `"5"` too; 0 for what bounds nothing."""
    if type(value) is str and len(value) <= _MAX_NUMBER_LENGTH:
        try:
            value = float(value)
        except ValueError:
            return 0
    if type(value) is float and isfinite(value):
        value = ceil(value)
    return min(max(value, 0), _MAX_TOKENS) if type(value) is int else 0


def estimate_input(body: bytes) -> int:
    """Tokens of a request's text, its JSON included, and of what it carries in base64."""
    if b";base64," not in body:
        return -(-len(body) // BYTES_PER_TOKEN)
    media = [match.end() - match.start() for match in _MEDIA.finditer(body)]
    return -(-(len(body) - sum(media)) // BYTES_PER_TOKEN) + MEDIA_TOKENS * len(media)


def _hosted_tools(fields: Mapping[str, Any]) -> list[str]:
    """Wherever a request can name them: its tools, those that stand in its input, and switches of vendors."""
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
    """An object alone is taken for an array of one: some servers do so, too."""
    return value if type(value) is list else [value] if type(value) is dict else []


def _is_local(environment: Any) -> bool:
    """Whether a shell runs at the client's, and in no container of the upstream's."""
    return environment is None or (type(environment) is dict and environment.get("type") == "local")


def _fallback_models(fields: Mapping[str, Any]) -> tuple[str, ...]:
    models = fields.get("models")
    return tuple(each for each in models if type(each) is str) if type(models) is list else ()


_CLIENT_TOOLS = frozenset({"function", "custom", "local_shell", "shell", "apply_patch", "tool_search"})
