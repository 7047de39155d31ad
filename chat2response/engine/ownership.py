"""Law 7 at the engine's two doors: ids in a request are checked, ids in an answer are recorded.

Only where tenants share one upstream account (a managed Responses upstream); in passthrough the
upstream's own account decides.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chat2response.engine.answer_ids import owned_ids, tells_of_more
from chat2response.engine.duplicate_keys import check_references
from chat2response.engine.id_references import MOST_IDS, Reference, no_item, references, too_many
from chat2response.engine.request_reader import bad_json, read_object
from chat2response.state.owners import Owners
from chat2response.upstreams.base import Target
from chat2response.wire.json import JSONError, decode_leniently
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.request_peek import ResponsesPeek


class Ownership:
    """For one call. `tenant` None: nothing is checked and nothing recorded."""

    def __init__(self, owners: Owners, tenant: str | None, target: Target) -> None:
        self._owners = owners
        self._tenant = tenant if target.managed else None

    async def check_body(self, body: bytes, peek: ResponsesPeek) -> None:
        """`check` for a body that goes up as it is. Raises InvalidRequest, too, for an id said twice."""
        if self._tenant is None:
            return
        if peek.ids is None:
            await self._check(await run_in_thread_if(is_large(body), _references_in, body))
        elif peek.ids:
            await self._check([Reference(each, no_item, must_own=False) for each in dict.fromkeys(peek.ids)])

    async def check(self, fields: Mapping[str, Any]) -> None:
        """Raises, for an id that is not the tenant's, exactly what an unknown id would get."""
        if self._tenant is not None:
            await self._check(references(fields))

    async def _check(self, named: list[Reference]) -> None:
        if not named:
            return
        if len(named) > MOST_IDS:
            raise too_many(len(named))
        owners = await self._owners.of([each.id for each in named])
        for each, owner in zip(named, owners, strict=True):
            if owner != self._tenant and (each.must_own or owner is not None):
                raise each.refusal(each.id)

    async def record(self, ids: Sequence[str]) -> None:
        """Makes the tenant their owner; returns when that is durable. Raises StoreDown."""
        if ids and self._tenant is not None:
            await self._owners.record(self._tenant, ids)

    async def record_body(self, body: bytes, *, kept: bool = True) -> None:
        """The same for the ids in a whole JSON answer. `kept`: the upstream stores it."""
        if self._tenant is None or not (kept or tells_of_more(body)):
            return
        try:
            answer = await run_in_thread_if(is_large(body), decode_leniently, body)
        except JSONError:
            return  # not an answer anyone could continue
        if type(answer) is dict:
            await self.record(owned_ids(answer, kept=kept))


def _references_in(body: bytes) -> list[Reference]:
    fields = read_object(body)
    try:
        check_references(body)
    except JSONError as error:
        raise bad_json(error, body) from None
    return references(fields)
