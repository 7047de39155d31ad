"""Enforces law 7, tenants never meet: checks the ids in requests and records the ids in answers.

This applies where tenants share one upstream account (a managed upstream). In passthrough the upstream's own
account decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chat2response.convert.dialects.dialect import Peek
from chat2response.convert.dialects.references import MAX_IDS, Reference, too_many_ids, unknown_item
from chat2response.state.owners import Owners
from chat2response.upstreams.base import Target
from chat2response.wire.json import JSONError, decode_leniently
from chat2response.wire.large_documents import is_large, run_in_thread_if


class Ownership:
    """Ownership for one call. With `tenant` None nothing is checked or recorded."""

    def __init__(self, owners: Owners, tenant: str | None, target: Target) -> None:
        self._owners = owners
        self._dialect = target.dialect
        self._tenant = tenant if target.managed else None

    async def check_body(self, body: bytes, peek: Peek) -> None:
        """Like `check`, for a body that goes upstream unchanged. Raises InvalidRequest also for a duplicate
        key.
        """
        if self._tenant is None:
            return
        if peek.ids is None:
            await self._check(await run_in_thread_if(is_large(body), self._dialect.references_in_body, body))
        elif peek.ids:
            await self._check(
                [Reference(each, unknown_item, must_own=False) for each in dict.fromkeys(peek.ids)]
            )

    async def check(self, fields: Mapping[str, Any]) -> None:
        """Raises the error of an unknown id for each id that does not belong to the tenant."""
        if self._tenant is not None:
            await self._check(self._dialect.references(fields))

    async def _check(self, references: list[Reference]) -> None:
        if not references:
            return
        if len(references) > MAX_IDS:
            raise too_many_ids(len(references))
        owners = await self._owners.of([each.id for each in references])
        for each, owner in zip(references, owners, strict=True):
            if owner != self._tenant and (each.must_own or owner is not None):
                raise each.refusal(each.id)

    async def record(self, ids: Sequence[str]) -> None:
        """Records the tenant as the owner of `ids`; returns once that is durable. Raises StoreDown."""
        if ids and self._tenant is not None:
            await self._owners.record(self._tenant, ids)

    async def record_body(self, body: bytes, *, stored: bool = True) -> None:
        """Records the ids in a whole JSON answer. `stored`: the upstream stores the response."""
        if self._tenant is None or not self._dialect.may_create_ids(body, stored=stored):
            return
        try:
            answer = await run_in_thread_if(is_large(body), decode_leniently, body)
        except JSONError:
            return  # not an answer that a client can continue
        if type(answer) is dict:
            await self.record(self._dialect.created_ids(answer, stored=stored))
