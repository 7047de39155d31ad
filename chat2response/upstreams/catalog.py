"""Describes models: context, modalities and reasoning levels, from a small JSON file of the operator's.

    {"qwen3-coder": {"context_window": 262144, "reasoning_levels": ["low", "high"], "freeform": true},
     "llama-*": {"context_window": 131072, "input_modalities": ["text", "image"]}}

Names are those that clients use, or globs. An exact name wins over globs, and the longest matching glob over
shorter ones. A name that is not a glob is listed even if the upstream does not list it.
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
    """The catalog file cannot be used; the message says what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """Describes one model. `freeform`: it can write patches as text, in a tool without a JSON schema."""

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

    models: Mapping[str, ModelDescription] = field(default_factory=dict)

    def of(self, name: str) -> ModelDescription | None:
        """The description of a model, if there is one."""
        if (exact := self.models.get(name)) is not None:
            return exact
        globs = [each for each in self.models if _GLOB & set(each) and fnmatchcase(name, each)]
        return self.models[max(globs, key=len)] if globs else None

    def model_list(self, entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """The upstream's entries and the catalog's own, in two forms: `data` as OpenAI lists them, and
        `models` as Codex reads them, for the described ones.
        """
        data = list(entries)
        known = [each.get("id") for each in data]  # of any type, as the upstream sent them
        own_names = [name for name in self.models if not _GLOB & set(name) and name not in known]
        data += [{"id": name, "object": "model", "created": 0, "owned_by": "gateway"} for name in own_names]
        names = [each["id"] for each in data if type(each.get("id")) is str]
        described = [(name, description) for name in names if (description := self.of(name)) is not None]
        models = [
            _codex_entry(name, description, number) for number, (name, description) in enumerate(described)
        ]
        return {"object": "list", "data": data, "models": models}


def read_catalog(file: Path) -> Catalog:
    """Reads the catalog from a file. Raises CatalogError."""
    try:
        value = convert_to(decode(file.read_bytes()), dict[str, dict[str, Any]])
        return Catalog({name: _description(name, each) for name, each in value.items()})
    except OSError as error:
        raise CatalogError(f"{file} cannot be read ({error.strerror})") from None
    except JSONError as error:
        raise CatalogError(f"{file} is not a valid model catalog: {error}") from None


def _description(name: str, entry: dict[str, Any]) -> ModelDescription:
    known = [each.name for each in fields(ModelDescription)]
    for each in entry:
        if each not in known:
            raise JSONError(f"unknown field {each!r} for {name!r}. Known: {', '.join(known)}")
    try:
        described: ModelDescription = convert_to(entry, ModelDescription)
    except JSONError as error:
        raise JSONError(f"{name!r}: {error}") from None
    return described


def _codex_entry(name: str, description: ModelDescription, priority: int) -> dict[str, Any]:
    """An entry with every key that Codex 0.169 requires, and those that the gateway can fill."""
    levels = [
        {"effort": each, "description": _DESCRIPTIONS.get(each, each)}
        for each in description.reasoning_levels
    ]
    return {
        "slug": name,
        "display_name": description.display_name or name,
        "description": description.description,
        "default_reasoning_level": description.default_reasoning_level
        or (description.reasoning_levels[len(description.reasoning_levels) // 2] if levels else None),
        "supported_reasoning_levels": levels,
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "upgrade": None,
        "base_instructions": description.instructions,
        "supports_reasoning_summaries": bool(levels),
        "default_reasoning_summary": "auto" if levels else "none",
        "support_verbosity": description.verbosity,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform" if description.freeform else None,
        "web_search_tool_type": "text",
        "truncation_policy": _OUTPUT,
        "supports_parallel_tool_calls": description.parallel_tool_calls,
        "context_window": description.context_window,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": list(description.input_modalities),
    }
