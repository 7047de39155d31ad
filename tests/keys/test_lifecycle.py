"""The lifecycle of a key on each store: rotation, update, import, pagination, purge."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import Conflict, InvalidRequest, Unauthorized
from chat2response.keys import EXPIRED, INVALID, ApiKey, KeyRepository, KeyService, KeyVerifier, Token
from chat2response.keys.last_used import KIND as USE
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.listing import Filter
from chat2response.keys.record import KIND
from chat2response.keys.repository import MIN_PURGE_AGE
from chat2response.stores import Store
from tests.keys.tokens.test_hashing import VECTORS
from tests.support.clock_and_ids import Clock

UNKNOWN = "0123456789abcdef" * 2


async def refusal(verifier: KeyVerifier, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        await verifier.verify(token)
    return caught.value.message


class TestRotate:
    async def test_both_secrets_open_until_the_grace_is_over(
        self, service: KeyService, verifier: KeyVerifier, clock: Clock
    ) -> None:
        first = await service.generate(label="l", scopes=["a"])
        second = await service.rotate(first.key.id, grace_seconds=60)
        assert second is not None
        assert second.token[:36] == first.token[:36]  # the id, which is the tenant, stays
        assert second.token != first.token
        now = int(clock())
        assert (second.key.rotated_at, second.key.label, second.key.scopes) == (now, "l", ("a",))
        assert second.key.details(now)["grace_expires_at"] == now + 60
        for token in (first.token, second.token):
            assert (await verifier.verify(token)).id == first.key.id
        clock.advance(59.5)
        await verifier.verify(first.token)
        clock.advance(0.5)  # cached half a second ago, but expired
        assert await refusal(verifier, first.token) == EXPIRED
        await verifier.verify(second.token)
        assert second.key.details(clock())["grace_expires_at"] is None

    async def test_without_grace_the_old_secret_ends_at_once(
        self, service: KeyService, verifier: KeyVerifier
    ) -> None:
        first = await service.generate()
        await verifier.verify(first.token)
        second = await service.rotate(first.key.id)
        assert second is not None
        assert await refusal(verifier, first.token) == EXPIRED
        await verifier.verify(second.token)

    async def test_grace_never_outlives_the_key(self, service: KeyService, clock: Clock) -> None:
        first = await service.generate(ttl_seconds=30)
        second = await service.rotate(first.key.id, grace_seconds=600)
        assert second is not None and second.key.previous is not None
        assert second.key.previous.expires_at == second.key.expires_at
        moved = await service.set_expiration(first.key.id, ttl_seconds=10)
        assert moved is not None and moved.previous is not None
        assert moved.previous.expires_at == int(clock()) + 10

    async def test_a_second_rotation_ends_the_first_secret(
        self, service: KeyService, verifier: KeyVerifier
    ) -> None:
        first = await service.generate()
        second = await service.rotate(first.key.id, grace_seconds=60)
        with pytest.raises(Conflict, match="--force") as caught:
            await service.rotate(first.key.id, grace_seconds=60)
        assert (caught.value.code, caught.value.param) == ("rotation_in_grace", "force")
        await verifier.verify(first.token)
        third = await service.rotate(first.key.id, grace_seconds=60, force=True)
        assert second is not None and third is not None
        assert await refusal(verifier, first.token) == INVALID
        for token in (second.token, third.token):
            await verifier.verify(token)

    async def test_a_dead_key_gets_no_new_secret(self, service: KeyService, clock: Clock) -> None:
        revoked, expired = await service.generate(), await service.generate(ttl_seconds=5)
        await service.revoke(revoked.key.id)
        clock.advance(5)
        for key, code in ((revoked.key, "key_revoked"), (expired.key, "key_expired")):
            with pytest.raises(Conflict) as caught:
                await service.rotate(key.id, grace_seconds=5)
            assert caught.value.code == code
        assert await service.rotate(UNKNOWN) is None

    @pytest.mark.parametrize("grace", [-1, True, 1.5, 10**12, "5"])
    async def test_an_absurd_grace_is_refused(self, service: KeyService, grace: Any) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.rotate(UNKNOWN, grace_seconds=grace)
        assert caught.value.param == "grace_seconds"

    async def test_revocation_ends_both_secrets(self, service: KeyService, verifier: KeyVerifier) -> None:
        first = await service.generate()
        second = await service.rotate(first.key.id, grace_seconds=60)
        assert second is not None
        await service.revoke(first.key.id)
        for token in (first.token, second.token):
            assert await refusal(verifier, token) == "API key revoked"

    async def test_rotations_at_the_same_time_leave_two_secrets(
        self, service: KeyService, verifier: KeyVerifier, shell: KeyService
    ) -> None:
        first = await service.generate()
        ends = await asyncio.gather(*(each.rotate(first.key.id) for each in (service, shell) * 3))
        opened = 0
        for issued in ends:
            assert issued is not None
            try:
                await verifier.verify(issued.token)
            except Unauthorized:
                continue
            opened += 1
        assert opened == 1  # the last one; the one before it had no grace


class TestUpdate:
    async def test_what_is_given_changes_and_the_rest_stays(
        self, service: KeyService, verifier: KeyVerifier, clock: Clock
    ) -> None:
        issued = await service.generate(
            label="a", owner="me", metadata={"team": "x"}, scopes=["s"], limits={"requests_per_minute": 5}
        )
        key = await service.update(issued.key.id, label="b", limits={"tokens_per_day": 7}, metadata=None)
        assert key is not None
        assert key.details(clock()) == issued.key.details(clock()) | {
            "label": "b",
            "limits": {"tokens_per_day": 7},
            "metadata": None,
        }
        assert await verifier.verify(issued.token) == key
        assert await service.update(UNKNOWN, label="b") is None

    async def test_changes_of_two_processes_both_hold(self, service: KeyService, shell: KeyService) -> None:
        id = (await service.generate()).key.id
        await asyncio.gather(
            service.update(id, label="l"), shell.update(id, owner="o"), shell.revoke(id), service.rotate(id),
            return_exceptions=True,
        )  # fmt: skip
        key = await service.repository.get(id)
        assert key is not None
        assert (key.label, key.owner, key.revoked_at is None) == ("l", "o", False)

    async def test_fields_of_others_survive_and_ours_leave_without_a_trace(
        self, service: KeyService, plain_store: Store
    ) -> None:
        issued = await service.generate(owner="o")
        entry = await plain_store.get(KIND, issued.key.id)
        assert entry is not None
        foreign = {"plan": {"name": "gold"}, "note": None}
        await plain_store.put(KIND, issued.key.id, entry.doc | foreign)
        await service.update(issued.key.id, owner=None, limits={})
        await service.rotate(issued.key.id)
        entry = await plain_store.get(KIND, issued.key.id)
        assert entry is not None
        assert {name: entry.doc[name] for name in foreign} == foreign
        assert not {"owner", "limits", "pepper"} & set(entry.doc)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"label": 5}, "label"),
            ({"label": "x" * 501}, "label"),
            ({"owner": []}, "owner"),
            ({"scopes": ["a", 5]}, "scopes[1]"),
            ({"scopes": ["net:nowhere"]}, "scopes[0]"),
            ({"scopes": ["admin:root"]}, "scopes[0]"),
            ({"scopes": ["x"] * 201}, "scopes"),
            ({"metadata": {"a": 5}}, "metadata.a"),
            ({"metadata": {"": "x"}}, "metadata"),
            ({"metadata": {f"n{n}": "x" for n in range(17)}}, "metadata"),
            ({"limits": []}, "limits"),
            ({"limits": {"requests": 5}}, "limits.requests"),
            ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute"),
            ({"limits": {"requests_per_minute": True}}, "limits.requests_per_minute"),
            ({"limits": {"cost_per_day": -1}}, "limits.cost_per_day"),
            ({"limits": {"tokens_per_day": 2**53}}, "limits.tokens_per_day"),
        ],
    )
    async def test_what_cannot_be_said_of_a_key(self, service: KeyService, fields: Any, param: str) -> None:
        for call in (service.generate(**fields), service.update(UNKNOWN, **fields)):
            with pytest.raises(InvalidRequest) as caught:
                await call
            assert caught.value.param == param


class TestImport:
    async def test_a_digest_made_elsewhere_opens(self, service: KeyService, verifier: KeyVerifier) -> None:
        salt, secret, hash = VECTORS[0]
        digest = f"$c2r-sha256${salt}${hash}"
        key, created = await service.import_digest(UNKNOWN, digest, label="l", ttl_seconds=60)
        assert created
        assert (await verifier.verify(f"sk_{UNKNOWN}.{secret}")) == key
        assert await service.import_digest(UNKNOWN, digest, label="other") == (key, False)

    async def test_what_digest_prints_can_be_imported(
        self, service: KeyService, verifier: KeyVerifier, shell: KeyService
    ) -> None:
        token, digest = shell.new_digest()
        await service.import_digest(token.id, digest)
        assert (await verifier.verify(token.text())).id == token.id

    async def test_another_keys_id_is_not_taken(
        self, service: KeyService, verifier: KeyVerifier, shell: KeyService
    ) -> None:
        existing = await service.generate()
        _, digest = shell.new_digest()
        with pytest.raises(Conflict) as caught:
            await service.import_digest(existing.key.id, digest)
        assert caught.value.code == "key_exists"
        await verifier.verify(existing.token)

    async def test_a_key_that_ended_may_be_imported_again(self, service: KeyService, clock: Clock) -> None:
        token, digest = service.new_digest()
        end = int(clock()) + 5
        await service.import_digest(token.id, digest, expires_at=end)
        clock.advance(10)
        await service.check(id=token.id, digest=digest, expires_at=end)
        assert (await service.import_digest(token.id, digest, expires_at=end))[1] is False

    @pytest.mark.parametrize(
        "digest", ["", "x", "$c2r-sha256$00$00", f"$c2r-sha256${'0' * 32}${'g' * 64}", "$5$" + "0" * 99]
    )
    async def test_what_is_no_digest(self, service: KeyService, digest: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.import_digest(UNKNOWN, digest)
        assert caught.value.param == "digest"

    async def test_a_pepper_that_is_not_here(self, service: KeyService) -> None:
        with pytest.raises(InvalidRequest, match="has no pepper 'v9'"):
            await service.import_digest(UNKNOWN, f"$c2r-hmac-sha256$v9${'0' * 32}${'0' * 64}")

    @pytest.mark.parametrize("id", ["", "x", UNKNOWN.upper(), f"sk_{UNKNOWN}"])
    async def test_what_is_no_id(self, service: KeyService, id: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.import_digest(id, f"$c2r-sha256${'0' * 32}${'0' * 64}")
        assert caught.value.param == "id"


async def pages(service: KeyService, limit: int, key_filter: Filter | None = None) -> list[list[ApiKey]]:
    result, cursor = [], None
    for _ in range(200):
        page = await service.repository.page(key_filter, cursor=cursor, limit=limit)
        result.append(page.keys)
        if (cursor := page.cursor) is None:
            return result
    raise AssertionError("the list does not end")


class TestPages:
    @pytest.mark.parametrize("limit", [1, 2, 7, 500])
    async def test_every_key_is_on_one_page(self, service: KeyService, limit: int) -> None:
        ids = {(await service.generate()).key.id for _ in range(23)}
        result = await pages(service, limit)
        assert all(len(page) <= limit for page in result)
        seen = [key.id for page in result for key in page]
        assert set(seen) == ids

    async def test_filters(self, service: KeyService, clock: Clock) -> None:
        issued = {
            "plain": await service.generate(label="Plain", ttl_seconds=10_000),
            "mine": await service.generate(label="mine", owner="me", ttl_seconds=10_000),
            "dead": await service.generate(label="dead", owner="me", ttl_seconds=10_000),
            "soon": await service.generate(label="soon plain", ttl_seconds=60),
            "late": await service.generate(label="late", ttl_seconds=1),
            "ever": await service.generate(label="ever", expires_at=None),
        }
        await service.revoke(issued["dead"].key.id)
        clock.advance(2)
        for key_filter, names in (
            (Filter(), set(issued)),
            (Filter(state="revoked"), {"dead"}),
            (Filter(state="expired"), {"late"}),
            (Filter(state="active"), set(issued) - {"dead", "late"}),
            (Filter(owner="me"), {"mine", "dead"}),
            (Filter(owner="me", state="active"), {"mine"}),
            (Filter(owner="m"), set()),
            (Filter(label="PLAIN"), {"plain", "soon"}),
            (Filter(expiring_within=60), {"soon"}),
        ):
            for limit in (1, 100):
                matches = {key.id for page in await pages(service, limit, key_filter) for key in page}
                assert matches == {issued[name].key.id for name in names}, key_filter

    async def test_a_page_is_oldest_first(self, service: KeyService, clock: Clock) -> None:
        ids = []
        for _ in range(5):
            ids.append((await service.generate()).key.id)
            clock.advance(1)
        (page,) = await pages(service, 100)
        assert [key.id for key in page] == ids

    @pytest.mark.parametrize("cursor", ["", "x", "!!", "W10=", "bnVsbA==", "\ud800"])
    async def test_a_cursor_of_nobodys_making(self, service: KeyService, cursor: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.repository.page(cursor=cursor)
        assert caught.value.param == "cursor"

    @pytest.mark.parametrize("limit", [0, -1, 501])
    async def test_a_page_has_a_size(self, service: KeyService, limit: int) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.repository.page(limit=limit)
        assert caught.value.param == "limit"

    async def test_a_state_there_is_not(self) -> None:
        with pytest.raises(InvalidRequest, match="active, revoked, expired"):
            Filter(state="dead")  # type: ignore[arg-type]


class TestPurge:
    async def test_only_the_long_dead_go(
        self, service: KeyService, verifier: KeyVerifier, plain_store: Store, clock: Clock
    ) -> None:
        old = [await service.generate(ttl_seconds=1), await service.generate()]
        await service.revoke(old[1].key.id)
        tracker = LastUsedTracker(plain_store, clock=clock)
        tracker.note(old[0].key.id, requests=1)
        await tracker.write_behind.flush()
        clock.advance(MIN_PURGE_AGE)
        recent = await service.generate(ttl_seconds=1)
        living = await service.generate(ttl_seconds=10_000)
        clock.advance(1)
        assert await service.repository.purge(MIN_PURGE_AGE) == (2, False)
        clock.advance(1)
        await asyncio.sleep(0.01)  # Redis has a clock of its own, and the ttl is a millisecond
        assert {key.id for key in await service.repository.list()} == {recent.key.id, living.key.id}
        assert await plain_store.get(USE, old[0].key.id) is None
        assert await refusal(verifier, old[1].token) == INVALID
        assert await service.repository.purge(MIN_PURGE_AGE) == (0, False)

    async def test_a_key_that_is_given_a_new_end_meanwhile_stays(
        self, service: KeyService, shell: KeyService, plain_store: Store, clock: Clock, monkeypatch: Any
    ) -> None:
        id = (await service.generate(ttl_seconds=1)).key.id
        clock.advance(MIN_PURGE_AGE + 1)
        put = plain_store.put

        async def put_after_a_change(*args: Any, **more: Any) -> bool:
            monkeypatch.undo()
            await shell.set_expiration(id, ttl_seconds=60)
            return await put(*args, **more)

        monkeypatch.setattr(plain_store, "put", put_after_a_change)
        assert await service.repository.purge(MIN_PURGE_AGE) == (0, False)
        assert [key.id for key in await service.repository.list()] == [id]

    async def test_it_stops_at_its_limit(self, service: KeyService, plain_store: Store, clock: Clock) -> None:
        record = (await service.generate(ttl_seconds=1)).key.document()
        for n in range(450):
            await plain_store.put(KIND, f"{n:032x}", record | {"id": f"{n:032x}"})
        clock.advance(MIN_PURGE_AGE + 1)
        purged, more = await service.repository.purge(MIN_PURGE_AGE, limit=100)
        assert 100 <= purged < 451 and more
        while more:
            purged, more = await service.repository.purge(MIN_PURGE_AGE)
        clock.advance(1)
        await asyncio.sleep(0.01)
        assert await service.repository.list() == []

    @pytest.mark.parametrize("age", [0, -1, MIN_PURGE_AGE - 1, True, "9999"])
    async def test_nobody_purges_the_recently_dead(self, service: KeyService, age: Any) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await service.repository.purge(age)
        assert caught.value.param == "older_than_seconds"


async def test_a_key_made_twice_is_a_fault_of_the_id_source(plain_store: Store, clock: Clock) -> None:
    token = Token("ab" * 16, "cd" * 32)
    service = KeyService(KeyRepository(plain_store, clock=clock), new_token=lambda: token)
    await service.generate()
    with pytest.raises(Exception, match="store is unavailable"):
        await service.generate()
