"""JSON is read and written in `wire/` only, so one place decides what is JSON and what its bytes are."""

import ast
from collections.abc import Iterable, Iterator

import pytest

from tests.support.house.source import Module, module, modules

CODECS = {"json", "orjson", "msgspec", "simplejson", "ujson", "rapidjson"}
# A library's own codec, called as a method: `await request.json()`, pydantic's text forms.
METHODS = {"model_dump_json", "model_validate_json", "validate_json", "dump_json"}


def json_faults(code: Iterable[Module]) -> Iterator[str]:
    """Each place outside `wire/` that brings or calls a codec of its own."""
    for mod in code:
        if mod.folder == "wire":
            continue
        for line, dotted in mod.imports():
            if dotted.partition(".")[0] in CODECS:
                yield f"{mod.name}:{line} imports {dotted}"
        for node in ast.walk(mod.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                if name in METHODS or name == "json":
                    yield f"{mod.name}:{node.lineno} calls .{name}()"


def test_only_wire_knows_a_codec():
    assert list(json_faults(modules())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import json",
        "import orjson as fast",
        "from json import loads",
        "import msgspec.json",
        "def late():\n    import orjson",
        "async def read(request):\n    return await request.json()",
        "text = model.model_dump_json()",
    ],
)
def test_a_codec_is_found_and_wire_may_have_one(source):
    assert list(json_faults([module("chat2response.api.bridge.convert", source)]))
    assert not list(json_faults([module("chat2response.wire.json", source)]))


@pytest.mark.parametrize(
    "source", ["from chat2response.wire import json\njson.decode(b'')", "from ..wire.json import encode"]
)
def test_our_own_codec_passes(source):
    assert not list(json_faults([module("chat2response.api.bridge.convert", source)]))
