"""The secret file: private, created once by one of the workers. See tests/api/admin/test_token_file.py."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from chat2response.state.secret_file import read_or_create


def test_it_is_made_once_and_then_read(tmp_path: Path):
    path = tmp_path / "state" / "a.secret"
    first = read_or_create(path, lambda: "first")
    second = read_or_create(path, lambda: pytest.fail("created again"))
    assert (first.value, first.created, first.path) == ("first", True, path)
    assert (second.value, second.created) == ("first", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "first" not in repr(first)


def test_those_who_start_together_agree(tmp_path: Path):
    workers = 8
    together = Barrier(workers)

    def start(number: int) -> str:
        together.wait()
        return read_or_create(tmp_path / "a.secret", lambda: f"of {number}").value

    with ThreadPoolExecutor(workers) as pool:
        assert len(set(pool.map(start, range(workers)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.secret"]


def test_a_file_of_something_else_is_not_read_in_part(tmp_path: Path):
    (tmp_path / "a.secret").write_text("x" * 20000)
    with pytest.raises(OSError, match="longer than 16384 characters"):
        read_or_create(tmp_path / "a.secret", lambda: "x")


def test_what_an_operator_wrote_is_given_back_without_white_space(tmp_path: Path):
    (tmp_path / "a.secret").write_text("  one\ntwo \r\n")
    assert read_or_create(tmp_path / "a.secret", lambda: "x").value == "one\ntwo"
