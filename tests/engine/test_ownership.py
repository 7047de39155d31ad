"""Law 7 at the engine's doors: another tenant's id is answered exactly as an unknown one."""

from typing import Any

import pytest

from chat2response.engine.ownership import Ownership
from chat2response.errors import BridgeError, InvalidRequest, NotFound
from chat2response.state.owners import Owners
from chat2response.stores import MemoryStore
from chat2response.stores.base import StoreDown
from chat2response.upstreams.base import Target
from chat2response.wire.json import encode
from chat2response.wire.peek import peek_responses
from tests.engine.conftest import Scene, whole
from tests.engine.fakes import FakeReply, FakeTurn, FakeUpstream, FragileStore, ends
from tests.engine.frames import RESPONSES_STREAMS

MANAGED = Target("responses", api_key="sk-operator", managed=True)
PASSTHROUGH = Target("responses", managed=False)

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
    """`a` owns everything there is."""
    owners = Owners(MemoryStore())
    await owners.record("a", ["resp_1", "conv_1", "msg_1"])
    return Ownership(owners, tenant, target)


async def check(held: Ownership, fields: dict[str, Any]) -> None:
    body = encode(fields)
    await held.check_body(body, peek_responses(body))


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
        {"input": [{"type": "message", "role": "user", "content": "Hi", "id": "msg_1"}]},
        {"input": [{"role": "assistant", "content": "Hi", "id": "msg_1"}]},
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
    await Ownership(owners, "a", MANAGED).inactive().record(["resp_4"])
    page = await store.scan("owners")
    assert [key for key, _ in page.entries] == ["resp_1"]


async def test_the_ids_of_a_whole_answer_are_recorded() -> None:
    held = Ownership(owners := Owners(MemoryStore()), "a", MANAGED)
    answer = {"id": "resp_9", "conversation": {"id": "conv_9"}, "output": [{"id": "msg_9"}, {}]}
    await held.record_body(encode(answer))
    assert await owners.owns("a", ["resp_9", "conv_9", "msg_9"]) == [True] * 3
    for odd in (b"no json", b"[]", b"{}", b'{"id":7}'):
        await held.record_body(odd)


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
    made = FakeReply(*RESPONSES_STREAMS["text"])
    await whole(scene.open(made, "responses", "responses", tenant="a", stream=True))
    upstream = FakeUpstream(FakeReply())
    with pytest.raises(BridgeError):
        await whole(scene.open(upstream, surface, "responses", tenant="b", **field))
    assert upstream.asked == []


async def test_the_owner_goes_on(scene: Scene) -> None:
    made = FakeReply(*RESPONSES_STREAMS["text"])
    await whole(scene.open(made, "responses", "responses", tenant="a", stream=True))
    turn = FakeTurn(ends())
    for surface, answer in (("responses", FakeReply(*RESPONSES_STREAMS["text"])), ("chat", turn)):
        await whole(
            scene.open(answer, surface, "responses", tenant="a", stream=True, previous_response_id="resp_up")  # type: ignore[arg-type]
        )
