"""Law 7, tenants never meet: another tenant's id gets the same answer as an unknown one."""

from typing import Any

import pytest

from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.engine.ownership import Ownership
from chat2response.errors import BridgeError, InvalidRequest, NotFound
from chat2response.state.owners import Owners
from chat2response.stores import MemoryStore
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import Target
from chat2response.wire.json import encode
from chat2response.wire.request_peek import ResponsesPeek, peek_responses
from tests.support.engine.fakes import FakeReply, FakeTurn, FakeUpstream, FragileStore, ends
from tests.support.engine.frames import RESPONSES_STREAMS
from tests.support.engine.scene import Scene, whole

MANAGED = Target(RESPONSES, api_key="sk-operator", managed=True)
PASSTHROUGH = Target(RESPONSES, managed=False)
CLOSELY = ResponsesPeek(ids=None)

REFERENCES: list[tuple[dict[str, Any], type[BridgeError], str, str | None]] = [
    (
        {"previous_response_id": "resp_1"},
        InvalidRequest,
        "previous_response_id",
        "previous_response_not_found",
    ),
    ({"conversation": "conv_1"}, NotFound, "conversation", None),
    ({"conversation": {"id": "conv_1"}}, NotFound, "conversation", None),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, NotFound, "input", None),
    ({"input": [{"id": "msg_1"}]}, NotFound, "input", None),
    ({"input": [{"type": None, "id": "msg_1"}]}, NotFound, "input", None),
    ({"input": ["Hi", {"type": "item_reference", "id": "msg_1"}]}, NotFound, "input", None),
    (
        {"input": [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_1"}]},
        NotFound,
        "input",
        None,
    ),
]


async def ownership(tenant: str | None, target: Target = MANAGED) -> Ownership:
    """An Ownership in whose store `a` owns everything."""
    owners = Owners(MemoryStore())
    await owners.record("a", ["resp_1", "conv_1", "msg_1"])
    return Ownership(owners, tenant, target)


async def check(owned: Ownership, fields: dict[str, Any]) -> None:
    body = encode(fields)
    await owned.check_body(body, peek_responses(body))


@pytest.mark.parametrize(("fields", "kind", "param", "code"), REFERENCES)
async def test_an_id_is_the_owners_alone(
    fields: dict[str, Any], kind: type[BridgeError], param: str, code: str | None
) -> None:
    await check(await ownership("a"), fields)
    with pytest.raises(kind) as caught:
        await check(await ownership("b"), fields)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert caught.value.status == (400 if kind is InvalidRequest else 404)


@pytest.mark.parametrize(("fields", "kind", "param", "code"), REFERENCES)
async def test_anothers_id_is_answered_as_one_that_never_was(
    fields: dict[str, Any], kind: type[BridgeError], param: str, code: str | None
) -> None:
    nobodys = Ownership(Owners(MemoryStore()), "b", MANAGED)
    with pytest.raises(BridgeError) as unknown:
        await check(nobodys, fields)
    with pytest.raises(BridgeError) as foreign:
        await check(await ownership("b"), fields)
    assert foreign.value.fields() == unknown.value.fields()
    assert foreign.value.status == unknown.value.status


@pytest.mark.parametrize(("fields", "kind", "param", "code"), REFERENCES)
async def test_in_passthrough_the_upstreams_account_decides(
    fields: dict[str, Any], kind: type[BridgeError], param: str, code: str | None
) -> None:
    await check(await ownership("b", PASSTHROUGH), fields)
    await check(await ownership(None), fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": "resp_1"},
        {"input": [{"type": "message", "role": "user", "content": "Hi", "id": ""}]},
        {"input": [{"role": "assistant", "content": "Hi", "id": None}]},
        {"input": [{"type": "local_shell_call", "action": {}, "call_id": "msg_1"}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file_1"]}}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}], "prompt": {"id": "pmpt_1"}},
        {"previous_response_id": None, "conversation": None, "input": None},
        {"previous_response_id": "", "conversation": ""},
    ],
)
async def test_what_names_nothing_is_not_looked_up(fields: dict[str, Any]) -> None:
    store = FragileStore()
    await store.close()
    await check(Ownership(Owners(store), "b", MANAGED), fields)


async def test_without_a_store_no_id_is_good() -> None:
    store = MemoryStore()
    await store.close()
    with pytest.raises(StoreDown):
        await check(Ownership(Owners(store), "a", MANAGED), {"previous_response_id": "resp_1"})


async def test_ids_are_recorded_for_the_tenant_and_only_for_one() -> None:
    store = MemoryStore()
    owners = Owners(store)
    await Ownership(owners, "a", MANAGED).record(["resp_1"])
    await Ownership(owners, "a", PASSTHROUGH).record(["resp_2"])
    await Ownership(owners, None, MANAGED).record(["resp_3"])
    page = await store.scan("owners")
    assert [key for key, _ in page.entries] == ["resp_1"]


async def test_the_ids_of_a_whole_answer_are_recorded() -> None:
    owned = Ownership(owners := Owners(MemoryStore()), "a", MANAGED)
    answer = {"id": "resp_9", "conversation": {"id": "conv_9"}, "output": [{"id": "msg_9"}, {}]}
    await owned.record_body(encode(answer))
    assert await owners.of(["resp_9", "conv_9", "msg_9"]) == ["a"] * 3
    for odd in (b"no json", b"[]", b"{}", b'{"id":7}'):
        await owned.record_body(odd)


IMAGE = {"type": "image_generation_call", "status": "completed"}
ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "assistant", "status": "completed"},
    {"type": "message", "role": "assistant", "content": None},
    {"role": "assistant"},
    {"type": "reasoning", "summary": []},
    {"type": "reasoning", "summary": [], "encrypted_content": None},
    IMAGE,
    {**IMAGE, "result": None},
    {"type": "code_interpreter_call", "code": None, "outputs": None},
    {"type": "function_call", "call_id": "call_1"},
    {"type": "compaction", "encrypted_content": ""},
    {"type": "of_a_vendor"},
]
PAYLOADS: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "content": "Hi"},
    {"role": "assistant", "content": [{"type": "output_text", "text": ""}]},
    {"type": "reasoning", "summary": [], "encrypted_content": "bW9jaw=="},
    {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""},
    {"type": "function_call_output", "call_id": "call_1", "output": ""},
    {"type": "message", "role": "assistant", "content": []},
    {"type": "additional_tools", "role": "developer", "tools": []},
    {"type": "code_interpreter_call", "code": "1", "container_id": "cntr_unknown"},
    {"type": "compaction_trigger"},
    {**IMAGE, "result": "aW1n"},
    {"type": "of_a_vendor", "content": "Hi"},
]


