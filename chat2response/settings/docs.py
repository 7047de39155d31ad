"""The settings told: as a table for people, as a JSON Schema for machines, and those that are in effect."""

import ast
import inspect
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import SecretStr

from chat2response.observe.redact import masked_url
from chat2response.settings.model import URLS, Settings

_ABOUT = (
    "Environment variables, or lines of a .env file. There every value is text; true is 1, true, yes or on. "
    "An empty variable is one that is not set."
)


def schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of an object that holds the variables by name."""
    made, said = Settings.model_json_schema(), _descriptions()
    described = {
        name.upper(): {**_property(each), "description": said[name.lower()]}
        for name, each in made["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of chat2response",
        "description": _ABOUT,
        "type": "object",
        "properties": described,
        "additionalProperties": False,
        "$defs": made.get("$defs", {}),
    }


def table() -> Iterator[str]:
    """A line of Markdown for each variable, below two that head them."""
    yield "| Variable | Default | |"
    yield "| --- | --- | --- |"
    said = _descriptions()
    for name, field in Settings.model_fields.items():
        default = _text(field.default)
        shown = f" `{default}` " if default else " "
        yield f"| `{name.upper()}` |{shown}| {said[name]} |"


def effective(settings: Settings) -> Iterator[str]:
    """A line of a .env file for each variable: a default is commented out, a secret not shown.

    Of an address only what is secret in it is not: its password.
    """
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name in URLS and (url := settings.url(name)) is not None:
            value = masked_url(url)
        line = f"{name.upper()}={'[set]' if isinstance(value, SecretStr) else _text(value)}"
        yield line if name in settings.model_fields_set and value is not None else f"#{line}"


def _descriptions() -> dict[str, str]:
    """What stands below each field. Read out of the source when it is asked for: at every start it would be
    a tenth of it."""
    (made,) = ast.parse(dedent(inspect.getsource(Settings))).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, below in pairwise(made.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(said))):
                found[name] = said
    return found


def _property(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name != "title"}


def _text(value: Any) -> str:
    """As it is written in the environment."""
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
