"""Log lines: the server's handler writes the access line without a record, and as if it had one."""

import logging
from collections.abc import Callable
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from chat2response.api.http.access_log import AccessLog
from chat2response.observe.call_record import CallRecord
from chat2response.server.logs import LineFormatter, NonBlockingHandler
from chat2response.server.nonblocking_output import NonBlockingOutput


def request() -> Any:
    record = CallRecord("chat", "chat", "key-1")
    record.model, record.outcome = "m", "completed"
    return SimpleNamespace(
        id="req-1",
        scope={"method": "POST"},
        tenant="key-1",
        status=200,
        error=None,
        size=7,
        record=record,
        headers={},
    )


class Server:
    """The server's own handler, as the only one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._written = StringIO()
        self._output = NonBlockingOutput(lambda: self._written)
        monkeypatch.setattr(logging.root, "handlers", [NonBlockingHandler(self._output, LineFormatter())])
        monkeypatch.setattr(logging.getLogger("chat2response.access"), "level", logging.INFO)

    @property
    def lines(self) -> str:
        assert self._output.flush(5.0)
        return self._written.getvalue()


@pytest.fixture
def make_server(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Server]:
    """Called in the test itself: pytest adds handlers of its own before."""
    return lambda: Server(monkeypatch)


def test_the_access_line_needs_no_record(
    make_server: Callable[[], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server()
    monkeypatch.setattr(logging.getLogger("chat2response.access"), "callHandlers", None)  # it would raise
    AccessLog("/v1/chat/completions")(request(), 0.0)
    line = server.lines
    assert " INFO chat2response.access: req-1 POST /v1/chat/completions key=key-1 model=m " in line
    assert line.endswith("\n")


def test_it_is_the_line_that_a_record_makes() -> None:
    formatter, created = LineFormatter(), 1_700_000_000.25
    record = logging.LogRecord("chat2response.access", logging.INFO, "", 0, "a line", None, None)
    record.created, record.msecs = created, 250.0
    assert formatter.line(created, "INFO", record.name, "a line") == LineFormatter().format(record)


def test_whoever_else_listens_gets_records(
    make_server: Callable[[], Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = make_server()
    logging.root.addHandler(caplog.handler)
    AccessLog("/proxy")(request(), 0.0)
    assert [record.name for record in caplog.records] == ["chat2response.access"]
    assert "POST /proxy" in server.lines
