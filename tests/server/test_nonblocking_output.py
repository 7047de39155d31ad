"""What is written to a reader that has stopped reading waits within a bound, and stops nobody."""

import io
import os
import re
from pathlib import Path

import pytest

from chat2response.server.logs import Masks
from chat2response.server.nonblocking_output import Outlet


def full_pipe() -> tuple[int, int]:
    """Its ends; not a byte more goes in."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"." * 1024)
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing


def test_lines_come_out_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        outlet = Outlet(lambda: file)
        for each in range(1000):
            outlet.write(f"{each} \u00fc\n")
        assert outlet.flush(30.0)
        assert (tmp_path / "log").read_text("utf-8").split("\n")[:-1] == [
            f"{each} \u00fc" for each in range(1000)
        ]


def test_a_stream_without_a_file_is_written_to() -> None:
    stream = io.StringIO()
    outlet = Outlet(lambda: stream)
    outlet.write("a\n")
    assert outlet.flush(30.0) and stream.getvalue() == "a\n"


def test_half_a_character_in_a_line_does_not_end_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        outlet = Outlet(lambda: file, shown=Masks(("sk-operator-0123456789abcdef",)))
        for line in ("half \ud800 sk-operator-0123456789abcdef\n", "the next\n"):
            outlet.write(line)
            assert outlet.flush(30.0)
        assert (tmp_path / "log").read_text("utf-8") == "half \\ud800 [secret]\nthe next\n"


def test_who_writes_to_a_full_pipe_goes_on_and_what_is_lost_is_counted() -> None:
    reading, writing = full_pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as reader:
        outlet = Outlet(lambda: stream, most=10_000)
        for _ in range(1000):
            outlet.write("x" * 99 + "\n")
        assert not outlet.flush(0.0)
        read = b""
        while not outlet.flush(0.01):
            read += reader.read(65_536)
        outlet.write("the last\n")
        while b"the last" not in read:
            read += reader.read(65_536)
    counts = re.findall(rb"\((\d+) lines were dropped: nobody read them\)\n", read)
    assert sum(map(int, counts)) == 900


def test_lines_that_come_together_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that comes alone is not held back."""
    naps: list[float] = []
    monkeypatch.setattr("chat2response.server.nonblocking_output.sleep", naps.append)
    monkeypatch.setattr("chat2response.server.nonblocking_output.monotonic", lambda: 100.0)
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    outlet = Outlet(Stream)
    outlet.write("a\n")
    assert outlet.flush(30.0)
    assert naps == []
    outlet.write("b\n")
    assert outlet.flush(30.0)
    assert len(naps) == 1 and 0 < naps[0] <= 0.02
    assert "".join(writes) == "a\nb\n"


def test_a_reader_that_is_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        outlet = Outlet(lambda: stream)
        outlet.write("a\n")
        assert outlet.flush(30.0)
