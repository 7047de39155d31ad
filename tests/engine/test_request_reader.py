"""Reading a body: what is not an object, what nests too deeply, and what an overlay leaves unchanged."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.requests.request_body import read_object
from chat2response.engine.relay.relayed_request import peek_request
from chat2response.engine.request_reader import read_call, read_repaired
from chat2response.errors import InvalidRequest
from chat2response.wire.json import MAX_DEPTH, decode
from chat2response.wire.json_repair import HALF_CHARACTER
from tests.support.engine.scene import BODIES, DIALECTS, call_of

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]%b}'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"a":1}x', "invalid_json"),
        (b'{"a":NaN}', "invalid_json"),
        (b'{"a":"\xff"}', "invalid_json"),
        (b'{"a":"\\ud800"}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[]", "invalid_type"),
        (b'"text"', "invalid_type"),
        (b"null", "invalid_type"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_object(body)
    assert (caught.value.status, caught.value.code) == (400, code)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body_is_called_empty(body: bytes) -> None:
    for read in (read_object, lambda body: read_repaired(call_of("chat", body))):
        with pytest.raises(InvalidRequest, match=r"body of the request is empty: send a JSON object\."):
            read(body)


def test_what_only_lenient_readers_take_is_mended_and_named() -> None:
    body = b'\xef\xbb\xbf{"model":"m","a":["x\\ud83d"],"b":NaN,"b":1}'
    call = call_of("chat", body)
    assert read_repaired(call) == {"model": "m", "a": ["x\ufffd"], "b": 1}
    assert call.body == b'{"model":"m","a":["x\\ufffd"],"b":null,"b":1}'
    assert list(call.repairs) == [("a[0]", HALF_CHARACTER)]


@pytest.mark.parametrize(
    "body", [b"{", b'{"a":"\\ud83d"', b'{"a":"\xff\\ud83d"}', b'{"a":"\n\\ud83d"}', b"[NaN]"]
)
def test_what_cannot_be_mended_is_refused(body: bytes) -> None:
    call = call_of("chat", body)
    with pytest.raises(InvalidRequest):
        read_repaired(call)
    assert (call.body, call.repairs) == (body, ())


@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_a_relayed_body_is_checked_as_strict_readers_see_it(dialect: Any) -> None:
    spoken = DIALECTS[dialect]
    half = b'{"model":"m","x":"\\ud83d","model":"n"}'
    peek, checked = peek_request(half, spoken)
    assert (peek.model, checked) == ("n", b'{"model":"m","x":"\\ufffd","model":"n"}')
    plain = b'{"model":"m"}'
    assert peek_request(plain, spoken)[1] is plain
    for refused in (
        b'{"model\\ud83d":"m"}',
        b'{"tools":[{"ty\\ude00pe":1}],"model":"m"}',
        b'{"a":"\\ud83d"',
        b"[NaN]",
    ):
        with pytest.raises(InvalidRequest):
            peek_request(refused, spoken)


@pytest.mark.parametrize(("levels", "taken"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False), (900, False)])
def test_depth_has_a_bound(levels: int, taken: bool) -> None:
    inner = levels - 1
    wide = b",".join([b"[]"] * 200)  # many brackets are not depth
    body = b'{"wide":[%b],"deep":%b%b}' % (wide, b"[" * inner, b"]" * inner)
    if taken:
        assert read_object(body)
        return
    with pytest.raises(InvalidRequest, match=f"more than {MAX_DEPTH} levels|nested too deeply"):
        read_object(body)


@pytest.mark.parametrize("surface", ["chat", "responses", "proxy"])
@pytest.mark.parametrize("model", [{}, {"model": None}])
def test_a_model_must_be_named(surface: Any, model: dict[str, Any]) -> None:
    body = {name: value for name, value in BODIES[surface].items() if name != "model"} | model
    with pytest.raises(InvalidRequest) as caught:
        read_call(call_of(surface), body)
    assert caught.value.param == "model"


def test_the_query_wins_over_the_body() -> None:
    fields = {**BODIES["proxy"], "conversation": "conv_body", "previous_response_id": "resp_body"}
    call = call_of("proxy", conversation_id="conv_query", previous_response_id="resp_query")
    hub = read_call(call, fields)
    assert hub.body["conversation"] == "conv_query"
    assert hub.body["previous_response_id"] == "resp_query"
    assert fields["conversation"] == "conv_body", "what was decoded is not changed"


# -- overlay -----------------------------------------------------------------------------------------


def overlay(more: bytes, query: dict[str, Any] | None = None, quirks: Quirks = OPENAI_COMPATIBLE) -> bytes:
    body = BODY % more
    call = call_of("proxy", body, **(query or {}))
    fields = decode(body)
    return CHAT.with_usage(call.body, fields, read_call(call, fields), Backend(quirks=quirks))


def test_a_whole_answer_needs_no_overlay() -> None:
    body = b' , "stream" : false, "x": 1.10, "x": 2 '
    assert overlay(body) == BODY % body


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (b"", b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":null,"z":1', b',"stream_options":{"include_usage":true},"z":1'),
        (
            b',"stream_options":{"include_usage":false,"vendor":[1]},"z":1',
            b',"stream_options":{"include_usage":true,"vendor":[1]},"z":1',
        ),
        (
            b',"unknown":{"b":1,"a":[null,{}]},"seed":3,"b":2,"a":1',
            b',"unknown":{"b":1,"a":[null,{}]},"seed":3,"b":2,"a":1,"stream_options":{"include_usage":true}',
        ),
        (
            b',"big":123456789012345678901234567890',
            b',"big":123456789012345678901234567890,"stream_options":{"include_usage":true}',
        ),
    ],
)
def test_a_streams_overlay_adds_usage_and_keeps_fields_and_their_order(fields: bytes, sent: bytes) -> None:
    assert overlay(b',"stream":true' + fields) == BODY % (b',"stream":true' + sent)


def test_usage_is_not_added_where_the_backend_refuses_the_option() -> None:
    assert overlay(b',"stream":true', quirks=PROFILES["mistral"]) == BODY % b',"stream":true'


@pytest.mark.parametrize("stream", [b"", b',"stream":true'])
@pytest.mark.parametrize(
    ("more", "query", "param"),
    [
        (b',"n":2', {}, "n"),
        (b',"conversation":"conv_1"', {}, "conversation"),
        (b"", {"conversation_id": "conv_1"}, "conversation"),
        (b"", {"previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_a_chat_upstream_cannot_do_is_refused_by_name(
    stream: bytes, more: bytes, query: dict[str, str], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        overlay(more + stream, query)
    assert caught.value.param == param
