"""What the operator says of models: context, modalities, reasoning levels; from a small JSON file.

    {"qwen3-coder": {"context_window": 262144, "reasoning_levels": ["low", "high"], "freeform": true},
     "llama-*": {"context_window": 131072, "input_modalities": ["text", "image"]}}

Names are those that clients use, or globs; an exact name counts before any glob, and the longest glob before
shorter ones. A name that is no glob is listed even where the upstream does not list it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from chat2response.wire.json import JSONError, convert_to, decode

_GLOB = frozenset("*?[")
_DESCRIPTIONS = {
    "none": "No reasoning", "minimal": "Barely any reasoning", "low": "Quick answers",
    "medium": "Balanced", "high": "Thorough", "xhigh": "As thorough as it gets", "max": "Without a limit",
}  # fmt: skip
_INSTRUCTIONS = (
    "You are a coding agent in the user's terminal, in a folder with their work. Read what is there before "
    "you change it, use the tools you are given to act and to check the result, keep to what was asked, and "
    "say in the end what you did and what you could not do."
)
_OUTPUT = {"mode": "bytes", "limit": 10_000}  # how much of a tool's output Codex keeps


class CatalogError(Exception):
    """The file cannot be used; the text tells the operator what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Of one model. `freeform`: it can write patches as text, in a tool without a JSON schema."""

    display_name: str | None = None
    description: str | None = None
    context_window: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    reasoning_levels: tuple[str, ...] = ()
    default_reasoning_level: str | None = None
    parallel_tool_calls: bool = True
    freeform: bool = False
    verbosity: bool = False
    instructions: str = _INSTRUCTIONS


@dataclass(frozen=True, slots=True)
class Catalog:
    """All descriptions, by name or glob."""

    models: Mapping[str, Description] = field(default_factory=dict)

    def of(self, name: str) -> Description | None:
        """What is said of a model; None: nothing."""
        if (exact := self.models.get(name)) is not None:
            return exact
        globs = [each for each in self.models if _GLOB & set(each) and fnmatchcase(name, each)]
        return self.models[max(globs, key=len)] if globs else None

    def listed(self, given: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """A list in both forms, of the upstream's entries and our own: `data` as OpenAI has it, `models` as
        Codex reads it, of those that are described.
        """
        data = list(given)
        known = [each.get("id") for each in data]  # of any type: a stranger's
        own = [name for name in self.models if not _GLOB & set(name) and name not in known]
        data += [{"id": name, "object": "model", "created": 0, "owned_by": "gateway"} for name in own]
        names = [each["id"] for each in data if type(each.get("id")) is str]
        described = [(name, said) for name in names if (said := self.of(name)) is not None]
        models = [_for_codex(name, said, number) for number, (name, said) in enumerate(described)]
        return {"object": "list", "data": data, "models": models}


def read_catalog(file: Path) -> Catalog:
    """Raises CatalogError."""
    try:
        value = convert_to(decode(file.read_bytes()), dict[str, dict[str, Any]])
        return Catalog({name: _description(name, each) for name, each in value.items()})
    except OSError as error:
        raise CatalogError(f"{file} cannot be read ({error.strerror})") from None
    except JSONError as error:
        raise CatalogError(f"{file} describes no models: {error}") from None


def _description(name: str, given: dict[str, Any]) -> Description:
    known = [each.name for each in fields(Description)]
    for each in given:
        if each not in known:
            raise JSONError(f"{each!r} of {name!r} is not one of {', '.join(known)}")
    try:
        described: Description = convert_to(given, Description)
    except JSONError as error:
        raise JSONError(f"{name!r}: {error}") from None
    return described


def _for_codex(name: str, said: Description, priority: int) -> dict[str, Any]:
    """An entry with every key that Codex 0.169 insists on, and those that we can fill."""
    levels = [
        {"effort": each, "description": _DESCRIPTIONS.get(each, each)} for each in said.reasoning_levels
    ]
    return {
        "slug": name,
        "display_name": said.display_name or name,
        "description": said.description,
        "default_reasoning_level": said.default_reasoning_level
        or (said.reasoning_levels[len(said.reasoning_levels) // 2] if levels else None),
        "supported_reasoning_levels": levels,
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "upgrade": None,
        "base_instructions": said.instructions,
        "supports_reasoning_summaries": bool(levels),
        "default_reasoning_summary": "auto" if levels else "none",
        "support_verbosity": said.verbosity,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform" if said.freeform else None,
        "web_search_tool_type": "text",
        "truncation_policy": _OUTPUT,
        "supports_parallel_tool_calls": said.parallel_tool_calls,
        "context_window": said.context_window,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": list(said.input_modalities),
    }