@pytest.mark.parametrize("item", ITEMS)
async def test_an_item_without_its_payload_is_a_reference(item: dict[str, Any]) -> None:
    await check(await ownership("a"), {"input": [{**item, "id": "msg_1"}]})
    for tenant, id in (("b", "msg_1"), ("a", "msg_unknown")):
        with pytest.raises(NotFound, match=f"Item with id '{id}' not found") as caught:
            await check(await ownership(tenant), {"input": [{**item, "id": id}]})
        assert caught.value.param == "input"


@pytest.mark.parametrize("item", PAYLOADS)
async def test_an_id_beside_its_payload_may_be_nobodys_but_not_anothers(item: dict[str, Any]) -> None:
    await check(await ownership("b"), {"input": [{**item, "id": "of_codex"}]})
    await check(await ownership("a"), {"input": [{**item, "id": "msg_1"}]})
    with pytest.raises(NotFound):
        await check(await ownership("b"), {"input": ["x", {**item, "id": "msg_1"}]})
    with pytest.raises(NotFound):
        await check(await ownership("b"), {"input": [{"id": "of_codex", **item}, {**item, "id": "msg_1"}]})


SHELL = {"type": "container_reference", "container_id": "cntr_1"}
CONTAINERS: list[dict[str, Any]] = [
    {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
    {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "id": "cntr_1"}}]},
    {"tools": [{"type": "shell", "environment": SHELL}]},
    {"tools": [{"type": "namespace", "tools": [{"type": "code_interpreter", "container": "cntr_1"}]}]},
    {"input": [{"type": "additional_tools", "tools": [{"type": "shell", "environment": SHELL}]}]},
    {"input": [{"type": "code_interpreter_call", "container_id": "cntr_1"}]},
    {"input": [{"type": "shell_call", "environment": SHELL}]},
]


