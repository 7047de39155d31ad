"""Relayed whole answers and errors: their bytes, their owners, and secrets that must not pass."""

from typing import Any

import pytest

from chat2response.errors import InvalidRequest, UpstreamError, UpstreamUnauthorized
from chat2response.stores.base import StoreDown
from tests.support.engine.fakes import JSON, FakeReply, FakeUpstream
from tests.support.engine.scene import KEY, Scene, whole

# -- whole answers -----------------------------------------------------------------------------------

ANSWER = b'{ "id": "resp_up", "object": "response", "output":[{"id":"msg_1"}], "x": 1e2, "x": 2 }'


async def test_a_whole_answer_passes_byte_for_byte_once_its_owner_is_recorded(scene: Scene) -> None:
    headers = [(b"x-ratelimit-remaining-requests", b"9")]
    reply = FakeReply(ANSWER, media_type="application/json; charset=utf-8", headers=headers)
    answer, body = await whole(scene.open(reply, "responses", "responses"))
    assert body == ANSWER
    assert (answer.status, answer.media_type, answer.headers) == (200, reply.media_type, headers)
    assert [await scene.owner(each) for each in ("resp_up", "msg_1")] == ["key-1", "key-1"]
    assert scene.outcomes == ["completed"]


async def test_a_whole_answer_is_refused_where_its_owner_cannot_be_recorded(scene: Scene) -> None:
    scene.store.down = True
    with pytest.raises(StoreDown):
        await whole(scene.open(FakeReply(ANSWER, media_type=JSON), "responses", "responses"))
    assert (
        await whole(scene.open(FakeReply(ANSWER, media_type=JSON), "responses", "responses", store=False))
    )[1]


@pytest.mark.parametrize("body", [b"no json", b"[1]", b"null"])
async def test_an_answer_that_is_none_is_the_clients_to_judge(scene: Scene, body: bytes) -> None:
    assert (await whole(scene.open(FakeReply(body, media_type=JSON), "responses", "responses")))[1] == body


async def test_json_in_place_of_a_stream_passes_as_json(scene: Scene) -> None:
    answer, body = await whole(
        scene.open(FakeReply(ANSWER, media_type=JSON), "responses", "responses", stream=True)
    )
    assert (answer.media_type, body) == (JSON, ANSWER)


async def test_the_clients_bytes_go_up_as_they_are(scene: Scene) -> None:
    upstream = FakeUpstream(FakeReply(ANSWER, media_type=JSON))
    async with scene.open(upstream, "responses", "responses", odd={"z": 1, "a": [None]}):
        pass
    assert upstream.requests == [b'{"model":"m","input":"Hi","odd":{"z":1,"a":[null]}}']


# -- refusals ----------------------------------------------------------------------------------------


async def test_a_refusal_passes_as_it_is(scene: Scene) -> None:
    body = b'{ "error": {"message": "Too fast.", "type": "rate_limit_error", "vendor": 1} }'
    headers = [(b"retry-after", b"7")]
    reply = FakeReply(body, status=429, media_type=JSON, headers=headers)
    answer, out = await whole(scene.open(reply, "chat", "chat", stream=True))
    assert (answer.status, out, answer.headers) == (429, body, headers)
    assert scene.outcomes == ["error"]


async def test_secrets_in_a_refusal_are_masked_and_the_rest_keeps_its_bytes(scene: Scene) -> None:
    body = b'{"error": {"message": "Bad key %b at inner.example"} , "x":1}' % KEY.encode()
    _, out = await whole(scene.open(FakeReply(body, status=400, media_type=JSON), "chat", "chat"))
    assert out == b'{"error": {"message": "Bad key [key] at [upstream]"} , "x":1}'


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_our_own_key_is_not_the_clients_fault(scene: Scene, status: int) -> None:
    body = b'{"error": {"message": "Incorrect API key"}}'
    with pytest.raises(UpstreamUnauthorized) as caught:
        await whole(scene.open(FakeReply(body, status=status, media_type=JSON), "chat", "chat"))
    assert (caught.value.status, caught.value.code) == (502, "upstream_authentication_error")
    reply = FakeReply(body, status=status, media_type=JSON)
    answer, out = await whole(scene.open(reply, "chat", "chat", managed=False))
    assert (answer.status, out) == (status, body)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b"<html>Bad things</html>", "<html>Bad things</html>"),
        (503, b'{"error": "overloaded"}', "overloaded"),
        (422, b'{"detail": [{"msg": "field required"}]}', "field required"),
        (410, b"", "The upstream answered with status 410."),
    ],
)
async def test_a_refusal_that_no_client_reads_is_put_into_the_shape_they_do(
    scene: Scene, status: int, body: bytes, message: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(FakeReply(body, status=status, media_type=JSON), "chat", "chat"))
    assert (caught.value.status, caught.value.message) == (status, message)


async def test_a_redirect_is_no_answer(scene: Scene) -> None:
    reply = FakeReply(b'{"error": {"message": "moved to inner.example"}}', status=307, media_type=JSON)
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(reply, "chat", "chat"))
    assert (caught.value.status, caught.value.message) == (
        502,
        "The upstream answered with status 307: redirects are not followed.",
    )


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"'])
@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_a_body_that_is_no_object_goes_nowhere(scene: Scene, surface: Any, body: bytes) -> None:
    upstream = FakeUpstream(FakeReply())
    run = scene.open(upstream, surface, surface)
    run.call.body = body
    with pytest.raises(InvalidRequest):
        await whole(run)
    assert upstream.requests == []


async def test_an_error_with_status_200_is_a_status_with_the_upstreams_headers(scene: Scene) -> None:
    body = b' { "error": {"message": "No room at inner.example.", "code": 503} }'
    reply = FakeReply(body, media_type=JSON, headers=[(b"retry-after", b"7")])
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(reply, "chat", "chat"))
    assert (caught.value.status, caught.value.message) == (503, "No room at [upstream].")
    assert caught.value.headers == {"retry-after": "7"}


async def test_a_failed_response_is_an_answer(scene: Scene) -> None:
    body = b'{"error": {"message": "No."}, "object": "response", "status": "failed", "id": "resp_up"}'
    _, out = await whole(scene.open(FakeReply(body, media_type=JSON), "responses", "responses"))
    assert out == body
