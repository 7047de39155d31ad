"""The key benchmark fills stores with keys like those that the key service issues."""

from collections.abc import Callable

import pytest

from bench.keys import BATCH, filled_store
from chat2response.keys import KeyRepository, KeyVerifier


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_store_is_filled_with_keys(store_address: Callable[[str], str], kind: str) -> None:
    async with filled_store(store_address(kind), BATCH + 25) as (store, tokens):
        keys = await KeyRepository(store).list()
        assert len(keys) == len({key.id for key in keys}) == BATCH + 25
        assert len(tokens) == BATCH
        assert {tokens[0][3:35], tokens[-1][3:35]} <= {key.id for key in keys}
        assert (await KeyVerifier(KeyRepository(store)).verify(tokens[-1])).id == tokens[-1][3:35]