@pytest.mark.parametrize("fields", CONTAINERS)
async def test_a_container_is_its_tenants_alone(fields: dict[str, Any]) -> None:
    owned = await ownership("a")
    await owned.record(["cntr_1"])
    await check(owned, fields)
    stranger = Ownership(owned._owners, "b", MANAGED)
    for each in (stranger, await ownership("a")):  # another tenant's, and nobody's
        with pytest.raises(NotFound, match="Container with id 'cntr_1' not found"):
            await check(each, fields)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "code_interpreter_call", "code": "1", "container_id": "cntr_1"},
        {"type": "shell_call", "action": {"commands": ["ls"]}, "environment": SHELL},
    ],
)
async def test_the_container_of_a_whole_item_may_be_forgotten_but_not_anothers(item: dict[str, Any]) -> None:
    owned = await ownership("a")
    await check(owned, {"input": [item]})
    await owned.record(["cntr_1"])
    with pytest.raises(NotFound, match="Container"):
        await check(Ownership(owned._owners, "b", MANAGED), {"input": [item]})


async def test_an_approval_is_of_a_request_of_the_tenants() -> None:
    request = {"type": "mcp_approval_request", "id": "mcpr_2", "name": "f", "arguments": "{}"}
    for id, allowed in (("msg_1", True), ("mcpr_unknown", False)):
        approval = {"type": "mcp_approval_response", "approve": True, "approval_request_id": id}
        if allowed:
            await check(await ownership("a"), {"input": [approval]})
        with pytest.raises(NotFound):
            await check(await ownership("b"), {"input": [approval]})
    approval = {"type": "mcp_approval_response", "approve": True, "approval_request_id": "mcpr_2"}
    await check(await ownership("b"), {"input": [request, approval]})


async def test_a_response_to_compare_with_is_the_tenants() -> None:
    fields = {"prompt_cache_options": {"comparison_response_id": "resp_1"}}
    await check(await ownership("a"), fields)
    with pytest.raises(InvalidRequest) as caught:
        await check(await ownership("b"), fields)
    assert caught.value.code == "previous_response_not_found"


ODD: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": ["resp_1"]}, "previous_response_id"),
    ({"previous_response_id": {"id": "resp_1"}}, "previous_response_id"),
    ({"conversation": ["conv_1"]}, "conversation"),
    ({"conversation": {"id": ["conv_1"]}}, "conversation.id"),
    ({"conversation": {"id": {"id": "conv_1"}}}, "conversation.id"),
    ({"input": {"type": "item_reference", "id": "msg_1"}}, "input"),
    ({"input": [[{"type": "item_reference", "id": "msg_1"}]]}, "input[0]"),
    ({"input": [{"type": "item_reference", "id": ["msg_1"]}]}, "input[0].id"),
    ({"input": [{"type": "message", "content": "x", "id": {"id": "msg_1"}}]}, "input[0].id"),
    ({"input": [{"type": "message", "content": "x", "id": 7}]}, "input[0].id"),
    ({"input": [{"type": ["item_reference"], "id": "msg_1"}]}, "input"),
    ({"input": [{"type": "code_interpreter_call", "container_id": ["x"]}]}, "input[0].container_id"),
    ({"input": [{"type": "mcp_call", "approval_request_id": ["x"]}]}, "input[0].approval_request_id"),
    ({"input": [{"type": "shell_call", "environment": ["x"]}]}, "input[0].environment"),
    ({"tools": [[{"container": "cntr_1"}]]}, "tools[0]"),
    ({"tools": {"container": "cntr_1"}}, "tools"),
    ({"tools": [{"container": ["cntr_1"]}]}, "tools[0].container"),
    ({"tools": [{"container": {"id": ["cntr_1"]}}]}, "tools[0].container.id"),
    ({"tools": [{"tools": {"container": "cntr_1"}}]}, "tools[0].tools"),
]


@pytest.mark.parametrize(("fields", "param"), ODD)
async def test_what_nobody_sends_is_refused(fields: dict[str, Any], param: str) -> None:
    """The upstream might understand what the gateway does not."""
    with pytest.raises(InvalidRequest) as caught:
        await check(await ownership("a"), fields)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, "invalid_type")
    await check(await ownership("a", PASSTHROUGH), fields)


