"""`docs/upstreams.md` says what the profiles hold: its tables are made from the data, and compared here."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields

from chat2response.convert.quirks.profiles import GENERIC, PROFILES
from chat2response.convert.quirks.quirks import Quirks, with_overrides
from chat2response.wire.json import decode, encode
from tests.support.house.source import ROOT

PAGE = ROOT / "docs" / "upstreams.md"


def said(value: object) -> str:
    """A value as an operator writes it in `CHAT2RESPONSE_QUIRKS`."""
    if isinstance(value, frozenset):
        value = sorted(value)
    return f"`{encode(value).decode()}`"


def profile_rows() -> Iterator[str]:
    """One row a profile: what differs from OpenAI's defaults."""
    for name, quirks in PROFILES.items():
        differs = [
            f"`{each.name}` {said(getattr(quirks, each.name))}"
            for each in fields(Quirks)
            if getattr(quirks, each.name) != getattr(Quirks(), each.name)
        ]
        yield f"| `{name}` | {', '.join(differs)} |".replace("\\", "")


def field_rows() -> Iterator[str]:
    """One row a field: its default, and its docstring."""
    body = ast.parse(inspect.getsource(Quirks)).body[0]
    assert isinstance(body, ast.ClassDef)
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(before.target, ast.Name)
            assert isinstance(after.value, ast.Constant)
            about = " ".join(str(after.value.value).split())
            yield f"| `{before.target.id}` | {said(getattr(Quirks(), before.target.id))} | {about} |"


def section(heading: str) -> list[str]:
    """The table's rows under a heading."""
    text = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_the_table_of_profiles_is_that_of_the_code():
    assert section("Profiles") == list(profile_rows())


def test_the_table_of_fields_is_that_of_the_code():
    assert section("Fields") == list(field_rows())
    assert len(section("Fields")) == len(fields(Quirks))


def test_its_examples_can_be_used():
    examples = re.findall(r"CHAT2RESPONSE_QUIRKS='(.*)'", PAGE.read_text("utf-8"))
    assert examples
    for example in examples:
        with_overrides(Quirks(), decode(example))


def test_the_page_tells_how_to_reach_each_backend():
    how = PAGE.read_text("utf-8").partition("## Pointing at a backend\n")[2].partition("\n## ")[0]
    assert [name for name in PROFILES if name != GENERIC and f"PROFILE={name}" not in how] == []
