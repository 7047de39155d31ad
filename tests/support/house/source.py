"""The package as syntax trees: what the house rules are checked on."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = "chat2response"


@dataclass(frozen=True)
class Module:
    """One file of the package: its dotted name (`chat2response.wire.json`) and its tree."""

    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def folder(self) -> str:
        """The top folder or file below the package; `__init__` is the package's own face."""
        return folder_of(self.name)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Each import as (line, dotted name): `from a import b` is `a.b`, relative ones are resolved.

        Imports inside functions and under TYPE_CHECKING count like all others.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        up = node.level - self.is_package
        anchor = parts[: len(parts) - up]
        return ".".join([*anchor, *([node.module] if node.module else [])])


def folder_of(dotted: str) -> str:
    """`chat2response.wire.json` -> `wire`; the package itself, or a name of its face, -> `__init__`."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module(name: str, source: str, *, is_package: bool = False) -> Module:
    """A module made of text, for showing that a checker fails on it."""
    return Module(name, ast.parse(source), is_package)


def modules() -> Iterator[Module]:
    """Every file of the package."""
    for path in sorted(ROOT.joinpath(PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield Module(name, ast.parse(path.read_bytes(), str(path)), is_package)
