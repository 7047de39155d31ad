"""Output to a reader that has stopped reading is buffered up to a bound, and never blocks the writer."""

import io
import os
import re
from pathlib import Path

import pytest

from chat2response.server.logs import SecretMask
from chat2response.server.nonblocking_output import NonBlockingOutput


def full_pipe() -> tuple[int, int]:
    """The two ends of a pipe whose buffer is full."""
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
        output = NonBlockingOutput(lambda: file)
        for each in range(1000):
            output.write(f"{each} \u00fc\n")
        assert output.flush(30.0)
        assert (tmp_path / "log").read_text("utf-8").split("\n")[:-1] == [
            f"{each} \u00fc" for each in range(1000)
        ]


def test_a_stream_without_a_file_is_written_to() -> None:
    stream = io.StringIO()
    output = NonBlockingOutput(lambda: stream)
    output.write("a\n")
    assert output.flush(30.0) and stream.getvalue() == "a\n"


def test_half_a_character_in_a_line_does_not_end_the_log(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        output = NonBlockingOutput(lambda: file, transform=SecretMask(("sk-operator-0123456789abcdef",)))
        for line in ("half \ud800 sk-operator-0123456789abcdef\n", "the next\n"):
            output.write(line)
            assert output.flush(30.0)
        assert (tmp_path / "log").read_text("utf-8") == "half \\ud800 [secret]\nthe next\n"


def test_who_writes_to_a_full_pipe_goes_on_and_what_is_lost_is_counted() -> None:
    reading, writing = full_pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as reader:
        output = NonBlockingOutput(lambda: stream, max_buffered=10_000)
        for _ in range(1000):
            output.write("x" * 99 + "\n")
        assert not output.flush(0.0)
        read = b""
        while not output.flush(0.01):
            read += reader.read(65_536)
        output.write("the last\n")
        while b"the last" not in read:
            read += reader.read(65_536)
    counts = re.findall(rb"\((\d+) log lines dropped: nothing reads this output\)\n", read)
    assert sum(map(int, counts)) == 900


def test_lines_that_come_together_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single line is written without delay."""
    naps: list[float] = []
    monkeypatch.setattr("chat2response.server.nonblocking_output.sleep", naps.append)
    monkeypatch.setattr("chat2response.server.nonblocking_output.monotonic", lambda: 100.0)
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    output = NonBlockingOutput(Stream)
    output.write("a\n")
    assert output.flush(30.0)
    assert naps == []
    output.write("b\n")
    assert output.flush(30.0)
    assert len(naps) == 1 and 0 < naps[0] <= 0.1
    assert "".join(writes) == "a\nb\n"


def test_a_reader_that_is_gone_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        output = NonBlockingOutput(lambda: stream)
        output.write("a\n")
        assert output.flush(30.0)
