"""Keys in Redis: records of the Rust edition, and changes by another process."""

import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from chat2response.errors import Unauthorized
from chat2response.keys import INVALID, REVOKED, KeyRepository, KeyService, KeyVerifier
from chat2response.stores import Store, open_store
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts
from tests.support.redis_server import RedisServer
from tests.support.stores.processes import finish, start

ID, SECRET, SALT = "0123456789abcdef" * 2, "fedcba9876543210" * 4, "00112233445566778899aabbccddeeff"
TOKEN = f"sk_{ID}.{SECRET}"

REVOKE = """
from chat2response.keys import KeyRepository, KeyService
async def main():
    print(await KeyService(KeyRepository(store)).revoke(sys.argv[2]))
    await store.close()
"""

GENERATE = """
from chat2response.keys import KeyRepository, KeyService
async def main():
    issued = await KeyService(KeyRepository(store)).generate(label="from elsewhere")
    print(issued.token)
    await store.close()
"""


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[Store]:
    store = open_store(redis_server.unix)
    yield store
    await store.close()


@pytest.fixture
def gateway(store: Store, clock: Clock) -> tuple[KeyService, KeyVerifier]:
    return key_parts(store, clock=clock)


async def refusal(verifier: KeyVerifier, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        await verifier.verify(token)
    return caught.value.message


def write_rust_record(server: RedisServer) -> str:
    """The Rust edition's record: the hash of salt and secret, both raw, without an expiry in Redis."""
    digest = hashlib.sha256(bytes.fromhex(SALT) + bytes.fromhex(SECRET)).hexdigest()
    text = (
        f'{{"id":"{ID}","label":"old","created_at":1700000000,"expires_at":1900000000,'
        f'"revoked_at":null,"salt_hex":"{SALT}","hash_hex":"{digest}","scopes":["read"]}}'
    )
    with server.client() as client:
        client.set(f"chat2response:keys:{ID}", text)
    return text


async def test_a_record_of_the_rust_edition_opens(
    service: KeyService, verifier: KeyVerifier, redis_server: RedisServer
) -> None:
    write_rust_record(redis_server)
    key = await verifier.verify(TOKEN)
    assert (key.id, key.label, key.scopes, key.expires_at) == (ID, "old", ("read",), 1_900_000_000)
    assert await service.repository.list() == [key]
    assert await refusal(verifier, TOKEN[:-1] + "1") == INVALID


async def test_a_change_of_it_keeps_its_form(
    service: KeyService, verifier: KeyVerifier, redis_server: RedisServer, clock: Clock
) -> None:
    before = json.loads(write_rust_record(redis_server))
    assert await service.revoke(ID)
    with redis_server.client() as client:
        after = client.get(f"chat2response:keys:{ID}")
        assert isinstance(after, bytes)
        assert client.ttl(f"chat2response:keys:{ID}") == -1
    assert json.loads(after) == {**before, "revoked_at": int(clock.now)}
    assert list(json.loads(after)) == list(before)
    assert await refusal(verifier, TOKEN) == REVOKED


async def test_what_another_process_revokes_is_refused_here_within_a_second(
    service: KeyService, verifier: KeyVerifier, redis_server: RedisServer, clock: Clock
) -> None:
    issued = await service.generate()
    await verifier.verify(issued.token)  # cached from here on
    assert await finish(await start(REVOKE, redis_server.unix, issued.key.id)) == "True\n"
    clock.advance(1)
    assert await refusal(verifier, issued.token) == REVOKED
    assert await service.revoke(issued.key.id) is False


async def test_what_another_process_issues_opens_here(redis_server: RedisServer, store: Store) -> None:
    token = (await finish(await start(GENERATE, redis_server.url))).strip()
    assert (await KeyVerifier(KeyRepository(store)).verify(token)).label == "from elsewhere"
