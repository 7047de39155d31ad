"""The upstream reads what was checked: a checked key may occur only once."""

import pytest

from chat2response.convert.dialects.responses.request.duplicate_references import check_references
from chat2response.engine.duplicate_fields import check_permission_fields
from chat2response.errors import InvalidRequest


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"allowed","model":"other"}', "model"),
        (b'{"n":9,"n":1}', "n"),
        (b'{"max_output_tokens":9,"x":0,"max_output_tokens":1}', "max_output_tokens"),
        (b'{"tools":[],"tools":[{"type":"mcp"}]}', "tools"),
        (b'{"tools":[{"type":"function"},{"type":"mcp","type":"function"}]}', "tools[1].type"),
        (b'{"tools":[{"type":"namespace","tools":[{"type":"a","type":"b"}]}]}', "tools[0].tools[0].type"),
    ],
)
def test_what_a_key_must_be_allowed_to_ask_for_is_said_once(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_permission_fields(body)
    assert (caught.value.param, caught.value.code, caught.value.status) == (param, "duplicate_parameter", 400)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"allowed","Model":"other"}', "Model"),
        (b'{"max_tokens":1,"MAX_TOKENS":9}', "MAX_TOKENS"),
        (b'{"tool\xc5\xbf":[{"type":"mcp"}]}', "tool\u017f"),
        (b'{"\\u004Dodel":"other"}', "Model"),
        (b'{"tools":[{"type":"function","Type":"web_search"}]}', "tools[0].Type"),
        (b'{"input":[{"type":"additional_tools","Tools":[]}]}', "input[0].Tools"),
    ],
)
def test_another_spelling_that_some_servers_read_alike_is_refused(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_permission_fields(body)
    assert (caught.value.param, caught.value.code, caught.value.status) == (param, "unknown_parameter", 400)
    assert f"Write '{param.rpartition('.')[2].casefold()}'" in caught.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"Previous_response_id":"resp_1"}', "Previous_response_id"),
        (b'{"input":[{"type":"item_reference","Id":"msg_1"}]}', "input[0].Id"),
        (b'{"conversation":{"ID":"conv_1"}}', "conversation.ID"),
    ],
)
def test_another_spelling_of_what_names_a_kept_thing_is_refused(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_references(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":1,"x":2,"metadata":{"model":1,"model":2},"model":"m"}',
        b'{"tools":[7,{"type":"function","parameters":{"type":1,"type":2}}]}',
        b'{"tools":"none"}',
        b" {}",
    ],
)
def test_what_decides_nothing_may_be_there_twice(body: bytes) -> None:
    check_permission_fields(body)
    check_references(body)
