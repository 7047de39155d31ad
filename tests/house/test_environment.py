"""Only `settings/` reads the environment: no `os.environ`, and no library that would read it for us."""

import ast
from collections.abc import Iterable, Iterator

import pytest

from tests.support.house.source import Module, module, modules

READERS = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "get_exec_path"}
PACKAGES = {"dotenv", "pydantic_settings"}
# With the first two click fills options from variables; with the last, HTTP clients their proxies and logins.
KEYWORDS = {"envvar", "auto_envvar_prefix", "trust_env"}


def environment_faults(code: Iterable[Module]) -> Iterator[str]:
    """Each place outside `settings/` that reads the environment."""
    for mod in code:
        if mod.folder == "settings":
            continue
        for line, dotted in mod.imports():
            root, _, name = dotted.partition(".")
            if root in PACKAGES or (root == "os" and name in READERS):
                yield f"{mod.name}:{line} imports {dotted}"
        for node in ast.walk(mod.tree):
            if isinstance(node, ast.Attribute) and node.attr in READERS:
                yield f"{mod.name}:{node.lineno} uses .{node.attr}"
            elif isinstance(node, ast.keyword) and node.arg in KEYWORDS and not is_false(node.value):
                yield f"{mod.name}:{node.lineno} passes {node.arg}="


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def test_only_settings_reads_the_environment():
    assert list(environment_faults(modules())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nport = os.environ['PORT']",
        "import os\nport = os.getenv('PORT')",
        "import os as system\nport = system.environ.get('PORT')",
        "from os import environ",
        "from os import getenv as look",
        "from pydantic_settings import BaseSettings",
        "import click\nclick.option('--port', envvar='PORT')",
        "session = ClientSession(trust_env=True)",
    ],
)
def test_a_reader_is_found_and_settings_may_be_one(source):
    assert list(environment_faults([module("chat2response.cli.serve", source)]))
    assert not list(environment_faults([module("chat2response.settings", source)]))


@pytest.mark.parametrize("source", ["import os\nos.urandom(8)", "ClientSession(trust_env=False)"])
def test_other_uses_pass(source):
    assert not list(environment_faults([module("chat2response.net.http", source)]))
