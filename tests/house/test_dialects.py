"""The folders of the dialects have the same file names, and nothing above them asks for a dialect's name."""

import ast

import pytest

from tests.support.house.source import PACKAGE, ROOT, modules

FOLDER = ROOT / PACKAGE / "convert" / "dialects"
DIALECTS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__")
SAME_FILES = {
    "dialect.py",
    "request/request.py",
    "history/conversation.py",
    "tools/tool_definitions.py",
    "answer/answer_decoder.py",
    "answer/stream_reader.py",
    "answer/stream_encoder.py",
    "answer/tap.py",
    "answer/whole_answer.py",
}
NAMES = {*DIALECTS, "demo", "proxy"}


def test_there_are_dialects() -> None:
    assert {"chat", "responses"} <= set(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_has_the_files_of_the_others(name: str) -> None:
    assert {each for each in SAME_FILES if not (FOLDER / name / each).is_file()} == set()


def test_nobody_above_compares_with_a_dialects_name() -> None:
    found = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if module.folder in ("engine", "upstreams", "quota")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in NAMES
    ]
    assert found == []
