"""The access log has one line for each call, however it ends, and never a body, a token or a query."""

import logging
import re
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import CLIENT_MODEL, QUESTION, Surface
from tests.support.e2e.dialect_pairs import GUARDED, PATH, Reading, body_for, every_way, json_or_stream, post
from tests.support.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, speaking, stream
from tests.support.scripted_upstream import Script, ScriptedUpstream

LOGGER = "chat2response.access"
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}\n\n'
REPLY = ModelReply(text=("Hello", " there"))
LINE = re.compile(
    r"(?P<id>\S+) (?P<method>[A-Z]+) (?P<path>/\S+) key=(?P<key>\S+) model=(?P<model>\S+|'.*?') "
    r"target=(?P<target>\S+) status=(?P<status>\d+|-)(?: end=(?P<end>\w+))?(?: error=(?P<error>\S+))? "
    r"ms=(?P<ms>\d+) bytes=(?P<bytes>\d+) losses=(?P<losses>\S+)"
)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """`lines()`: the parsed lines of the log so far."""
    caplog.set_level(logging.INFO, LOGGER)

    def results() -> list[dict[str, str]]:
        output = [record.getMessage() for record in caplog.records if record.name == LOGGER]
        matches = [LINE.fullmatch(line) for line in output]
        assert None not in matches, output
        return [match.groupdict() for match in matches if match is not None]

    return results


@json_or_stream
@every_way
async def test_a_call_is_one_line_at_its_end(
    start: Start, upstream: ScriptedUpstream, lines: Any, surface: Surface, dialect: str, streamed: bool
) -> None:
    upstream.play_for(PATHS[dialect], speaking(dialect, REPLY))
    gateway = await start(dialect)

    answer = await post(gateway, surface, streamed=streamed)
    await gateway.idle()

    (line,) = lines()
    assert (line["method"], line["path"]) == ("POST", PATH[surface])
    assert line["id"] == answer.headers["x-request-id"]
    assert gateway.key.startswith(f"sk_{line['key']}.")
    assert line["model"] == CLIENT_MODEL
    assert line["target"] == f"{upstream.url}{PATHS[dialect].removeprefix('/v1')}"
    assert (line["status"], line["end"], line["error"]) == ("200", "completed", None)
    assert int(line["bytes"]) == len(answer.content)
    assert line["losses"] == "-"


@json_or_stream
async def test_losses_are_named_by_known_fields_only(
    start: Start, upstream: ScriptedUpstream, lines: Any, streamed: bool
) -> None:
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    gateway = await start("responses")
    await post(gateway, "chat", streamed=streamed, seed=7, canary_field={"canary": 1})
    await gateway.idle()
    (line,) = lines()
    assert "seed" in line["losses"].split(",")
    assert "canary" not in str(line)


async def test_a_stream_that_is_cut_ends_as_failed(
    start: Start, upstream: ScriptedUpstream, lines: Any
) -> None:
    upstream.play(stream("chat", REPLY).but(steps=(CHUNK,), end="cut"))
    gateway = await start("chat")
    answer = await post(gateway, "responses", streamed=True)
    await gateway.idle()
    (line,) = lines()
    assert (line["status"], line["end"]) == ("200", "failed")
    assert int(line["bytes"]) == len(answer.content)


async def test_a_client_that_hangs_up_is_a_line_too(
    start: Start, upstream: ScriptedUpstream, lines: Any
) -> None:
    upstream.play(stream("chat", REPLY).but(steps=(CHUNK,), end="stall"))
    gateway = await start("chat")
    body = body_for("responses", streamed=True)
    async with gateway.http.stream("POST", RESPONSES, json=body) as response:
        await Reading(response).until(b"response.created")
        assert lines() == []
    await upstream.until(lambda: upstream.last.gone.is_set())
    await gateway.idle()
    (line,) = lines()
    assert (line["status"], line["end"]) == ("200", "cancel")


