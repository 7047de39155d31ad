"""Folders: none is too full, each says what lives there, and no module imports in a circle."""

import ast
from collections.abc import Iterable, Iterator, Mapping

import pytest

from tests.support.house.source import PACKAGE, ROOT, Module, module, modules

MOST_FILES = 20


def test_no_folder_has_more_than_twenty_files() -> None:
    for folder in ROOT.joinpath(PACKAGE).rglob("*"):
        if folder.is_dir() and folder.name != "__pycache__":
            assert len(list(folder.glob("*.py"))) <= MOST_FILES, folder


def test_each_folder_says_what_lives_there() -> None:
    for mod in modules():
        if mod.is_package:
            text = ast.get_docstring(mod.tree) or ""
            assert text.count(".") >= 1, mod.name
            assert len(text.split()) >= 8, f"{mod.name}: {text!r} says too little"


def imports_of(code: Iterable[Module]) -> dict[str, set[str]]:
    """The modules that each module imports, of those in `code`; imports inside functions count."""
    known = {mod.name: mod for mod in code}
    graph: dict[str, set[str]] = {}
    for name, mod in known.items():
        targets = {dotted if dotted in known else dotted.rpartition(".")[0] for _, dotted in mod.imports()}
        graph[name] = {target for target in targets if target in known and target != name}
    return graph


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Every module that `start` imports, directly or through others."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += graph[name]
    return seen


def circles(graph: Mapping[str, set[str]]) -> Iterator[frozenset[str]]:
    """Each group of modules that import one another in a circle, once."""
    reached = {name: reachable(graph, name) for name in graph}
    yield from {
        frozenset(other for other in reached[name] if name in reached[other])
        for name in graph
        if name in reached[name]
    }


def test_no_module_imports_in_a_circle() -> None:
    assert set(circles(imports_of(modules()))) == set()


@pytest.mark.parametrize("late", ["", "def f():\n    "])
def test_a_circle_is_found(late: str) -> None:
    code = [
        module("chat2response.a", f"{late}from chat2response.b import x"),
        module("chat2response.b", "from chat2response import c"),
        module("chat2response.c", "from chat2response.a import y"),
        module("chat2response.d", "from chat2response.a import y"),
    ]
    group = frozenset({"chat2response.a", "chat2response.b", "chat2response.c"})
    assert set(circles(imports_of(code))) == {group}
