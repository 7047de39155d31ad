"""Documentation of the settings: a Markdown table and a JSON Schema."""

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from textwrap import dedent
from typing import Any

from chat2response.settings.fields import Settings

_ABOUT = (
    "Environment variables, or lines of a .env file. Every value is text; true is 1, true, yes or on. "
    "An empty variable counts as not set."
)


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of an object that holds the variables by name."""
    model, descriptions = Settings.model_json_schema(), _descriptions()
    described = {
        name.upper(): {**_property(each), "description": descriptions[name.lower()]}
        for name, each in model["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of chat2response",
        "description": _ABOUT,
        "type": "object",
        "properties": described,
        "additionalProperties": False,
        "$defs": model.get("$defs", {}),
    }


def table() -> Iterator[str]:
    """The lines of a Markdown table: two header lines, then one for each variable."""
    yield "| Variable | Default | |"
    yield "| --- | --- | --- |"
    descriptions = _descriptions()
    for name, field in Settings.model_fields.items():
        default = environment_text(field.default)
        shown = f" `{default}` " if default else " "
        yield f"| `{name.upper()}` |{shown}| {descriptions[name]} |"


def _descriptions() -> dict[str, str]:
    """The docstring below each field, parsed from the source on demand: it takes a tenth of a start."""
    (definition,) = ast.parse(dedent(inspect.getsource(Settings))).body
    assert isinstance(definition, ast.ClassDef)
    descriptions = {}
    for field, below in pairwise(definition.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                descriptions[name] = text
    return descriptions


def _property(schema_of_field: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema_of_field.items() if name != "title"}


def environment_text(value: Any) -> str:
    """The text of a value in an environment variable."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case float():
            return f"{value:g}"
        case Enum():
            return str(value.value)
        case _:
            return str(value)
