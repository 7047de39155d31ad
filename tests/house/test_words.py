"""Identifiers use the field's words: a participle is no noun, and says nothing about what a thing is."""

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from tests.support.house.source import Module, module, modules

ODD = frozenset({"said", "told", "asked", "made", "given", "held", "kept", "found", "heard"})
# Names of other libraries, of HTTP and of asyncio.
ALLOWED = frozenset({"NotFound", "connection_made", "PackageNotFoundError"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words(name: str) -> set[str]:
    """The words of an identifier: `_KeyFound` and `key_found` are both `key` and `found`."""
    return {word.lower() for part in name.split("_") for word in _HUMP.split(part) if word}


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each identifier that a module defines or uses, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.lineno, name
            case (
                ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.ExceptHandler(name=str(name))
            ):
                yield node.lineno, name
            case ast.alias(name=name, asname=alias):
                yield node.lineno, alias or name.rpartition(".")[2]


def odd_names(code: Iterable[Module]) -> Iterator[str]:
    """Each identifier with an odd word, as `module:line name`."""
    for mod in code:
        for part in mod.name.split("."):
            if words(part) & ODD:
                yield f"{mod.name} {part}"
        for line, name in identifiers(mod.tree):
            if name not in ALLOWED and words(name) & ODD:
                yield f"{mod.name}:{line} {name}"


def test_identifiers_name_things() -> None:
    assert list(odd_names(modules())) == []


@pytest.mark.parametrize(
    "source",
    [
        "said = 1",
        "def f(told): ...",
        "def asked(): ...",
        "class Held: ...",
        "x.key_kept = 2",
        "f(given=1)",
        "import x as found",
        "class KeyHeard: ...",
        "_MADE = 1",
        "match x:\n    case [made]: ...",
        "try: ...\nexcept OSError as told: ...",
    ],
)
def test_an_odd_word_is_found(source: str) -> None:
    assert len(list(odd_names([module("chat2response.keys.record", source)]))) == 1


@pytest.mark.parametrize("source", ["except_ = NotFound", "foundation = 1", "shield = 1", "name = 'said'"])
def test_other_words_pass(source: str) -> None:
    assert not list(odd_names([module("chat2response.keys.record", source)]))
