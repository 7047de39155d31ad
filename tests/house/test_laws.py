"""A comment that cites a law gives its number and its name, as `docs/architecture.md` writes them."""

import re
from collections.abc import Iterator

from tests.support.house.source import ROOT

_LAW = re.compile(r"^(\d+)\. \*\*(.+?)\.?\*\*", re.MULTILINE)
_CITATION = re.compile(r"\b[Ll]aws? (\d+)\b[ ,(]*([^\n]*(?:\n *[^\n]*)?)")


def laws() -> dict[int, str]:
    """The name of each law, in lower case."""
    _, _, section = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("\n## Laws\n")
    return {int(number): name.lower() for number, name in _LAW.findall(section)}


def wrong_citations(text: str) -> Iterator[str]:
    """Each citation in `text` without its law's name behind its number."""
    names = laws()
    for number, rest in _CITATION.findall(text):
        name = names.get(int(number))
        if name is None or not " ".join(rest.split()).lower().startswith(name):
            yield f"law {number} {rest[:60]}"


def test_the_laws_are_numbered_from_one() -> None:
    assert list(laws()) == list(range(1, len(laws()) + 1))
    assert len(laws()) >= 16


def test_each_citation_names_its_law() -> None:
    for folder in ("chat2response", "bench"):
        for path in ROOT.joinpath(folder).rglob("*.py"):
            assert list(wrong_citations(path.read_text("utf-8"))) == [], path


def test_a_citation_without_a_name_is_found() -> None:
    assert not list(wrong_citations("Raises Unavailable (law 8, fail\n    closed)."))
    assert list(wrong_citations("Raises Unavailable (law 8)."))
    assert list(wrong_citations("(law 8, tenants never meet)"))
    assert list(wrong_citations("(law 99, fail closed)"))
