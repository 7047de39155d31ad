"""`docs/pitfalls.md`: every row of known breakage on conversion and streaming has tests, and they exist."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = (*range(1, 19), *range(23, 44), 46, 47, 48, 52, 55, 56, 57, 59, 60)
_ROW = re.compile(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([^`]+)::([^`]+)`")

NAMED = {
    int(number): _TEST.findall(tests)
    for number, tests in _ROW.findall((ROOT / "docs" / "pitfalls.md").read_text("utf-8"))
}


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the test functions in a file below `tests/`."""
    source = ROOT / "tests" / file
    text = source.read_text("utf-8") if source.is_file() else ""
    return frozenset(re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row: int) -> None:
    assert NAMED.get(row), f"row {row} has no test in docs/pitfalls.md"
    missing = [f"{file}::{name}" for file, name in NAMED[row] if name not in names_in(file)]
    assert not missing, f"row {row} names tests that are gone: {missing}"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_test_that_bears_its_number(row: int) -> None:
    """`-k row_17` runs what the row is held by."""
    assert any(name.startswith(f"test_row_{row}_") for _, name in NAMED[row])


def test_a_test_that_bears_a_row_bears_one_of_these() -> None:
    """`test_row_17_...` of a row that the page does not have is a slip of the pen."""
    for source in (ROOT / "tests").rglob("test_*.py"):
        for name in names_in(str(source.relative_to(ROOT / "tests"))):
            if number := re.match(r"test_row_(\d+)_", name):
                assert int(number[1]) in NAMED, f"{source.name}: {name}"
