"""A folder imports from lower floors only: the house's table, and what some floors must not know at all."""

import ast
from collections.abc import Iterable, Iterator

import pytest

from tests.support.house.source import PACKAGE, Module, folder_of, module, modules

# A row's folders belong together; rows of one floor are neighbours and do not see each other.
# Halves stand between floors: the library face on convert/, quota on keys, compose on settings.
FLOORS: list[tuple[float, set[str]]] = [
    (0, {"errors"}),
    (1, {"wire"}),
    (1, {"observe"}),
    (2, {"convert"}),
    (2, {"stores"}),
    (2, {"net"}),
    (2.5, {"__init__"}),
    (3, {"keys"}),
    (3, {"state"}),
    (3, {"upstreams"}),
    (3.5, {"quota"}),
    (4, {"engine"}),
    (5, {"api"}),
    (6, {"settings"}),
    (6.5, {"compose"}),
    (7, {"app"}),
    (8, {"server"}),
    (9, {"cli", "__main__"}),
]

# Where a floor sees less than all that lies below it.
ONLY = {"observe": {"errors"}, "__init__": {"errors", "wire", "convert"}, "settings": set[str]()}

WEB = {"fastapi", "starlette", "uvicorn"}
IMPURE = {
    *("asyncio", "concurrent", "datetime", "io", "logging", "os", "pathlib", "random", "secrets", "socket"),
    *("sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "uuid"),
    *("aiohttp", "anyio", "httpx", "pydantic"),
}
OWN_SOURCES = {"time", "new_id"}
# Packages that a folder must not know.
BARRED = {
    "convert": IMPURE,
    **dict.fromkeys(
        ("wire", "observe", "stores", "net", "keys", "state", "upstreams", "quota", "engine"), WEB
    ),
    "compose": WEB,
}


def row_of(folder: str) -> tuple[float, set[str]] | None:
    return next((row for row in FLOORS if folder in row[1]), None)


def may_see(folder: str, target: str) -> bool:
    """Whether code in `folder` may import from `target`; both stand in the table."""
    own, other = row_of(folder), row_of(target)
    assert own is not None
    assert other is not None
    if own is other:
        return True
    return other[0] < own[0] and target in ONLY.get(folder, {target})


def floor_faults(code: Iterable[Module]) -> Iterator[str]:
    """What breaks the table, one sentence each."""
    for mod in code:
        if row_of(mod.folder) is None:
            yield f"{mod.name}: {mod.folder!r} has no floor: add it to FLOORS in tests/house/test_floors.py"
            continue
        for line, dotted in mod.imports():
            root = dotted.partition(".")[0]
            if root in BARRED.get(mod.folder, ()):
                yield f"{mod.name}:{line} imports {root}, which {mod.folder} must not know"
            if root != PACKAGE:
                continue
            # `chat2response.X` where X has no floor is a name of the face.
            target = folder_of(dotted) if row_of(folder_of(dotted)) else "__init__"
            if not may_see(mod.folder, target):
                yield f"{mod.name}:{line} ({mod.folder}) imports {dotted} ({target}), which it must not see"


def purity_faults(code: Iterable[Module]) -> Iterator[str]:
    """Each place in convert/ that asks a clock or makes an id; as a default it may be named, not called."""
    for mod in code:
        if mod.folder != "convert":
            continue
        yield from (
            f"{mod.name}:{line} imports {name}" for line, name in mod.imports() if name[:5] == "time."
        )
        for node in ast.walk(mod.tree):
            if (
                isinstance(node, ast.Call)
                and (called := ast.unparse(node.func)).partition(".")[0] in OWN_SOURCES
            ):
                yield f"{mod.name}:{node.lineno} calls {called}()"


def test_convert_asks_no_clock_and_makes_no_id_itself():
    assert list(purity_faults(modules())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.time()",
        "import time\ndef f(at=None):\n    return at or int(time.monotonic())",
        "from time import time",
        "from chat2response.wire.ids import new_id\nname = new_id('msg')",
    ],
)
def test_an_own_clock_or_id_is_found(source):
    assert len(list(purity_faults([module("chat2response.convert.writer.response_writer", source)]))) == 1


def test_a_default_source_passes():
    source = "import time\ndef f(ids=new_id, clock=time.time):\n    return ids('msg'), clock()"
    assert not list(purity_faults([module("chat2response.convert.writer.response_writer", source)]))


def test_the_package_keeps_its_floors():
    assert list(floor_faults(modules())) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("chat2response.wire.sse", "import chat2response.convert.hub"),
        ("chat2response.wire.sse", "from chat2response.convert import hub"),
        ("chat2response.wire.sse", "from chat2response import convert"),
        ("chat2response.wire.sse", "from ..convert import hub"),
        ("chat2response.wire.sse", "from .. import engine"),
        ("chat2response.wire.sse", "def late():\n    from chat2response.engine.call import Call"),
        ("chat2response.wire.sse", "from chat2response import to_response"),
        ("chat2response.wire.sse", "from chat2response.observe import metrics"),
        ("chat2response.observe.log", "from chat2response.wire import json"),
        ("chat2response.stores.sqlite.store", "from chat2response.net import http"),
        ("chat2response.keys.verifier", "from chat2response.settings import Settings"),
        ("chat2response.settings", "from chat2response.compose import build"),
        ("chat2response.settings.checks", "from chat2response.net.proxies import Proxy"),
        ("chat2response.settings", "from chat2response.app import build"),
        ("chat2response.errors", "from chat2response.wire import json"),
        ("chat2response.convert.dialects.chat.answer.stream_reader", "import os.path"),
        ("chat2response.convert.dialects.chat.answer.stream_reader", "from random import choice"),
        ("chat2response.engine.call", "from starlette.requests import Request"),
        ("chat2response.compose", "import fastapi"),
    ],
)
def test_a_climbing_import_is_found(name, source):
    assert len(list(floor_faults([module(name, source)]))) == 1


@pytest.mark.parametrize("source", ["from chat2response.engine import call", "from chat2response import net"])
def test_the_face_sees_only_the_library(source):
    assert list(floor_faults([module("chat2response", source, is_package=True)]))
    assert list(floor_faults([module("chat2response", "from .stores import base", is_package=True)]))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "chat2response.convert.dialects.chat.answer.stream_reader",
            "from chat2response.convert.hub import HubRequest",
        ),
        ("chat2response.convert.dialects.chat.answer.stream_reader", "from ..hub import HubRequest"),
        ("chat2response.convert.dialects.chat.answer.stream_reader", "from ...wire import json"),
        ("chat2response.engine.call", "import orjson\nfrom chat2response.errors import BridgeError"),
        ("chat2response.upstreams.chat", "from chat2response import __version__"),
        ("chat2response.compose.upstreams", "from chat2response.net.options import NetOptions"),
        ("chat2response.__main__", "from chat2response.cli import main"),
        ("chat2response.api.management.keys", "from fastapi import APIRouter"),
    ],
)
def test_a_descending_import_passes(name, source):
    assert list(floor_faults([module(name, source)])) == []


def test_a_relative_import_in_a_package_file_starts_there():
    inside = module("chat2response.wire", "from .json import decode", is_package=True)
    assert [dotted for _, dotted in inside.imports()] == ["chat2response.wire.json.decode"]


def test_a_folder_without_a_floor_is_found():
    (fault,) = floor_faults([module("chat2response.attic.box", "")])
    assert "add it to FLOORS" in fault
