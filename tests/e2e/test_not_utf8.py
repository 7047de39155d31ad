"""Bytes that are not UTF-8, anywhere in a request: a 400, or passed on; never a 500."""

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, every_way
from tests.support.e2e.scripted_model import PATHS, ModelReply, whole
from tests.support.scripted_upstream import ScriptedUpstream

REST: dict[Surface, bytes] = {
    "chat": b'"messages":[{"role":"user","content":"x"%b}]',
    "proxy": b'"messages":[{"role":"user","content":"x"%b}]',
    "responses": b'"input":[{"role":"user","content":"x"%b}]',
}
INSIDE = [b',"\xff":1', b',"x":"\xff"', b',"x":{"\xff":1}', b',"id":"\xff"', b',"name":"\xff"']
BESIDE = [
    b',"\xff":1', b',"x":"\xff"', b',"n":2,"\xff":1', b',"n":2,"x":"\xff"', b',"store":true,"\xff":1',
    b',"previous_response_id":"resp_1","\xff":1', b',"conversation":{"id":"conv_1","\xff":1}',
    b',"tools":[{"type":"function","name":"f","\xff":1}]', b',"tools":[{"container":"c","\xff":1}]',
    b',"stream":true,"stream_options":{"\xff":1}', b',"model":"\xff"', b',"prompt_cache_options":{"\xff":1}',
]  # fmt: skip


@pytest.mark.parametrize("limited", [False, True], ids=["", "limited"])
@every_way
async def test_what_is_no_utf_8_is_never_a_fault_of_ours(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, limited: bool
) -> None:
    upstream.play(whole(dialect, ModelReply(text=("Hi",))))
    gateway = await start(dialect)
    limits = {"limits": {"tokens_per_day": 1_000_000, "max_output_tokens": 10}} if limited else {}
    headers = {"authorization": f"Bearer {await gateway.issue(**limits)}"}
    bodies = [REST[surface] % inside for inside in INSIDE]
    bodies += [REST[surface] % b"" + beside for beside in BESIDE]
    for body in bodies:
        answer = await gateway.post(PATH[surface], b'{"model":"m",%b}' % body, headers=headers)
        assert answer.status_code in (200, 400, 404), (body, answer.text)
        if answer.status_code == 200:
            assert upstream.last.path == PATHS[dialect]
