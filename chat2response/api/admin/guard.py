"""The guard of the admin plane: the admin token and allowed addresses, or an issued key with an admin grant.

Where the address or the admin token lets a request in, it may do everything. A key with `admin:keys` may use
`/keys*`, with `admin:usage` what tells usage, with `admin:audit`, `admin:metrics`, `admin:reload` the rest,
with `admin:*` all of it; and what it does to keys stays within what it has itself. Every rule that holds for
the admin token (no other origin, no unknown proxy) holds for it too. Wrong ones are counted by address.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chat2response.api.admin.rules import AdminRules, Visit, check
from chat2response.api.admin.throttle import Throttle
from chat2response.api.http.request import Request
from chat2response.errors import BridgeError, Forbidden, Unauthorized
from chat2response.keys import Actor, ApiKey, KeyVerifier
from chat2response.keys.grants import grants_of
from chat2response.keys.tokens.token import parse
from chat2response.stores import StoreDown

_ACTOR = "chat2response.actor"

log = logging.getLogger("chat2response.api")


class AdminGuard:
    """One for each application: it remembers who failed. `clock`: seconds."""

    def __init__(self, rules: AdminRules, keys: KeyVerifier, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._keys = keys
        self._throttle = Throttle(clock)

    async def __call__(self, request: Request, wanted: str | None) -> None:
        """Lets the request pass, and notes in its scope who makes it.

        `wanted`: the admin grant that opens what is asked for; None: any of them does. Raises Unauthorized,
        Forbidden, Throttled, UnsupportedMedia; StoreDown where no key can be checked.
        """
        visit = Visit.of(request.scope, self._rules.trusted)
        try:
            request.scope[_ACTOR] = await self._actor(visit, wanted)
        except Unauthorized:
            if visit.tokens:  # a right one passes all the same: nobody can lock an operator out
                self._throttle.check(visit.sender.address)
                await self._count(visit)
            raise

    async def _actor(self, visit: Visit, wanted: str | None) -> Actor:
        origin = None if visit.sender.address is None else str(visit.sender.address)
        try:
            check(self._rules, visit)
        except (Unauthorized, Forbidden) as refused:
            return Actor("key", await self._key(visit, wanted, refused), origin)
        return Actor(
            "token" if _passes(replace(self._rules, everywhere=True), visit) else "network", origin=origin
        )

    async def _key(self, visit: Visit, wanted: str | None, refused: BridgeError) -> ApiKey:
        """The key that opens what the rules refused."""
        token = next((each for each in visit.tokens if parse(each) is not None), None)
        if token is None:
            raise refused
        check(replace(self._rules, token=token), visit)
        key = await self._keys.verify(token)
        grants = grants_of(key.scopes)
        grants.check_address(None if visit.sender.address is None else str(visit.sender.address))
        if not (grants.admin if wanted is None else grants.allows_admin(wanted)):
            raise Forbidden(
                "This key may not use this part of the admin plane: none of its scopes grants "
                f"'admin:{wanted or '*'}'.",
                code="insufficient_scope",
            )
        return key

    async def _count(self, visit: Visit) -> None:
        address = visit.sender.address
        if not self._throttle.failed(address):
            return
        log.warning("too many wrong admin credentials from %s", address)
        try:
            await self._keys.audit.record("admin.throttled", Actor("network", origin=str(address)))
        except StoreDown as down:
            log.warning("the audit does not tell of it: %s", down.internal)


def actor_of(scope: Mapping[str, Any]) -> Actor:
    """Who makes a request that has passed the guard."""
    actor: Actor = scope[_ACTOR]
    return actor


def _passes(rules: AdminRules, visit: Visit) -> bool:
    try:
        check(rules, visit)
    except BridgeError:
        return False
    return True
