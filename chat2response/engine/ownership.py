"""Law 7 at the engine's two doors: ids in a request are checked, ids in an answer are recorded.

Only where tenants share one upstream account (a managed Responses upstream); in passthrough the
upstream's own account decides.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chat2response.engine.taps import owned_ids
from chat2response.engine.twice import check_references
from chat2response.errors import InvalidRequest, NotFound
from chat2response.state.owners import Owners
from chat2response.upstreams.base import Target
from chat2response.wire.json import JSONError, decode
from chat2response.wire.peek import ItemPeek, ResponsesPeek, StatelessPeek


class Ownership:
    """For one call. `tenant` None: nothing is checked and nothing recorded."""

    def __init__(self, owners: Owners, tenant: str | None, target: Target) -> None:
        self._owners = owners
        self._target = target
        self._tenant = tenant if target.managed else None

    def inactive(self) -> "Ownership":
        """The same for an answer of which the upstream keeps nothing."""
        return self if self._tenant is None else Ownership(self._owners, None, self._target)

    async def check_body(self, body: bytes, peek: StatelessPeek | ResponsesPeek) -> None:
        """`check` for a body that goes up as it is. Raises InvalidRequest, too, for an id said twice."""
        if self._tenant is not None and isinstance(peek, ResponsesPeek):
            check_references(body)
            await self.check(peek.previous_response_id, peek.conversation, peek.input)

    async def check(self, previous: Any, conversation: Any, items: Iterable[ItemPeek] | str | None) -> None:
        """Raises, for an id that is not the tenant's, exactly what an unknown id would get."""
        if self._tenant is None:
            return
        named = list(_named(previous, conversation, items))
        if not named:
            return
        owned = await self._owners.owns(self._tenant, [each for each, _ in named])
        for (_, refused), mine in zip(named, owned, strict=True):
            if not mine:
                raise refused

    async def record(self, ids: Sequence[str]) -> None:
        """Makes the tenant their owner; returns when that is durable. Raises StoreDown."""
        if ids and self._tenant is not None:
            await self._owners.record(self._tenant, ids)

    async def record_body(self, body: bytes) -> None:
        """The same for the ids in a whole JSON answer."""
        if self._tenant is None:
            return
        try:
            answer = decode(body)
        except JSONError:
            return  # not an answer anyone could continue
        if type(answer) is dict:
            await self.record(owned_ids(answer))


def _named(
    previous: Any, conversation: Any, items: Iterable[ItemPeek] | str | None
) -> Iterator[tuple[str, InvalidRequest | NotFound]]:
    if type(previous) is str and previous:
        yield (
            previous,
            InvalidRequest(
                f"Previous response with id '{previous}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            ),
        )
    if type(conversation) is dict:
        conversation = conversation.get("id")
    if type(conversation) is str and conversation:
        yield (
            conversation,
            NotFound(f"Conversation with id '{conversation}' not found.", param="conversation"),
        )
    if items is None or isinstance(items, str):
        return
    for item in items:
        if item.is_reference:
            yield str(item.id), NotFound(f"Item with id '{item.id}' not found.", param="input")