@every_way
async def test_an_upstreams_refusal_is_a_line(
    start: Start, upstream: ScriptedUpstream, lines: Any, surface: Surface, dialect: str
) -> None:
    body = b'{"error": {"message": "slow down", "type": "t", "param": null, "code": "slow"}}'
    upstream.play(Script(PATHS[dialect], (body,), status=429))
    gateway = await start(dialect)
    await post(gateway, surface)
    await gateway.idle()
    (line,) = lines()
    assert (line["status"], line["end"], line["model"]) == ("429", "error", CLIENT_MODEL)


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_a_refused_key_is_a_line_without_it(start: Start, lines: Any, method: str, path: str) -> None:
    gateway = await start("chat")
    token = f"sk_{'0' * 32}.{'c' * 64}"
    headers = {"authorization": f"Bearer {token}"}
    await gateway.http.request(method, f"{path}?key=canary", headers=headers, content=b'{"model": "m"}')
    (line,) = lines()
    assert (line["method"], line["status"], line["error"]) == (method, "401", "invalid_api_key")
    assert (line["key"], line["model"]) == ("-", "-")
    assert token not in str(line) and "canary" not in str(line)


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", "400"), (b"[]", "400"), (b'{"model": "m", "input": 7}', "400")]
)
async def test_a_body_that_cannot_be_read_is_a_line(
    start: Start, lines: Any, body: bytes, status: str
) -> None:
    gateway = await start("chat")
    await gateway.post(RESPONSES, body)
    (line,) = lines()
    assert (line["status"], line["bytes"]) == (status, line["bytes"])
    assert line["error"] != "-" and line["key"] in gateway.key


async def test_nothing_of_the_talk_is_in_it(
    start: Start, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    for surface in PATH:
        await post(gateway, surface, metadata={"canary": "canary"})
    await gateway.idle()
    for word in (QUESTION, "Hello", "canary", gateway.key, gateway.key.partition(".")[2], OPERATOR_KEY):
        assert word not in caplog.text


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("two words", "'two words'"),
        ("a\nreq_2 POST /forged", "'a\\nreq_2"),
        ("m\u00fc", "'m\\xfc'"),
        ("x" * 5000, "'" + "x" * 100 + "'"),
        (f"{CLIENT_BEARER}", "[key]"),
        ({"a": 1}, "?"),
    ],
)
async def test_a_models_name_makes_up_no_line_and_tells_no_key(
    start: Start, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, model: Any, shown: str
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat", managed=False)
    await gateway.post(CHAT, {"model": model, "messages": []})
    await gateway.idle()
    (line,) = caplog.messages
    assert "\n" not in line and len(line) < 500
    assert f"model={shown}" in line
    assert CLIENT_BEARER not in line


async def test_choices_that_are_calls_of_their_own_are_one_line(
    start: Start, upstream: ScriptedUpstream, lines: Any
) -> None:
    upstream.play_for(RESPONSES, speaking("responses", REPLY))
    gateway = await start("responses")
    answer = await post(gateway, "chat", n=3, seed=1)
    await gateway.idle()
    (line,) = lines()
    assert (line["model"], line["end"], line["losses"]) == (CLIENT_MODEL, "completed", "seed")
    assert int(line["bytes"]) == len(answer.content)


async def test_other_endpoints_that_cost_something_are_in_it_and_probes_are_not(
    start: Start, upstream: ScriptedUpstream, lines: Any
) -> None:
    gateway = await start("chat")
    for path in ("/livez", "/readyz", "/status", "/nothing"):
        await gateway.http.get(path)
    assert lines() == []
    await gateway.http.get("/v1/models")
    await gateway.post("/convert", {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 7})
    models, converted = lines()
    assert (models["path"], models["status"]) == ("/v1/models", "200")
    assert (converted["path"], converted["end"], converted["losses"]) == ("/convert", "converted", "seed")


async def test_a_gateway_that_drains_logs_whom_it_refuses(start: Start, lines: Any) -> None:
    gateway = await start("chat")
    gateway.drain()
    await post(gateway, "chat")
    (line,) = lines()
    assert line["status"] == "503"


async def test_with_the_level_off_nothing_of_a_line_is_made(
    start: Start,
    upstream: ScriptedUpstream,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a line was made")

    monkeypatch.setattr("chat2response.api.http.access_log.AccessLog._line", fail)
    caplog.set_level(logging.WARNING, LOGGER)
    upstream.play_for(CHAT, speaking("chat", REPLY))
    gateway = await start("chat")
    assert (await post(gateway, "chat")).status_code == 200
