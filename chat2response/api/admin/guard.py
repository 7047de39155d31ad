"""`AdminGuard`: admits requests by the admin token, by their address, or by a key with an admin grant.

The admin token and an allowed address open everything. A key with `admin:keys` opens `/keys*`, one with
`admin:usage` the usage, `admin:audit`, `admin:metrics` and `admin:reload` the endpoint of that name, and
`admin:*` everything. A key can never give another key more grants than it has itself. The rules for the admin
token (no other origin, no unknown proxy) apply to keys too. Wrong credentials are counted by address.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from chat2response.api.admin.rules import AdminRules, Admitted, RequestFacts, decide
from chat2response.api.admin.throttle import Throttle
from chat2response.api.http.request import Request
from chat2response.errors import Forbidden, Unauthorized
from chat2response.keys import Actor, ApiKey, KeyVerifier
from chat2response.keys.grants import grants_of
from chat2response.keys.tokens.token import parse
from chat2response.stores import StoreDown

_ACTOR = "chat2response.actor"

log = logging.getLogger("chat2response.api")


class AdminGuard:
    """One per application, because it counts failed attempts. `clock`: seconds."""

    def __init__(self, rules: AdminRules, keys: KeyVerifier, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._keys = keys
        self._throttle = Throttle(clock)

    async def __call__(self, request: Request, wanted: str | None) -> None:
        """Admits the request and stores its actor in the scope.

        `wanted`: the admin grant that the route requires; None: any admin grant. Raises Unauthorized,
        Forbidden, Throttled, UnsupportedMedia; StoreDown if the key cannot be checked.
        """
        facts = RequestFacts.of(request.scope, self._rules.trusted)
        try:
            request.scope[_ACTOR] = await self._actor(facts, wanted)
        except Unauthorized:
            if facts.tokens:  # valid credentials are never throttled: nobody can lock the operator out
                self._throttle.check(facts.client.address)
                await self._count(facts)
            raise

    async def _actor(self, facts: RequestFacts, wanted: str | None) -> Actor:
        origin = None if facts.client.address is None else str(facts.client.address)
        decision = decide(self._rules, facts)
        if isinstance(decision, Admitted):
            return Actor(decision.by, origin=origin)
        token = next((each for each in facts.tokens if parse(each) is not None), None)
        if token is None:
            raise decision.error
        if decision.error_with_key is not None:
            raise decision.error_with_key
        return Actor("key", await self._key(token, origin, wanted), origin)

    async def _key(self, token: str, origin: str | None, wanted: str | None) -> ApiKey:
        """The key of the token, if it has the grant."""
        key = await self._keys.verify(token)
        grants = grants_of(key.scopes)
        grants.check_address(origin)
        if not (grants.admin if wanted is None else grants.allows_admin(wanted)):
            raise Forbidden(
                "This key may not use this part of the admin plane. It needs the scope "
                f"'admin:{wanted or '*'}'.",
                code="insufficient_scope",
            )
        return key

    async def _count(self, facts: RequestFacts) -> None:
        address = facts.client.address
        if not self._throttle.record_failure(address):
            return
        log.warning("too many wrong admin credentials from %s", address)
        try:
            await self._keys.audit.record("admin.throttled", Actor("network", origin=str(address)))
        except StoreDown as down:
            log.warning("cannot write this to the audit log: %s", down.internal)


def actor_of(scope: Mapping[str, Any]) -> Actor:
    """The actor of a request that has passed the guard."""
    actor: Actor = scope[_ACTOR]
    return actor
