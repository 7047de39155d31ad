"""A key with an admin grant cannot create or widen a key beyond its own scopes, limits and expiry."""

import re
from collections.abc import Sequence
from dataclasses import fields
from fnmatch import fnmatchcase

from chat2response.errors import Forbidden
from chat2response.keys.actor import Actor
from chat2response.keys.grants import Grants, Network, grants_of
from chat2response.keys.limits import KeyLimits
from chat2response.keys.record import ApiKey

CODE = "wider_than_own_key"

# For each field of Grants, the kind's name in a scope.
_KINDS = {"endpoints": "endpoint", "models": "model", "upstreams": "upstream", "tools": "tool", "nets": "net"}
_GLOBS = ("models", "tools")

# A pattern's tokens: a character, a wildcard, or a whole character set.
_TOKENS = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def check_within(actor: Actor, target: ApiKey) -> None:
    """Raises Forbidden if `target` may do or spend more, or lives longer, than the actor's key."""
    if actor.key is None:
        return
    check_end(actor, target.expires_at)
    check_rights(actor, target)


def check_rights(actor: Actor, target: ApiKey) -> None:
    """Raises Forbidden if `target` may do or spend more than the actor's key."""
    if actor.key is None:
        return
    scope = wider_grant(grants_of(target.scopes), grants_of(actor.key.scopes))
    if scope is not None:
        raise Forbidden(
            f"A key cannot grant what it does not have. Its own scopes do not cover '{scope}'.",
            code=CODE,
            param="scopes",
        )
    own = actor.key.limits or KeyLimits()
    limit = (target.limits or KeyLimits()).wider_than(own)
    if limit is not None:
        raise Forbidden(
            "A key cannot allow more than its own limits. "
            f"limits.{limit} must be at most {getattr(own, limit)}.",
            code=CODE,
            param=f"limits.{limit}",
        )


def check_end(actor: Actor, end: int | None) -> None:
    """Raises Forbidden if a key that ends at `end` would outlive the actor's key."""
    own = actor.key.expires_at if actor.key is not None else None
    if own is not None and (end is None or end > own):
        raise Forbidden(
            f"A key cannot create a key that outlives it. expires_at must be at most {own}.",
            code=CODE,
            param="expires_at",
        )


def wider_grant(requested: Grants, own: Grants) -> str | None:
    """The first grant in which `requested` allows more than `own`; None if there is none.

    A kind that `own` restricts and `requested` does not is reported as `<kind>:*`.
    """
    for name, kind in _KINDS.items():
        allowed, wanted = getattr(own, name), getattr(requested, name)
        if allowed is None:
            continue
        if wanted is None:
            return f"{kind}:*"
        for value in wanted:
            if not _covered(name, value, allowed):
                return f"{kind}:{value}"
    return next((f"admin:{area}" for area in requested.admin if not own.allows_admin(area)), None)


def _covered(name: str, value: str | Network, allowed: Sequence[str | Network]) -> bool:
    """Whether one of `allowed` grants all that `value` grants. False where that is uncertain."""
    if isinstance(value, str):
        wide = [each for each in allowed if isinstance(each, str)]
        return value in wide or (name in _GLOBS and any(glob_covers(each, value) for each in wide))
    return any(
        not isinstance(each, str) and each.version == value.version and value.subnet_of(each)  # type: ignore[arg-type]
        for each in allowed
    )


def glob_covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches all that `narrow` matches, both in fnmatch's syntax.

    A wildcard of `narrow` needs a wildcard of `wide`. A `wide` with a character set covers plain names only.
    """
    if "[" in wide:
        return not any(sign in narrow for sign in "*?[") and fnmatchcase(narrow, wide)
    tokens = _TOKENS.findall(narrow)
    reached = {0}  # positions in `tokens` that the part of `wide` read so far can match up to
    for char in wide:
        if char == "*":
            reached = set(range(min(reached), len(tokens) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(tokens) and _char_covers(char, tokens[at])}
    return len(tokens) in reached


def _char_covers(char: str, token: str) -> bool:
    return token != "*" if char == "?" else token == char and token != "?"


assert set(_KINDS) | {"admin"} == {field.name for field in fields(Grants)}, "a kind of grant without a rule"
