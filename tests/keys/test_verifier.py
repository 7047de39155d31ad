"""The key ring on all stores."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chat2response.errors import InvalidRequest, Unauthorized
from chat2response.keys import EXPIRED, INVALID, MISSING, REVOKED, ApiKey, KeyPolicy, KeyVerifier, Token
from chat2response.keys.record import Digest
from chat2response.keys.tokens.hashing import Hasher
from chat2response.observe.redact import redact
from chat2response.stores import Page, StoreDown, open_store
from tests.keys.tokens.test_hashing import VECTORS
from tests.support.clock_and_ids import Clock
from tests.support.stores.observed_store import Watched

UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, store_address: Callable[[str], str], clock: Clock
) -> AsyncIterator[Watched]:
    store = Watched(open_store(store_address(request.param), clock=clock))
    yield store
    await store.close()


@pytest.fixture
def ring(store: Watched, clock: Clock) -> KeyVerifier:
    return KeyVerifier(store, clock=clock)


@pytest.fixture
def other_process(store: Watched, clock: Clock) -> KeyVerifier:
    """A ring on the same store with a memory of its own."""
    return KeyVerifier(store, clock=clock)


async def refusal(ring: KeyVerifier, token: str | None) -> str:
    """The text with which a token is refused."""
    with pytest.raises(Unauthorized) as caught:
        await ring.verify(token)
    assert caught.value.status == 401
    assert caught.value.headers["www-authenticate"] == "Bearer"
    return caught.value.message


def wrong_secret(token: str) -> str:
    return token[:-1] + ("0" if token[-1] != "0" else "1")


class TestVerify:
    async def test_a_key_opens(self, ring: KeyVerifier) -> None:
        issued = await ring.generate(label="laptop", scopes=["chat"])
        assert await ring.verify(issued.token) == issued.key
        assert (issued.key.label, issued.key.scopes) == ("laptop", ("chat",))

    def test_a_refusal_says_what_a_key_looks_like_and_how_it_is_sent(self) -> None:
        for text, start in ((MISSING, "Missing Authorization bearer. "), (INVALID, "Invalid API key. ")):
            assert text.startswith(start)
            for word in ("sk_<32 hex digits>.<64 hex digits>", "'Authorization: Bearer sk_...'", "x-api-key"):
                assert word in text
            assert redact(text) == text

    async def test_no_token(self, ring: KeyVerifier) -> None:
        assert await refusal(ring, None) == MISSING

    @pytest.mark.parametrize(
        "garbage",
        ["", "x", "sk_", "sk-proj-123", "sk_" + "z" * 97, "ÿ" * 100, "\ud800" * 100, "a" * 9_000_000],
        ids=range(8),
    )
    async def test_garbage_never_reaches_the_store(
        self, ring: KeyVerifier, store: Watched, garbage: str
    ) -> None:
        assert await refusal(ring, garbage) == INVALID
        assert store.gets == 0
        assert not ring._bad

    async def test_unknown_and_wrong_are_told_alike(
        self, ring: KeyVerifier, store: Watched, monkeypatch: pytest.MonkeyPatch
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

        def noted(doc: Any) -> ApiKey:
            read.append(doc["id"])
            return read_record(doc)

        monkeypatch.setattr(ApiKey, "read", noted)
        token = wrong_secret((await ring.generate()).token)
        unknown = f"sk_{UNKNOWN}.{token[36:]}"
        errors = []
        read.clear()
        for refused in (token, unknown):
            with pytest.raises(Unauthorized) as caught:
                await ring.verify(refused)
            errors.append((caught.value.fields(), caught.value.headers, caught.value.internal))
        assert errors[0] == errors[1]
        assert hashed == [token[36:]] * 4  # the unknown one was hashed, too, and both as if rotated before
        assert store.gets == 2
        assert read == [token[3:35], "0" * 32]  # for the unknown one a decoy's record was
        assert len(peppers) == 1

    async def test_revoked_and_expired_are_told_to_the_holder_only(
        self, ring: KeyVerifier, clock: Clock
    ) -> None:
        revoked, expired = await ring.generate(), await ring.generate(ttl_seconds=10)
        await ring.revoke(revoked.key.id)
        clock.advance(10)
        assert await refusal(ring, revoked.token) == REVOKED == "API key revoked"
        assert await refusal(ring, expired.token) == EXPIRED == "API key expired"
        assert await refusal(ring, wrong_secret(revoked.token)) == INVALID
        assert await refusal(ring, wrong_secret(expired.token)) == INVALID
        # and again from memory
        assert await refusal(ring, revoked.token) == REVOKED
        assert await refusal(ring, wrong_secret(revoked.token)) == INVALID

    async def test_a_record_of_the_rust_edition_opens(self, ring: KeyVerifier, store: Watched) -> None:
        for n, (salt, secret, digest) in enumerate(VECTORS):
            id = f"{n:032x}"
            record = {"id": id, "label": None, "created_at": 1, "expires_at": None, "revoked_at": None}
            await store.put("keys", id, {**record, "salt_hex": salt, "hash_hex": digest, "scopes": None})
            assert (await ring.verify(f"sk_{id}.{secret}")).id == id
            assert await refusal(ring, f"sk_{id}.{wrong_secret(secret)}") == INVALID

    @pytest.mark.parametrize("doc", [None, [], {}, {"id": UNKNOWN}, {"salt_hex": "0", "revoked_at": "no"}])
    async def test_an_unreadable_record_opens_nothing(
        self, ring: KeyVerifier, store: Watched, doc: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        await store.put("keys", UNKNOWN, doc)
        good = await ring.generate()
        with caplog.at_level(logging.WARNING):
            assert await refusal(ring, f"sk_{UNKNOWN}.{'0' * 64}") == INVALID
            assert [key.id for key in await ring.list()] == [good.key.id]
            assert await ring.revoke(UNKNOWN) is False
        assert UNKNOWN in caplog.text


class TestMemory:
    """What is remembered, and for how long."""

    async def test_a_verified_key_asks_the_store_once_a_second(
        self, ring: KeyVerifier, store: Watched, clock: Clock
    ) -> None:
        token = (await ring.generate()).token
        for _ in range(3):
            await ring.verify(token)
        assert store.gets == 1
        clock.advance(0.999)
        await ring.verify(token)
        assert store.gets == 1
        clock.advance(0.001)
        await ring.verify(token)
        assert store.gets == 2

    async def test_a_wrong_key_asks_the_store_once_a_second(
        self, ring: KeyVerifier, store: Watched, clock: Clock
    ) -> None:
        token = wrong_secret((await ring.generate()).token)
        for _ in range(3):
            await refusal(ring, token)
        assert store.gets == 1
        clock.advance(1)
        await refusal(ring, token)
        assert store.gets == 2

    async def test_an_end_is_seen_on_the_second(self, ring: KeyVerifier, clock: Clock) -> None:
        clock.advance(0.5)
        token = (await ring.generate(ttl_seconds=2)).token
        clock.advance(1.4)
        await ring.verify(token)
        clock.advance(0.1)  # remembered 0.1 s ago, but over
        assert await refusal(ring, token) == EXPIRED

    async def test_our_own_changes_hold_at_once(self, ring: KeyVerifier) -> None:
        issued = await ring.generate()
        await ring.verify(issued.token)
        await ring.set_expiration(issued.key.id, expires_at=1)
        assert await refusal(ring, issued.token) == EXPIRED
        await ring.set_expiration(issued.key.id, ttl_seconds=60)
        await ring.verify(issued.token)
        await ring.revoke(issued.key.id)
        assert await refusal(ring, issued.token) == REVOKED

    async def test_another_process_is_heard_within_a_second(
        self, ring: KeyVerifier, other_process: KeyVerifier, clock: Clock
    ) -> None:
        issued = await ring.generate()
        await ring.verify(issued.token)
        await other_process.revoke(issued.key.id)
        await ring.verify(issued.token)  # not heard yet
        clock.advance(1)
        assert await refusal(ring, issued.token) == REVOKED

    async def test_a_clock_set_back_does_not_lengthen_it(
        self, ring: KeyVerifier, other_process: KeyVerifier, clock: Clock
    ) -> None:
        issued = await ring.generate()
        await ring.verify(issued.token)
        await other_process.revoke(issued.key.id)
        clock.advance(-3600)
        assert await refusal(ring, issued.token) == REVOKED

    async def test_a_new_key_drops_what_was_refused(self, store: Watched, clock: Clock) -> None:
        token = Token("ab" * 16, "cd" * 32)
        ring = KeyVerifier(store, clock=clock, new_token=lambda: token)
        assert await refusal(ring, token.text()) == INVALID
        await ring.generate()
        assert (await ring.verify(token.text())).id == token.id

    async def test_it_is_bounded(self, store: Watched, clock: Clock) -> None:
        ring = KeyVerifier(store, clock=clock, cache_size=10)
        for _ in range(25):
            token = (await ring.generate()).token
            for n in range(2):
                await refusal(ring, f"sk_{n:032x}.{token[36:]}")
            await ring.verify(token)
            assert len(ring._good) <= 10
        for n in range(25):
            await refusal(ring, f"sk_{n:032x}.{'0' * 64}")
            assert 0 < len(ring._bad) <= 10

    async def test_it_holds_no_token(self, ring: KeyVerifier) -> None:
        token = (await ring.generate()).token
        await ring.verify(token)
        await refusal(ring, wrong_secret(token))
        kept = repr(vars(ring))
        assert token[36:68] not in kept
        assert all(len(digest) == 32 for digest in (*ring._good, *ring._bad))

    async def test_a_read_from_before_a_revocation_is_not_remembered(
        self, ring: KeyVerifier, store: Watched
    ) -> None:
        issued = await ring.generate()
        store.gate = asyncio.Event()
        early = asyncio.create_task(ring.verify(issued.token))
        await store.held.wait()
        gate, store.gate = store.gate, None
        assert await ring.revoke(issued.key.id)
        assert await refusal(ring, issued.token) == REVOKED  # does not join the early look-up
        gate.set()
        await early  # asked before the revocation: either answer would do
        assert await refusal(ring, issued.token) == REVOKED


class TestTogether:
    """Many callers at the same time."""

    async def test_they_share_one_look_up(self, ring: KeyVerifier, store: Watched) -> None:
        token = (await ring.generate()).token
        tokens = [token, wrong_secret(token)] * 20
        answers = await asyncio.gather(*map(ring.verify, tokens), return_exceptions=True)
        assert store.gets == 1
        assert [isinstance(answer, ApiKey) for answer in answers] == [True, False] * 20
        assert not ring._lookups

    async def test_one_that_leaves_does_not_disturb_the_others(
        self, ring: KeyVerifier, store: Watched
    ) -> None:
        token = (await ring.generate()).token
        store.gate = asyncio.Event()
        first, second = (asyncio.create_task(ring.verify(token)) for _ in range(2))
        await store.held.wait()
        first.cancel()
        store.gate.set()
        assert (await second).id
        assert first.cancelled()

    async def test_each_gets_its_own_error(self, ring: KeyVerifier, store: Watched) -> None:
        token = (await ring.generate()).token
        store.down = True
        errors = await asyncio.gather(*(ring.verify(token) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(error, StoreDown) for error in errors)
        assert len(set(map(id, errors))) == 5
        assert store.gets == 1

    async def test_changes_do_not_overwrite_each_other(
        self, ring: KeyVerifier, other_process: KeyVerifier, store: Watched
    ) -> None:
        issued = await ring.generate()
        store.before_put = lambda: other_process.revoke(issued.key.id)
        changed = await ring.set_expiration(issued.key.id, ttl_seconds=60)
        assert changed is not None
        assert changed.revoked_at is not None  # written in between, and kept
        assert await refusal(ring, issued.token) == REVOKED

    async def test_one_of_many_revokes(self, ring: KeyVerifier, other_process: KeyVerifier) -> None:
        id = (await ring.generate()).key.id
        told = await asyncio.gather(*(keys.revoke(id) for keys in [ring, other_process] * 5))
        assert told.count(True) == 1


class TestStoreDown:
    """Law 8: no store, no entry."""

    async def test_nobody_gets_in(self, ring: KeyVerifier, store: Watched, clock: Clock) -> None:
        token = (await ring.generate()).token
        await ring.verify(token)
        clock.advance(1)
        store.down = True
        for presented in (token, wrong_secret(token), f"sk_{UNKNOWN}.{token[36:]}"):
            for _ in range(2):  # the failure is not remembered as an answer
                with pytest.raises(StoreDown) as caught:
                    await ring.verify(presented)
                assert caught.value.status == 503
        assert await refusal(ring, None) == MISSING
        store.down = False
        await ring.verify(token)

    async def test_nothing_is_said_to_be_done(self, ring: KeyVerifier, store: Watched) -> None:
        issued = await ring.generate()
        store.down = True
        for call in (
            ring.generate(),
            ring.revoke(issued.key.id),
            ring.set_expiration(issued.key.id, ttl_seconds=5),
            ring.list(),
        ):
            with pytest.raises(StoreDown):
                await call

    async def test_a_change_that_may_have_happened_is_looked_up(
        self, ring: KeyVerifier, store: Watched
    ) -> None:
        issued = await ring.generate()
        await ring.verify(issued.token)

        async def write_then_fail() -> None:
            entry = await store.inner.get("keys", issued.key.id)
            assert entry is not None
            await store.inner.put("keys", issued.key.id, {**entry.doc, "revoked_at": 1})
            raise StoreDown("the answer was lost")

        store.before_put = write_then_fail
        with pytest.raises(StoreDown):
            await ring.revoke(issued.key.id)
        assert await refusal(ring, issued.token) == REVOKED


class TestAdministration:
    async def test_a_new_key_follows_the_policy(self, store: Watched, clock: Clock) -> None:
        ring = KeyVerifier(store, KeyPolicy(default_ttl=60), clock=clock)
        key = (await ring.generate()).key
        assert (key.created_at, key.expires_at, key.revoked_at) == (clock.now, clock.now + 60, None)
        assert (await ring.generate(ttl_seconds=5)).key.expires_at == clock.now + 5
        with pytest.raises(InvalidRequest):
            await ring.generate(expires_at=None)
        assert len(await ring.list()) == 2

    async def test_the_record_is_the_documented_one(
        self, ring: KeyVerifier, store: Watched, clock: Clock
    ) -> None:
        clock.advance(0.75)
        issued = await ring.generate(label="l", scopes=[])
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

    async def test_an_id_is_never_given_twice(self, store: Watched, clock: Clock) -> None:
        token = Token("ab" * 16, "cd" * 32)
        ring = KeyVerifier(store, clock=clock, new_token=lambda: token)
        first = await ring.generate(label="first")
        with pytest.raises(StoreDown):
            await ring.generate(label="second")
        assert await ring.list() == [first.key]

    async def test_revoke(self, ring: KeyVerifier, clock: Clock) -> None:
        id = (await ring.generate()).key.id
        clock.advance(5)
        assert await ring.revoke(id) is True
        clock.advance(5)
        assert await ring.revoke(id) is False
        assert (await ring.list())[0].revoked_at == 1_800_000_005
        for unknown in (UNKNOWN, "", "x", "*", "keys:" + UNKNOWN):
            assert await ring.revoke(unknown) is False

    async def test_set_expiration(self, store: Watched, clock: Clock) -> None:
        ring = KeyVerifier(store, KeyPolicy(allow_no_expiration=True), clock=clock)
        id = (await ring.generate()).key.id
        for asked, end in (
            ({"expires_at": 5}, 5),
            ({"ttl_seconds": 7}, 1_800_000_007),
            ({"expires_at": None}, None),
            ({"expires_at": 1_900_000_000, "ttl_seconds": 7}, 1_900_000_000),
            ({}, None),
        ):
            changed = await ring.set_expiration(id, **asked)
            assert changed is not None
            assert changed.expires_at == end
            assert await ring.list() == [changed]
        await ring.revoke(id)
        changed = await ring.set_expiration(id, ttl_seconds=9)
        assert changed is not None
        assert (changed.expires_at, changed.revoked_at) == (1_800_000_009, 1_800_000_000)
        assert await ring.set_expiration(UNKNOWN, ttl_seconds=9) is None

    async def test_clearing_is_refused_before_anything_is_read(
        self, ring: KeyVerifier, store: Watched
    ) -> None:
        silent: dict[str, Any] = {}
        for asked in (silent, {"expires_at": None}):
            with pytest.raises(InvalidRequest):
                await ring.set_expiration(UNKNOWN, **asked)
        assert store.gets == 0

    async def test_fields_of_others_survive_a_change(self, ring: KeyVerifier, store: Watched) -> None:
        id = (await ring.generate()).key.id
        entry = await store.get("keys", id)
        assert entry is not None
        await store.put("keys", id, {**entry.doc, "plan": {"name": "gold"}})
        await ring.set_expiration(id, ttl_seconds=5)
        await ring.revoke(id)
        entry = await store.get("keys", id)
        assert entry is not None
        assert entry.doc["plan"] == {"name": "gold"}
        assert (entry.doc["revoked_at"], entry.doc["expires_at"]) == (1_800_000_000, 1_800_000_005)

    async def test_the_list_is_oldest_first(self, store: Watched, clock: Clock) -> None:
        names = ["c", "a", "b", "e", "d"]
        ids = iter(names)
        ring = KeyVerifier(store, clock=clock, new_token=lambda: Token(next(ids) * 32, "0" * 64))
        for name in names:
            await ring.generate(label=name)
            if name != "b":  # b and e are of one second
                clock.advance(1)
        await ring.revoke("a" * 32)
        assert [key.label for key in await ring.list()] == ["c", "a", "b", "e", "d"]

    async def test_a_long_list_is_whole(self, store: Watched, clock: Clock) -> None:
        ring = KeyVerifier(store, clock=clock)
        record = (await ring.generate()).key.document()
        for n in range(501):
            await store.inner.put("keys", f"{n:032x}", {**record, "id": f"{n:032x}"})
        assert len(await ring.list()) == 502

    async def test_a_key_that_a_scan_meets_twice_is_listed_once(
        self, ring: KeyVerifier, store: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [(await ring.generate()).key.id for _ in range(3)]
        real = store.scan

        async def twice(kind: str, *, cursor: str | None = None, limit: int = 100) -> Page:
            page = await real(kind, limit=limit)
            return Page([*page.entries, *page.entries], "again" if cursor is None else None)

        monkeypatch.setattr(store, "scan", twice)
        assert sorted(key.id for key in await ring.list()) == sorted(ids)

    async def test_others_get_their_turn_while_a_long_list_is_made(
        self, ring: KeyVerifier, store: Watched
    ) -> None:
        record = (await ring.generate()).key.document()
        for n in range(1500):
            await store.inner.put("keys", f"{n:032x}", {**record, "id": f"{n:032x}"})
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.create_task(others())
        assert len(await ring.list()) == 1501
        beside.cancel()
        assert turns >= 4  # on a store that never waits too

    async def test_no_secret_is_shown(self, ring: KeyVerifier) -> None:
        issued = await ring.generate(label="l")
        (key,) = await ring.list()
        shown = repr(issued) + repr(key) + str(key.public()) + repr(await ring.verify(issued.token))
        for hidden in (issued.token[36:], key.digest.salt_hex, key.digest.hash_hex):
            assert hidden not in shown
