"""Small instances of schemas."""

from typing import Any

import pytest

from chat2response.upstreams.demo.schema_instance import NoInstance, instance

NODE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "string"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "demo"),
        ({"type": "string", "maxLength": 2}, "de"),
        ({"type": "string", "minLength": 6}, "demode"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "string", "format": "unknown"}, "demo"),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"type": "string", "enum": ["red", "green"]}, "red"),
        ({"type": ["null", "string"]}, None),
        ({"type": "array", "items": {"type": "integer"}}, []),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
        ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": "demo"}),
        ({"required": ["x"]}, {"x": "demo"}),
        ({"anyOf": [False, {"type": "integer"}]}, 0),
        ({"description": "both", "oneOf": [{"type": "boolean"}]}, True),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "integer"}}}, 0),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"const": 1}}}, 1),
        (NODE, {"value": "demo", "next": None}),
        (True, "demo"),
        ({}, "demo"),
    ],
)
def test_the_instance_is_small_and_fits(schema: Any, expected: Any):
    assert instance(schema) == expected


def test_properties_stand_in_the_schemas_order():
    schema = {"properties": {"b": True, "a": True, "c": True}, "required": ["c", "a", "b"]}
    assert list(instance(schema)) == ["b", "a", "c"]


def test_all_of_is_one_schema():
    schema = {
        "type": "object",
        "properties": {"a": {"const": 1}},
        "required": ["a"],
        "allOf": [{"$ref": "#/$defs/b"}, {"required": ["c"]}],
        "$defs": {"b": {"properties": {"b": {"const": 2}}, "required": ["b"]}},
    }
    assert instance(schema) == {"a": 1, "b": 2, "c": "demo"}


@pytest.mark.parametrize(
    ("bounds", "whole", "broken"),
    [
        ({}, 0, 0),
        ({"minimum": 3}, 3, 3),
        ({"maximum": -3}, -3, -3),
        ({"minimum": 0.5}, 1, 0.5),
        ({"exclusiveMinimum": 0}, 1, 1),
        ({"exclusiveMaximum": 0}, -1, -1),
        ({"exclusiveMinimum": 0, "maximum": 1}, 1, 0.5),
        ({"minimum": -1, "exclusiveMaximum": 0}, -1, -0.5),
        ({"minimum": 7, "multipleOf": 5}, 10, 10),
    ],
)
def test_numbers_keep_their_bounds(bounds: Any, whole: float, broken: float):
    assert instance({"type": "integer", **bounds}) == whole
    assert instance({"type": "number", **bounds}) == broken


def deep(levels: int) -> dict[str, Any]:
    """Definitions each of which needs the next one twice."""
    twice = {"type": "object", "required": ["a", "b"]}
    defs = {
        f"d{n}": {**twice, "properties": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "ab"}}
        for n in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"type": "null"}}}


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"$ref": "#/missing"},
        {"$ref": "https://example.com/schema"},
        {"type": "shape"},
        {"anyOf": []},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 1e300},
        {"type": "number", "minimum": 1e300, "multipleOf": 1e-300},
        {"required": ["a"], "properties": {"a": {"$ref": "#"}}},
        deep(60),
        deep(3000),
    ],
)
def test_what_has_no_small_instance_is_refused(schema: Any):
    with pytest.raises(NoInstance):
        instance(schema)
