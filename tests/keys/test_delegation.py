"""Delegation: a key cannot grant more than its own rights."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.errors import Forbidden
from chat2response.keys import Actor, ApiKey, KeyPolicy, KeyRepository, KeyService
from chat2response.keys.delegation import glob_covers, wider_grant
from chat2response.keys.grants import grants_of
from chat2response.stores import MemoryStore
from tests.support.clock_and_ids import Clock


@pytest.mark.parametrize(
    ("own", "requested", "wider"),
    [
        ([], [], None),
        (["admin:keys"], ["model:x", "a label"], None),
        (["admin:keys"], ["admin:keys"], None),
        (["admin:keys"], ["admin:usage"], "admin:usage"),
        (["admin:keys"], ["admin:*"], "admin:*"),
        (["admin:*"], ["admin:audit"], None),
        (["model:gpt-*"], ["model:gpt-5"], None),
        (["model:gpt-*"], ["model:gpt-5*", "model:gpt-?"], None),
        (["model:gpt-*"], ["model:o3"], "model:o3"),
        (["model:gpt-*"], ["model:*"], "model:*"),
        (["model:gpt-*"], [], "model:*"),
        (["model:a", "model:b"], ["model:b"], None),
        (["tool:web_*"], ["tool:mcp.x"], "tool:mcp.x"),
        (["endpoint:chat"], ["endpoint:responses"], "endpoint:responses"),
        (["endpoint:chat"], ["endpoint:chat"], None),
        (["upstream:chat"], ["upstream:*"], "upstream:*"),
        (["net:10.0.0.0/8"], ["net:10.1.0.0/16", "net:10.2.3.4"], None),
        (["net:10.1.0.0/16"], ["net:10.0.0.0/8"], "net:10.0.0.0/8"),
        (["net:0.0.0.0/0"], ["net:::1"], "net:::1/128"),
        (["net:10.0.0.0/8"], ["net:nowhere"], None),  # which grants nothing
    ],
)
def test_which_grants_are_wider(own: list[str], requested: list[str], wider: str | None) -> None:
    assert wider_grant(grants_of(tuple(requested)), grants_of(tuple(own))) == wider


PATTERNS = st.text("ab*?[]!-", max_size=6)


@given(PATTERNS, PATTERNS, st.lists(st.text("ab]", max_size=5), max_size=20))
def test_what_a_covered_pattern_matches_the_wider_one_matches(
    wide: str, narrow: str, names: list[str]
) -> None:
    if glob_covers(wide, narrow):
        assert all(fnmatchcase(name, wide) for name in names if fnmatchcase(name, narrow))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [("*", "*"), ("*", "a[bc]*"), ("a*", "a?c"), ("a?", "a[bc]"), ("a*c*", "abc*d"), ("[ab]x", "ax")],
)
def test_what_is_plainly_covered(wide: str, narrow: str) -> None:
    assert glob_covers(wide, narrow)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> KeyService:
    return KeyService(
        KeyRepository(MemoryStore(clock=clock), clock=clock), KeyPolicy(allow_no_expiration=True)
    )


@pytest.fixture
async def admin_key(service: KeyService) -> ApiKey:
    issued = await service.generate(
        scopes=["admin:keys", "model:gpt-*"], limits={"requests_per_minute": 10}, ttl_seconds=1000
    )
    return issued.key


ALLOWED: dict[str, Any] = {
    "scopes": ["model:gpt-5"],
    "limits": {"requests_per_minute": 10},
    "ttl_seconds": 1000,
}


async def test_a_key_makes_what_it_has_and_no_more(service: KeyService, admin_key: ApiKey) -> None:
    by = Actor("key", admin_key)
    await service.generate(**ALLOWED, by=by)
    _, digest = service.new_digest()
    for fields, param in (
        ({"scopes": ["model:o3"]}, "scopes"),
        ({"scopes": None}, "scopes"),
        ({"scopes": ["model:gpt-5", "admin:*"]}, "scopes"),
        ({"limits": None}, "limits.requests_per_minute"),
        ({"limits": {"requests_per_minute": 11}}, "limits.requests_per_minute"),
        ({"ttl_seconds": 1001}, "expires_at"),
        ({"ttl_seconds": None, "expires_at": None}, "expires_at"),
    ):
        for make in (
            service.generate(**ALLOWED | fields, by=by),
            service.import_digest("ab" * 16, digest, **ALLOWED | fields, by=by),
        ):
            with pytest.raises(Forbidden) as caught:
                await make
            assert (caught.value.param, caught.value.code) == (param, "wider_than_own_key")
    assert len(await service.repository.list()) == 2


async def test_a_key_widens_no_other_and_not_itself(service: KeyService, admin_key: ApiKey) -> None:
    by = Actor("key", admin_key)
    key = (await service.generate(**ALLOWED, by=by)).key
    for id in (key.id, admin_key.id):
        for change in (
            service.update(id, scopes=["model:*"], by=by),
            service.update(id, scopes=None, by=by),
            service.update(id, limits={"requests_per_minute": 11}, by=by),
            service.set_expiration(id, ttl_seconds=1001, by=by),
            service.set_expiration(id, by=by),
        ):
            with pytest.raises(Forbidden):
                await change
    changed = await service.update(key.id, scopes=["model:gpt-4", "model:gpt-5*"], label="l", by=by)
    assert changed is not None and changed.label == "l"
    assert await service.set_expiration(key.id, ttl_seconds=900, by=by)


async def test_a_wider_key_is_not_taken_over(service: KeyService, admin_key: ApiKey) -> None:
    by = Actor("key", admin_key)
    wide = await service.generate(ttl_seconds=500)
    with pytest.raises(Forbidden):
        await service.rotate(wide.key.id, by=by)  # the admin key would get a token with wider rights
    assert await service.update(wide.key.id, label="seen", by=by)
    with pytest.raises(Forbidden):
        await service.set_expiration(wide.key.id, ttl_seconds=600, by=by)
    assert await service.set_expiration(wide.key.id, ttl_seconds=400, by=by)
    assert await service.revoke(wide.key.id, by=by)  # to end one widens nothing


async def test_others_are_bound_by_nothing(service: KeyService) -> None:
    for by in (Actor("token"), Actor("network"), Actor("shell")):
        issued = await service.generate(expires_at=None, scopes=["admin:*"], by=by)
        assert await service.rotate(issued.key.id, by=by)
