"""Videos for Chat backends, few of which accept them."""

import pytest

from chat2response.convert.quirks.quirks import Quirks
from chat2response.errors import InvalidRequest
from tests.support.convert.requests import Json, refused, resp_body, to_chat

VIDEO = {"type": "input_video", "video_url": "data:video/mp4;base64,AAAA"}


@pytest.mark.parametrize("part", [VIDEO, {**VIDEO, "video_url": {"url": VIDEO["video_url"]}}])
def test_a_video_goes_where_the_backend_takes_it(part: Json):
    converted = {"type": "video_url", "video_url": {"url": VIDEO["video_url"]}}
    body, losses = to_chat(resp_body(input=[{"role": "user", "content": [part]}]), Quirks(video=True))
    assert (body["messages"], losses) == ([{"role": "user", "content": [converted]}], [])
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": [part]}
    body, losses = to_chat(resp_body(input=[call, output]), Quirks(video=True))
    assert body["messages"][-1]["content"][1] == converted
    assert losses == ["input[1].output[0]; moved to a user message"]


def test_a_video_is_an_error_elsewhere_that_names_it():
    refused(to_chat, resp_body(input=[{"role": "user", "content": [VIDEO]}]), "input[0].content[0]")


def test_a_video_without_an_address_is_an_error():
    with pytest.raises(InvalidRequest) as caught:
        to_chat(resp_body(input=[{"role": "user", "content": [{"type": "input_video"}]}]), Quirks(video=True))
    assert caught.value.param == "input[0].content[0].video_url"
