"""The seal of a call: whose it is, and when there is one."""

import dataclasses
from typing import Any

import pytest

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.hub import HubRequest
from chat2response.engine.call import Call
from chat2response.engine.seal_selection import with_seal
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Target
from chat2response.wire.values import replace
from tests.support.engine.scene import call_of

RING = Sealing(["0123456789abcdef" * 2])
TARGET = Target(CHAT, "http://a/v1")
HUB = HubRequest(body={"model": "m", "input": "hi"}, dialect="responses")
CALL = call_of("responses", b'{"include":["reasoning.encrypted_content"]}', "key_a")


def seal_of(call: Call = CALL, target: Target = TARGET, model: str = "m") -> Any:
    hub = dataclasses.replace(HUB, body={**HUB.body, "model": model})
    return with_seal(hub, call, target, RING).seal


def test_there_is_one_only_where_it_may_be_needed():
    assert seal_of() is not None
    assert seal_of(replace(CALL, body=b'{"include":[]}')) is None
    assert seal_of(target=Target(RESPONSES, "http://a/v1")) is None
    assert with_seal(HUB, CALL, TARGET, None) is HUB


PASSED = replace(CALL, tenant=None, authorization="Bearer sk-a")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (seal_of(), seal_of(replace(CALL, request_id="req_2")), True),
        (seal_of(), seal_of(replace(CALL, tenant="key_b")), False),
        (seal_of(), seal_of(model="n"), False),
        (seal_of(), seal_of(target=Target(CHAT, "http://b/v1")), False),
        (seal_of(PASSED), seal_of(replace(PASSED, authorization="bearer  sk-a")), True),
        (seal_of(PASSED), seal_of(replace(PASSED, authorization="Bearer sk-b")), False),
        (seal_of(PASSED), seal_of(replace(PASSED, authorization=None)), False),
        (seal_of(PASSED), seal_of(replace(CALL, tenant="sk-a")), False),
    ],
)
def test_it_is_bound_to_tenant_upstream_and_model(first: Any, second: Any, same: bool):
    assert (second.open(first.seal(b"x")) == b"x") is same


def test_one_model_for_all_names_is_one_binding():
    one = dataclasses.replace(TARGET, backend=Backend("up"))
    assert seal_of(target=one, model="n").open(seal_of(target=one, model="m").seal(b"x")) == b"x"
