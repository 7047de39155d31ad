"""Request ids that connect the logs of client, gateway and upstream."""

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import every_way, json_or_stream, post, sdk_call
from tests.support.e2e.scripted_model import PATHS, ModelReply, speaking, stream, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))


@json_or_stream
@every_way
async def test_the_clients_id_is_kept(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    script = (stream if streamed else whole)(dialect, REPLY)
    upstream.play(script.adding(("X-Request-ID", "req_theirs"), ("openai-processing-ms", "12")))
    gateway = await start(dialect)
    gateway.http.headers["x-request-id"] = "client-1/2:3"

    answer = await post(gateway, surface, streamed=streamed)

    assert answer.headers["x-request-id"] == "client-1/2:3"
    assert upstream.last.headers["x-request-id"] == "client-1/2:3"
    assert answer.headers["x-upstream-request-id"] == "req_theirs"
    assert answer.headers["openai-processing-ms"] == "12"


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "é", "tab\there"], ids=repr)
async def test_an_id_that_is_none_is_replaced(start: Start, upstream: ScriptedUpstream, value: str) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")

    answer = await gateway.http.post(
        PATHS["chat"],
        json={"model": "m", "messages": []},
        headers=[(b"x-request-id", value.encode("latin-1"))],
    )

    result = answer.headers["x-request-id"]
    assert result.startswith("req_") and result != value
    assert upstream.last.headers["x-request-id"] == result


async def test_every_call_has_an_id_of_its_own(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(PATHS["chat"], speaking("chat", REPLY))
    gateway = await start("chat")

    answers = [await post(gateway, "responses") for _ in range(3)]
    result = [await sdk_call(gateway, "responses", streamed=False) for _ in range(3)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    ids = [answer.json()["id"] for answer in answers] + [each.id for each in result]
    assert len(set(ids)) == 6 and all(each.startswith("resp_") for each in ids)
    assert result[0]._request_id.startswith("req_")


async def test_row_60_one_id_for_all_events_and_chunks(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(PATHS["responses"], speaking("responses", REPLY))
    gateway = await start("responses")
    chunks = await sdk_call(gateway, "chat", streamed=True)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id.startswith("chatcmpl-")
