"""The key verifier on all stores."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chat2response.errors import InvalidRequest, Unauthorized
from chat2response.keys import (
    EXPIRED,
    INVALID,
    MISSING,
    REVOKED,
    ApiKey,
    KeyPolicy,
    KeyRepository,
    KeyService,
    KeyVerifier,
    Token,
)
from chat2response.keys.record import Digest
from chat2response.keys.tokens.hashing import Hasher
from chat2response.observe.redact import redact
from chat2response.stores import Page, StoreDown, open_store
from tests.keys.tokens.test_hashing import VECTORS
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts
from tests.support.stores.observed_store import ObservedStore

UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, store_address: Callable[[str], str], clock: Clock
) -> AsyncIterator[ObservedStore]:
    store = ObservedStore(open_store(store_address(request.param), clock=clock))
    yield store
    await store.close()


@pytest.fixture
def gateway(store: ObservedStore, clock: Clock) -> tuple[KeyService, KeyVerifier]:
    return key_parts(store, clock=clock)


@pytest.fixture
def other_process(store: ObservedStore, clock: Clock) -> KeyService:
    """The key service of another process on the same store."""
    return KeyService(KeyRepository(store, clock=clock))


async def refusal(verifier: KeyVerifier, token: str | None) -> str:
    """The message with which a token is rejected."""
    with pytest.raises(Unauthorized) as caught:
        await verifier.verify(token)
    assert caught.value.status == 401
    assert caught.value.headers["www-authenticate"] == "Bearer"
    return caught.value.message


def wrong_secret(token: str) -> str:
    return token[:-1] + ("0" if token[-1] != "0" else "1")


class TestVerify:
    async def test_a_key_opens(self, service: KeyService, verifier: KeyVerifier) -> None:
        issued = await service.generate(label="laptop", scopes=["chat"])
        assert await verifier.verify(issued.token) == issued.key
        assert (issued.key.label, issued.key.scopes) == ("laptop", ("chat",))

    def test_a_refusal_says_what_a_key_looks_like_and_how_it_is_sent(self) -> None:
        for text, start in ((MISSING, "Missing Authorization bearer. "), (INVALID, "Invalid API key. ")):
            assert text.startswith(start)
            for word in ("sk_<32 hex digits>.<64 hex digits>", "'Authorization: Bearer sk_...'", "x-api-key"):
                assert word in text
            assert redact(text) == text

    async def test_no_token(self, verifier: KeyVerifier) -> None:
        assert await refusal(verifier, None) == MISSING

    @pytest.mark.parametrize(
        "garbage",
        ["", "x", "sk_", "sk-proj-123", "sk_" + "z" * 97, "ÿ" * 100, "\ud800" * 100, "a" * 9_000_000],
        ids=range(8),
    )
    async def test_garbage_never_reaches_the_store(
        self, verifier: KeyVerifier, store: ObservedStore, garbage: str
    ) -> None:
        assert await refusal(verifier, garbage) == INVALID
        assert store.gets == 0
        assert not verifier._rejected

    async def test_unknown_and_wrong_are_told_alike(
        self,
        service: KeyService,
        verifier: KeyVerifier,
        store: ObservedStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hashed: list[str] = []
        peppers: set[str | None] = set()
        read: list[str] = []

        def matches(hasher: Hasher, secret: str, digest: Digest) -> bool:
            hashed.append(secret)
            peppers.add(digest.pepper)
            return real(hasher, secret, digest)

        real = Hasher.matches
        monkeypatch.setattr(Hasher, "matches", matches)
        read_record = ApiKey.read

        def recording_read(doc: Any) -> ApiKey:
            read.append(doc["id"])
            return read_record(doc)

        monkeypatch.setattr(ApiKey, "read", recording_read)
        token = wrong_secret((await service.generate()).token)
        unknown = f"sk_{UNKNOWN}.{token[36:]}"
        errors = []
        read.clear()
        for refused in (token, unknown):
            with pytest.raises(Unauthorized) as caught:
                await verifier.verify(refused)
            errors.append((caught.value.fields(), caught.value.headers, caught.value.internal))
        assert errors[0] == errors[1]
        assert hashed == [token[36:]] * 4  # also for the unknown id, and for both as if they had been rotated
        assert store.gets == 2
        assert read == [token[3:35], "0" * 32]  # the decoy's record for the unknown id
        assert len(peppers) == 1

    async def test_revoked_and_expired_are_told_to_the_holder_only(
        self, service: KeyService, verifier: KeyVerifier, clock: Clock
    ) -> None:
        revoked, expired = await service.generate(), await service.generate(ttl_seconds=10)
        await service.revoke(revoked.key.id)
        clock.advance(10)
        assert await refusal(verifier, revoked.token) == REVOKED == "API key revoked"
        assert await refusal(verifier, expired.token) == EXPIRED == "API key expired"
        assert await refusal(verifier, wrong_secret(revoked.token)) == INVALID
        assert await refusal(verifier, wrong_secret(expired.token)) == INVALID
        # and again from the cache
        assert await refusal(verifier, revoked.token) == REVOKED
        assert await refusal(verifier, wrong_secret(revoked.token)) == INVALID

    async def test_a_record_of_the_rust_edition_opens(
        self, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        for n, (salt, secret, digest) in enumerate(VECTORS):
            id = f"{n:032x}"
            record = {"id": id, "label": None, "created_at": 1, "expires_at": None, "revoked_at": None}
            await store.put("keys", id, {**record, "salt_hex": salt, "hash_hex": digest, "scopes": None})
            assert (await verifier.verify(f"sk_{id}.{secret}")).id == id
            assert await refusal(verifier, f"sk_{id}.{wrong_secret(secret)}") == INVALID

    @pytest.mark.parametrize("doc", [None, [], {}, {"id": UNKNOWN}, {"salt_hex": "0", "revoked_at": "no"}])
    async def test_an_unreadable_record_opens_nothing(
        self,
        service: KeyService,
        verifier: KeyVerifier,
        store: ObservedStore,
        doc: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await store.put("keys", UNKNOWN, doc)
        good = await service.generate()
        with caplog.at_level(logging.WARNING):
            assert await refusal(verifier, f"sk_{UNKNOWN}.{'0' * 64}") == INVALID
            assert [key.id for key in await service.repository.list()] == [good.key.id]
            assert await service.revoke(UNKNOWN) is False
        assert UNKNOWN in caplog.text


class TestCache:
    """What is cached, and for how long."""

    async def test_a_verified_key_asks_the_store_once_a_second(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore, clock: Clock
    ) -> None:
        token = (await service.generate()).token
        for _ in range(3):
            await verifier.verify(token)
        assert store.gets == 1
        clock.advance(0.999)
        await verifier.verify(token)
        assert store.gets == 1
        clock.advance(0.001)
        await verifier.verify(token)
        assert store.gets == 2

    async def test_a_wrong_key_asks_the_store_once_a_second(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore, clock: Clock
    ) -> None:
        token = wrong_secret((await service.generate()).token)
        for _ in range(3):
            await refusal(verifier, token)
        assert store.gets == 1
        clock.advance(1)
        await refusal(verifier, token)
        assert store.gets == 2

    async def test_an_end_is_seen_on_the_second(
        self, service: KeyService, verifier: KeyVerifier, clock: Clock
    ) -> None:
        clock.advance(0.5)
        token = (await service.generate(ttl_seconds=2)).token
        clock.advance(1.4)
        await verifier.verify(token)
        clock.advance(0.1)  # cached 0.1 s ago, but expired
        assert await refusal(verifier, token) == EXPIRED

    async def test_our_own_changes_hold_at_once(self, service: KeyService, verifier: KeyVerifier) -> None:
        issued = await service.generate()
        await verifier.verify(issued.token)
        await service.set_expiration(issued.key.id, expires_at=1)
        assert await refusal(verifier, issued.token) == EXPIRED
        await service.set_expiration(issued.key.id, ttl_seconds=60)
        await verifier.verify(issued.token)
        await service.revoke(issued.key.id)
        assert await refusal(verifier, issued.token) == REVOKED

    async def test_another_process_is_heard_within_a_second(
        self, service: KeyService, verifier: KeyVerifier, other_process: KeyService, clock: Clock
    ) -> None:
        issued = await service.generate()
        await verifier.verify(issued.token)
        await other_process.revoke(issued.key.id)
        await verifier.verify(issued.token)  # not noticed yet
        clock.advance(1)
        assert await refusal(verifier, issued.token) == REVOKED

    async def test_a_clock_set_back_does_not_lengthen_it(
        self, service: KeyService, verifier: KeyVerifier, other_process: KeyService, clock: Clock
    ) -> None:
        issued = await service.generate()
        await verifier.verify(issued.token)
        await other_process.revoke(issued.key.id)
        clock.advance(-3600)
        assert await refusal(verifier, issued.token) == REVOKED

    async def test_a_new_key_drops_what_was_refused(self, store: ObservedStore, clock: Clock) -> None:
        token = Token("ab" * 16, "cd" * 32)
        service, verifier = key_parts(store, clock=clock, new_token=lambda: token)
        assert await refusal(verifier, token.text()) == INVALID
        await service.generate()
        assert (await verifier.verify(token.text())).id == token.id

    async def test_it_is_bounded(self, store: ObservedStore, clock: Clock) -> None:
        service, verifier = key_parts(store, clock=clock, cache_size=10)
        for _ in range(25):
            token = (await service.generate()).token
            for n in range(2):
                await refusal(verifier, f"sk_{n:032x}.{token[36:]}")
            await verifier.verify(token)
            assert len(verifier._accepted) <= 10
        for n in range(25):
            await refusal(verifier, f"sk_{n:032x}.{'0' * 64}")
            assert 0 < len(verifier._rejected) <= 10

    async def test_it_holds_no_token(self, service: KeyService, verifier: KeyVerifier) -> None:
        token = (await service.generate()).token
        await verifier.verify(token)
        await refusal(verifier, wrong_secret(token))
        state = repr(vars(verifier))
        assert token[36:68] not in state
        assert all(len(digest) == 32 for digest in (*verifier._accepted, *verifier._rejected))

    async def test_a_read_from_before_a_revocation_is_not_remembered(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        issued = await service.generate()
        store.gate = asyncio.Event()
        early = asyncio.create_task(verifier.verify(issued.token))
        await store.blocked.wait()
        gate, store.gate = store.gate, None
        assert await service.revoke(issued.key.id)
        assert await refusal(verifier, issued.token) == REVOKED  # does not join the earlier read
        gate.set()
        await early  # started before the revocation: either result is right
        assert await refusal(verifier, issued.token) == REVOKED


class TestConcurrency:
    """Many callers at the same time."""

    async def test_they_share_one_look_up(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        token = (await service.generate()).token
        tokens = [token, wrong_secret(token)] * 20
        answers = await asyncio.gather(*map(verifier.verify, tokens), return_exceptions=True)
        assert store.gets == 1
        assert [isinstance(answer, ApiKey) for answer in answers] == [True, False] * 20
        assert not verifier._lookups

    async def test_one_that_leaves_does_not_disturb_the_others(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        token = (await service.generate()).token
        store.gate = asyncio.Event()
        first, second = (asyncio.create_task(verifier.verify(token)) for _ in range(2))
        await store.blocked.wait()
        first.cancel()
        store.gate.set()
        assert (await second).id
        assert first.cancelled()

    async def test_each_gets_its_own_error(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        token = (await service.generate()).token
        store.down = True
        errors = await asyncio.gather(*(verifier.verify(token) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(error, StoreDown) for error in errors)
        assert len(set(map(id, errors))) == 5
        assert store.gets == 1

    async def test_changes_do_not_overwrite_each_other(
        self, service: KeyService, verifier: KeyVerifier, other_process: KeyService, store: ObservedStore
    ) -> None:
        issued = await service.generate()
        store.before_put = lambda: other_process.revoke(issued.key.id)
        changed = await service.set_expiration(issued.key.id, ttl_seconds=60)
        assert changed is not None
        assert changed.revoked_at is not None  # written in between, and kept
        assert await refusal(verifier, issued.token) == REVOKED

    async def test_one_of_many_revokes(self, service: KeyService, other_process: KeyService) -> None:
        id = (await service.generate()).key.id
        results = await asyncio.gather(*(keys.revoke(id) for keys in [service, other_process] * 5))
        assert results.count(True) == 1


class TestStoreDown:
    """Law 8, fail closed: without the store nobody gets in."""

    async def test_nobody_gets_in(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore, clock: Clock
    ) -> None:
        token = (await service.generate()).token
        await verifier.verify(token)
        clock.advance(1)
        store.down = True
        for presented in (token, wrong_secret(token), f"sk_{UNKNOWN}.{token[36:]}"):
            for _ in range(2):  # the failure is not cached
                with pytest.raises(StoreDown) as caught:
                    await verifier.verify(presented)
                assert caught.value.status == 503
        assert await refusal(verifier, None) == MISSING
        store.down = False
        await verifier.verify(token)

    async def test_nothing_is_said_to_be_done(self, service: KeyService, store: ObservedStore) -> None:
        issued = await service.generate()
        store.down = True
        for call in (
            service.generate(),
            service.revoke(issued.key.id),
            service.set_expiration(issued.key.id, ttl_seconds=5),
            service.repository.list(),
        ):
            with pytest.raises(StoreDown):
                await call

    async def test_a_change_that_may_have_happened_is_looked_up(
        self, service: KeyService, verifier: KeyVerifier, store: ObservedStore
    ) -> None:
        issued = await service.generate()
        await verifier.verify(issued.token)

        async def write_then_fail() -> None:
            entry = await store.inner.get("keys", issued.key.id)
            assert entry is not None
            await store.inner.put("keys", issued.key.id, {**entry.doc, "revoked_at": 1})
            raise StoreDown("the answer was lost")

        store.before_put = write_then_fail
        with pytest.raises(StoreDown):
            await service.revoke(issued.key.id)
        assert await refusal(verifier, issued.token) == REVOKED


class TestAdministration:
    async def test_a_new_key_follows_the_policy(self, store: ObservedStore, clock: Clock) -> None:
        service, _ = key_parts(store, KeyPolicy(default_ttl=60), clock=clock)
        key = (await service.generate()).key
        assert (key.created_at, key.expires_at, key.revoked_at) == (clock.now, clock.now + 60, None)
        assert (await service.generate(ttl_seconds=5)).key.expires_at == clock.now + 5
        with pytest.raises(InvalidRequest):
            await service.generate(expires_at=None)
        assert len(await service.repository.list()) == 2

    async def test_the_record_is_the_documented_one(
        self, service: KeyService, store: ObservedStore, clock: Clock
    ) -> None:
        clock.advance(0.75)
        issued = await service.generate(label="l", scopes=[])
        entry = await store.get("keys", issued.key.id)
        assert entry is not None
        assert entry.doc == {
            "id": issued.token[3:35],
            "label": "l",
            "created_at": 1_800_000_000,
            "expires_at": 1_800_086_400,
            "revoked_at": None,
            "salt_hex": issued.key.digest.salt_hex,
            "hash_hex": issued.key.digest.hash_hex,
            "scopes": [],
        }
        assert type(entry.doc["created_at"]) is int

    async def test_an_id_is_never_given_twice(self, store: ObservedStore, clock: Clock) -> None:
        token = Token("ab" * 16, "cd" * 32)
        service, _ = key_parts(store, clock=clock, new_token=lambda: token)
        first = await service.generate(label="first")
        with pytest.raises(StoreDown):
            await service.generate(label="second")
        assert await service.repository.list() == [first.key]

    async def test_revoke(self, service: KeyService, clock: Clock) -> None:
        id = (await service.generate()).key.id
        clock.advance(5)
        assert await service.revoke(id) is True
        clock.advance(5)
        assert await service.revoke(id) is False
        assert (await service.repository.list())[0].revoked_at == 1_800_000_005
        for unknown in (UNKNOWN, "", "x", "*", "keys:" + UNKNOWN):
            assert await service.revoke(unknown) is False

    async def test_set_expiration(self, store: ObservedStore, clock: Clock) -> None:
        service, _ = key_parts(store, KeyPolicy(allow_no_expiration=True), clock=clock)
        id = (await service.generate()).key.id
        for params, end in (
            ({"expires_at": 5}, 5),
            ({"ttl_seconds": 7}, 1_800_000_007),
            ({"expires_at": None}, None),
            ({"expires_at": 1_900_000_000, "ttl_seconds": 7}, 1_900_000_000),
            ({}, None),
        ):
            changed = await service.set_expiration(id, **params)
            assert changed is not None
            assert changed.expires_at == end
            assert await service.repository.list() == [changed]
        await service.revoke(id)
        changed = await service.set_expiration(id, ttl_seconds=9)
        assert changed is not None
        assert (changed.expires_at, changed.revoked_at) == (1_800_000_009, 1_800_000_000)
        assert await service.set_expiration(UNKNOWN, ttl_seconds=9) is None

    async def test_clearing_is_refused_before_anything_is_read(
        self, service: KeyService, store: ObservedStore
    ) -> None:
        silent: dict[str, Any] = {}
        for params in (silent, {"expires_at": None}):
            with pytest.raises(InvalidRequest):
                await service.set_expiration(UNKNOWN, **params)
        assert store.gets == 0

    async def test_fields_of_others_survive_a_change(self, service: KeyService, store: ObservedStore) -> None:
        id = (await service.generate()).key.id
        entry = await store.get("keys", id)
        assert entry is not None
        await store.put("keys", id, {**entry.doc, "plan": {"name": "gold"}})
        await service.set_expiration(id, ttl_seconds=5)
        await service.revoke(id)
        entry = await store.get("keys", id)
        assert entry is not None
        assert entry.doc["plan"] == {"name": "gold"}
        assert (entry.doc["revoked_at"], entry.doc["expires_at"]) == (1_800_000_000, 1_800_000_005)

    async def test_the_list_is_oldest_first(self, store: ObservedStore, clock: Clock) -> None:
        names = ["c", "a", "b", "e", "d"]
        ids = iter(names)
        service, _ = key_parts(store, clock=clock, new_token=lambda: Token(next(ids) * 32, "0" * 64))
        for name in names:
            await service.generate(label=name)
            if name != "b":  # b and e have the same second
                clock.advance(1)
        await service.revoke("a" * 32)
        assert [key.label for key in await service.repository.list()] == ["c", "a", "b", "e", "d"]

    async def test_a_long_list_is_whole(self, store: ObservedStore, clock: Clock) -> None:
        service, _ = key_parts(store, clock=clock)
        record = (await service.generate()).key.document()
        for n in range(501):
            await store.inner.put("keys", f"{n:032x}", {**record, "id": f"{n:032x}"})
        assert len(await service.repository.list()) == 502

    async def test_a_key_that_a_scan_meets_twice_is_listed_once(
        self, service: KeyService, store: ObservedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [(await service.generate()).key.id for _ in range(3)]
        real = store.scan

        async def twice(kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
            page = await real(kind, limit=limit)
            return Page([*page.entries, *page.entries], "again" if cursor is None else None)

        monkeypatch.setattr(store, "scan", twice)
        assert sorted(key.id for key in await service.repository.list()) == sorted(ids)

    async def test_others_get_their_turn_while_a_long_list_is_made(
        self, service: KeyService, store: ObservedStore
    ) -> None:
        record = (await service.generate()).key.document()
        for n in range(1500):
            await store.inner.put("keys", f"{n:032x}", {**record, "id": f"{n:032x}"})
        turns = 0

        async def other_tasks() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(other_tasks())
        assert len(await service.repository.list()) == 1501
        beside.cancel()
        assert turns >= 4  # even if the store never waits

    async def test_no_secret_is_shown(self, service: KeyService, verifier: KeyVerifier) -> None:
        issued = await service.generate(label="l")
        (key,) = await service.repository.list()
        shown = repr(issued) + repr(key) + str(key.public()) + repr(await verifier.verify(issued.token))
        for hidden in (issued.token[36:], key.digest.salt_hex, key.digest.hash_hex):
            assert hidden not in shown
