"""Makes a small instance of a JSON schema, for the demo model's arguments and structured output.

Supported: `type`, `enum`, `const`, `properties`, `required`, `items`, `minItems`, `anyOf`, `oneOf`, `allOf`,
`$ref` inside the schema, bounds of numbers and of a string's length, common `format`s. Not `pattern`.
"""

import math
from typing import Any
from urllib.parse import unquote

_MAX_DEPTH = 100
_MAX_SIZE = 10_000  # values and characters; a short schema can require any number
_WORD = "demo"
_FORMATS = {
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "date-time": "2026-01-01T12:00:00Z",
    "duration": "PT1H",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class NoInstance(Exception):
    """No small instance fits the schema; the message says why."""


def instance(schema: Any) -> Any:
    """A value that fits `schema`, with required properties only. Raises NoInstance."""
    try:
        return _Maker(schema).make(schema, (), 0)
    except OverflowError:
        raise NoInstance("its numbers are too large for the demo") from None


class _Maker:
    """Walks one schema; `refs`: the references that lead to the current place."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._budget = _MAX_SIZE

    def make(self, schema: Any, refs: tuple[str, ...], depth: int) -> Any:
        self._charge(1)
        if depth > _MAX_DEPTH:
            raise NoInstance("the schema is nested too deeply")
        if schema is False:
            raise NoInstance("a part of the schema allows no value")
        if type(schema) is not dict:
            return _WORD
        if "const" in schema:
            return schema["const"]
        if type(schema.get("enum")) is list and schema["enum"]:
            return schema["enum"][0]
        if "$ref" in schema:
            return self._follow(schema, refs, depth)
        for keyword in ("anyOf", "oneOf"):
            if type(schema.get(keyword)) is list:
                remaining = {key: value for key, value in schema.items() if key != keyword}
                return self._first([_merged(remaining, branch) for branch in schema[keyword]], refs, depth)
        if type(schema.get("allOf")) is list:
            return self.make(self._joined(schema), refs, depth + 1)
        return self._by_type(schema, refs, depth)

    def _by_type(self, schema: dict[str, Any], refs: tuple[str, ...], depth: int) -> Any:
        type_name = schema.get("type") or _implied_type(schema)
        if type(type_name) is list:
            return self._first([{**schema, "type": each} for each in type_name], refs, depth)
        if type_name == "object":
            return self._object(schema, refs, depth)
        if type_name == "array":
            return self._array(schema, refs, depth)
        if type_name == "string":
            return self._string(schema)
        if type_name in ("integer", "number"):
            return _number(schema, whole=type_name == "integer")
        if type_name in ("boolean", "null"):
            return True if type_name == "boolean" else None
        raise NoInstance(f"the type {type_name!r} is unknown")

    def _object(self, schema: dict[str, Any], refs: tuple[str, ...], depth: int) -> dict[str, Any]:
        """The required properties, in the schema's order, which models follow, too."""
        properties = schema.get("properties")
        properties = properties if type(properties) is dict else {}
        required = schema.get("required")
        names = [name for name in required if type(name) is str] if type(required) is list else []
        wanted = set(names)
        ordered = [name for name in properties if name in wanted] + [n for n in names if n not in properties]
        return {name: self.make(properties.get(name, True), refs, depth + 1) for name in ordered}

    def _array(self, schema: dict[str, Any], refs: tuple[str, ...], depth: int) -> list[Any]:
        count = _bound(schema, "minItems", 0)
        self._charge(count)
        return [self.make(schema.get("items", True), refs, depth + 1) for _ in range(int(count))]

    def _string(self, schema: dict[str, Any]) -> str:
        known = schema.get("format")
        if type(known) is str and known in _FORMATS:
            return _FORMATS[known]
        least = _bound(schema, "minLength", 0)
        self._charge(least)
        text = _WORD * max(1, math.ceil(least / len(_WORD)))
        length = max(least, min(len(_WORD), _bound(schema, "maxLength", math.inf)))
        return text[: int(length)]

    def _first(self, branches: list[Any], refs: tuple[str, ...], depth: int) -> Any:
        """The first branch with a finite instance; a branch that leads back to itself has none."""
        why = NoInstance("the schema has no usable alternative")
        for branch in branches:
            try:
                return self.make(branch, refs, depth + 1)
            except NoInstance as reason:
                why = reason
        raise why

    def _follow(self, schema: dict[str, Any], refs: tuple[str, ...], depth: int) -> Any:
        ref = schema["$ref"]
        if ref in refs:
            raise NoInstance("the schema has no finite instance")
        remaining = {key: value for key, value in schema.items() if key != "$ref"}
        return self.make(_merged(remaining, self._resolve(ref)), (*refs, ref), depth + 1)

    def _joined(self, schema: dict[str, Any]) -> Any:
        """`allOf` as one schema."""
        joined: Any = {key: value for key, value in schema.items() if key != "allOf"}
        for branch in schema["allOf"]:
            if type(branch) is dict and "$ref" in branch:
                branch = self._resolve(branch["$ref"])
            joined = _merged(joined, branch)
        return joined

    def _resolve(self, ref: Any) -> Any:
        if type(ref) is not str or ref[:1] != "#":
            raise NoInstance("references must stay inside the schema")
        value = self._root
        for name in unquote(ref[1:]).split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            if type(value) is not dict or name not in value:
                raise NoInstance(f"the reference {ref!r} does not exist")
            value = value[name]
        return value

    def _charge(self, count: float) -> None:
        self._budget -= max(0, math.ceil(count))
        if self._budget < 0:
            raise NoInstance("its smallest instance is too large for the demo")


def _merged(first: dict[str, Any], second: Any) -> Any:
    """Merges two schemas as far as properties go; `second` wins on conflicts."""
    if type(second) is not dict:
        return second if second is False else first
    both = {**first, **second}
    one, other = first.get("properties"), second.get("properties")
    if type(one) is dict and type(other) is dict:
        both["properties"] = {**one, **other}
    one, other = first.get("required"), second.get("required")
    if type(one) is list and type(other) is list:
        both["required"] = [*one, *other]
    return both


def _implied_type(schema: dict[str, Any]) -> str:
    """The type of a schema without `type`."""
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "minItems" in schema else "string"


def _number(schema: dict[str, Any], *, whole: bool) -> float:
    """The number nearest to 0 within the bounds; one step, or halfway, inside an exclusive bound."""
    above, below = _bound(schema, "exclusiveMinimum", -math.inf), _bound(schema, "exclusiveMaximum", math.inf)
    low, high = (
        max(above, _bound(schema, "minimum", -math.inf)),
        min(below, _bound(schema, "maximum", math.inf)),
    )
    value = min(max(0, low), high)
    if whole:
        value = math.ceil(value) if value > 0 else math.floor(value)
    if value <= above:
        value = value + 1 if whole else (value + min(high, value + 2)) / 2
    elif value >= below:
        value = value - 1 if whole else (value + max(low, value - 2)) / 2
    step = _bound(schema, "multipleOf", 0)
    return math.ceil(value / step) * step if step else value


def _bound(schema: dict[str, Any], name: str, default: float) -> float:
    value = schema.get(name)
    return value if type(value) is int or type(value) is float else default