@pytest.mark.parametrize(
    "body",
    [
        b'{"previous_response_id":"resp_1","\xff":1}',
        b'{"input":[{"type":"item_reference","id":"msg_1","\xff":1}]}',
        b'{"input":[{"id":"msg_1"}],"tools":[{"\xff":1}]}',
        b'{"input":[{"id":"msg_1","type":"\xff"}]}',
        b'{"previous_response_id":"\xff"}',
        b'{"previous_response_id":"\\ud800"}',
        b'{"conversation":"conv_1","tools":' + b'[{"tools":' * 200 + b"[]" + b"}]" * 200 + b"}",
        b'{"conversation":"conv_1","input":' + b"[" * 200 + b"]" * 200 + b"}",
    ],
)
async def test_what_cannot_be_read_beside_a_reference_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await (await ownership("a")).check_body(body, CLOSELY)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


async def test_the_ids_of_a_request_are_one_look_up_and_not_without_end() -> None:
    looked: list[int] = []

    class Counting(MemoryStore):
        async def get_many(self, kind: str, keys: Any) -> Any:
            looked.append(len(keys))
            return await super().get_many(kind, keys)

    store = Counting()
    owned = Ownership(Owners(store), "a", MANAGED)
    items = [{"type": "message", "content": "x", "id": f"msg_{n}"} for n in range(10_000)]
    await check(owned, {"input": items})
    assert looked == [10_000]
    for rest in ({}, {"tools": [{"container": ""}]}):
        with pytest.raises(InvalidRequest, match="10001 ids, but at most 10000"):
            await check(owned, {"input": [*items, {"role": "user", "content": "x", "id": "msg"}], **rest})


async def test_the_containers_of_an_answer_are_recorded_also_where_nothing_is_stored() -> None:
    owned = Ownership(owners := Owners(MemoryStore()), "a", MANAGED)
    cited = {"annotations": [{"type": "container_file_citation", "container_id": "cntr_3"}, 7]}
    answer = {
        "id": "resp_9",
        "output": [
            {"type": "code_interpreter_call", "id": "ci_9", "container_id": "cntr_1"},
            {"type": "shell_call", "environment": {**SHELL, "container_id": "cntr_2"}},
            {"type": "message", "content": [cited, 7, {"annotations": 7}]},
        ],
    }
    await owned.record_body(encode(answer), stored=False)
    assert await owners.of(["cntr_1", "cntr_2", "cntr_3", "resp_9", "ci_9"]) == ["a", "a", "a", None, None]


async def test_what_is_said_in_a_conversation_is_kept_whatever_store_says() -> None:
    owned = Ownership(owners := Owners(MemoryStore()), "a", MANAGED)
    answer = {"id": "resp_9", "conversation": {"id": "conv_9"}, "output": [{"id": "msg_9"}]}
    await owned.record_body(encode(answer), stored=False)
    await owned.record_body(
        encode({"id": "resp_8", "conversation": None, "output": [{"id": "x"}]}), stored=False
    )
    assert await owners.of(["conv_9", "msg_9", "resp_8", "x"]) == ["a", "a", None, None]
    tap = ResponsesTap(stored=False)
    ended = {"type": "response.completed", "response": answer}
    assert list(tap.feed(b"data: %b\n\n" % encode(ended))) == ["resp_9", "conv_9", "msg_9"]


# -- through the engine ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("surface", "field"),
    [
        ("responses", {"previous_response_id": "resp_up"}),
        ("responses", {"conversation": "resp_up"}),
        ("responses", {"input": [{"type": "item_reference", "id": "resp_up"}]}),
        ("proxy", {"previous_response_id": "resp_up"}),
        ("proxy", {"conversation": "resp_up"}),
        ("chat", {"previous_response_id": "resp_up"}),
    ],
)
async def test_a_foreign_id_never_reaches_the_upstream(
    scene: Scene, surface: Any, field: dict[str, Any]
) -> None:
    reply = FakeReply(*RESPONSES_STREAMS["text"])
    await whole(scene.open(reply, "responses", "responses", tenant="a", stream=True))
    upstream = FakeUpstream(FakeReply())
    with pytest.raises(BridgeError):
        await whole(scene.open(upstream, surface, "responses", tenant="b", **field))
    assert upstream.requests == []


async def test_the_owner_goes_on(scene: Scene) -> None:
    reply = FakeReply(*RESPONSES_STREAMS["text"])
    await whole(scene.open(reply, "responses", "responses", tenant="a", stream=True))
    turn = FakeTurn(ends())
    for surface, answer in (("responses", FakeReply(*RESPONSES_STREAMS["text"])), ("chat", turn)):
        await whole(
            scene.open(answer, surface, "responses", tenant="a", stream=True, previous_response_id="resp_up")
        )
